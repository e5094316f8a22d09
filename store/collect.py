"""What uploads leave behind when they end half-way: found and removed, never in a hurry.

- A blob without an object: its bytes were kept, and then the process died, or the object was
  refused. It goes when nobody has put the same bytes for `BLOB_GRACE_MS`. An upload in flight
  has put its bytes just before it asks for the object, and whoever refers to a blob that an
  object has already keeps it by that object; so what goes is wanted by nobody. The grace only
  has to be longer than an object can wait to be committed.
- An object without bytes: a ticket that nobody used. It goes when its ticket can be neither
  used nor repeated any more.
- An object that nothing shows: its message or post was deleted, or its owner never sent it. It
  goes when nothing has shown it for `UNUSED_GRACE_MS`; then its blob, if no other refers to it.

(Half-written files are removed by the blob store itself, at its start.)
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import NamedTuple

from store.blobs import BlobStore
from store.changes.base import Key, SingleChange
from store.commit import OP_LIFETIME_MS
from store.interface import Store
from store.log import WriteTransaction
from store.queries.media import drop_media, forget_old_tickets, referenced_blobs

BLOB_GRACE_MS = 24 * 3600 * 1000
UNUSED_GRACE_MS = 7 * 24 * 3600 * 1000
TICKET_GRACE_MS = OP_LIFETIME_MS + 24 * 3600 * 1000  # a repeat renews the ticket
BITE = 500  # rows of one statement


class DropUnusedMedia(SingleChange[int], frozen=True, kw_only=True):
    """Removes up to `limit` objects that nothing has shown since `before_ms`; answers how many.
    A change, so that nobody attaches one at the same moment; not in the log, for nobody sees
    them but their owner, who has let them go."""

    before_ms: int
    limit: int

    def excludes(self) -> Sequence[Key]:
        return (("media", "unused"),)

    async def apply_one(self, tx: WriteTransaction) -> int:
        found = await tx.rows(
            "SELECT id, owner_id, size FROM media WHERE unused_ms > 0 AND unused_ms < ? "
            "AND state = 1 AND uses = 0 ORDER BY unused_ms LIMIT ?",
            (self.before_ms, self.limit),
        )
        return await drop_media(tx, found)


class Collected(NamedTuple):
    """How many were removed."""

    blobs: int
    tickets: int
    unused: int


async def collect(store: Store, blobs: BlobStore, now_ms: int) -> Collected:
    """One pass over everything. `now_ms` is of the clock that the blob store has. Raises
    `StoreError`; what was removed before stays removed, and the next pass goes on."""
    unused = 0
    drop = DropUnusedMedia(before_ms=now_ms - UNUSED_GRACE_MS, limit=BITE)
    while dropped := (await store.commit([drop], now_ms)).outcomes[0]:
        unused += dropped
    gone = 0
    before_ms = now_ms - BLOB_GRACE_MS
    async with aclosing(blobs.put_before(before_ms)) as pieces:
        async for found in pieces:
            for at in range(0, len(found), BITE):
                bite = found[at : at + BITE]
                wanted = await store.read(referenced_blobs, bite)
                for digest in bite:
                    if digest not in wanted:
                        # Looks at the time again: the bytes may have been put since.
                        gone += await blobs.collect(digest, before_ms)
    tickets = 0
    while dropped := await store.write(forget_old_tickets, now_ms - TICKET_GRACE_MS, BITE):
        tickets += dropped
    return Collected(gone, tickets, unused)
