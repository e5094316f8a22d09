"""What has come of uploads that are sent in parts. Not through the log.

Each part is a durable blob; its row says where it belongs. The parts of an upload lie end to end
from 0, so their sizes add up to its offset, on whichever node one asks. They are gone with the
change that stores the object, or that drops it.
"""

from __future__ import annotations

from typing import NamedTuple

from store.errors import Conflict, Invalid, NotFound
from store.procedures import procedure
from store.transaction import Transaction

MAX_PARTS = 10_000  # of one upload: a bound for the rows of a client that sends single bytes


class Part(NamedTuple):
    start: int
    size: int
    digest: bytes


async def upload_parts(tx: Transaction, media_id: str) -> list[Part]:
    """In their order."""
    found = await tx.rows(
        "SELECT start, size, digest FROM upload_parts WHERE media_id = ? ORDER BY start",
        (media_id,),
    )
    return [Part(*row) for row in found]


@procedure
async def add_part(tx: Transaction, media_id: str, start: int, size: int, digest: bytes) -> None:
    """Raises `Conflict` unless the part begins where those before it end: of two that were sent
    for one offset one is kept."""
    media = await tx.rows(
        "SELECT state, size FROM media WHERE id = ?" + tx.dialect.for_update(), (media_id,)
    )
    if not media:
        raise NotFound("no such upload")
    stored, total = media[0]
    held = await tx.rows(
        "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM upload_parts WHERE media_id = ?", (media_id,)
    )
    count, offset = held[0]
    if stored or start != int(offset):
        raise Conflict("the upload is at another offset")
    if size <= 0 or start + size > total or count >= MAX_PARTS:
        raise Invalid("more bytes, or in more parts, than an upload may have")
    await tx.run(
        "INSERT INTO upload_parts (media_id, start, size, digest) VALUES (?, ?, ?, ?)",
        (media_id, start, size, digest),
    )


@procedure
async def drop_parts(tx: Transaction, media_id: str) -> None:
    """The upload begins anew."""
    await tx.run("DELETE FROM upload_parts WHERE media_id = ?", (media_id,))
