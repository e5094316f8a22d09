"""What has come of uploads that are sent in parts. Not through the log.

Each part is a durable blob; its row says where it belongs. The parts of an upload lie end to end
from 0, so their sizes add up to its offset, on whichever node one asks. They are gone with the
change that stores the object, or that drops it.

An upload is a ticket's own, which has the id of its object, or a partial one of that ticket, with
an id of its own: see `store.queries.upload_partials`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from store.errors import Conflict, Invalid, NotFound
from store.procedures import procedure
from store.queries.upload_partials import forget_partials, join_of, partial_ids
from store.transaction import Transaction

MAX_PARTS = 10_000  # of one upload: a bound for the rows of a client that sends single bytes
SPARE = 2
"""What the partial uploads of a ticket may hold, in sizes of its object: an answer that was lost
leaves one that nobody knows, and the upload has to go on."""


class Part(NamedTuple):
    start: int
    size: int
    digest: bytes


async def upload_parts(tx: Transaction, upload_id: str) -> list[Part]:
    """In their order."""
    found = await tx.rows(
        "SELECT start, size, digest FROM upload_parts WHERE media_id = ? ORDER BY start",
        (upload_id,),
    )
    return [Part(*row) for row in found]


async def standing(tx: Transaction, media_id: str) -> tuple[int, str]:
    """How far a ticket's own upload has come, and what the client said that it is made of, ""
    where it is not."""
    held, join = await tx.rows_many(
        [
            ("SELECT COALESCE(SUM(size), 0) FROM upload_parts WHERE media_id = ?", (media_id,)),
            ("SELECT concat FROM upload_joins WHERE media_id = ?", (media_id,)),
        ]
    )
    return int(held[0][0]), join[0][0] if join else ""


@procedure
async def add_part(
    tx: Transaction, media_id: str, partial: str, start: int, size: int, digest: bytes
) -> None:
    """To the ticket's own upload, or to a partial one. Raises `Conflict` unless the part begins
    where those before it end: of two that were sent for one offset one is kept."""
    media = await tx.rows(
        "SELECT state, size FROM media WHERE id = ?" + tx.dialect.for_update(), (media_id,)
    )
    if not media:
        raise NotFound("no such upload")
    stored, total = media[0]
    if stored or await join_of(tx, media_id) is not None:
        raise Conflict("the upload is finished")
    length = await _room(tx, media_id, partial, size) if partial else total
    upload_id = partial or media_id
    held = await tx.rows(
        "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM upload_parts WHERE media_id = ?", (upload_id,)
    )
    count, offset = held[0]
    if start != int(offset):
        raise Conflict("the upload is at another offset")
    if size <= 0 or start + size > length or count >= MAX_PARTS:
        raise Invalid("more bytes, or in more parts, than an upload may have")
    await tx.run(
        "INSERT INTO upload_parts (media_id, start, size, digest) VALUES (?, ?, ?, ?)",
        (upload_id, start, size, digest),
    )


async def _room(tx: Transaction, media_id: str, partial: str, size: int) -> int:
    """The length of a partial upload that may have so many bytes more."""
    found = await tx.rows(
        "SELECT length FROM upload_partials WHERE media_id = ? AND id = ?", (media_id, partial)
    )
    if not found:
        raise NotFound("no such upload")
    length: int = found[0][0]
    held = await tx.rows(
        "SELECT COALESCE(SUM(p.size), 0), MAX(m.size) FROM media m LEFT JOIN upload_partials u "
        "ON u.media_id = m.id LEFT JOIN upload_parts p ON p.media_id = u.id WHERE m.id = ?",
        (media_id,),
    )
    if int(held[0][0]) + size > SPARE * held[0][1]:
        raise Invalid("the partial uploads of a ticket hold too much: terminate what is not needed")
    return length


async def drop_parts(tx: Transaction, media_ids: Sequence[str]) -> None:
    """Of these objects, with their partial uploads. What they were made of stays said."""
    if not media_ids:
        return
    await tx.run(
        "DELETE FROM upload_parts WHERE media_id IN " + tx.dialect.in_list(len(media_ids)),
        media_ids,
    )
    partials = await partial_ids(tx, media_ids)
    if partials:
        await tx.run_many(
            "DELETE FROM upload_parts WHERE media_id = ?", [(one,) for one in partials]
        )
        await forget_partials(tx, media_ids)


@procedure
async def drop_partial(tx: Transaction, media_id: str, partial: str) -> None:
    """Raises `NotFound`, and `Conflict` for one that is a piece of the whole by now."""
    await tx.rows("SELECT id FROM media WHERE id = ?" + tx.dialect.for_update(), (media_id,))
    if await join_of(tx, media_id) is not None:
        raise Conflict("the upload is a part of another")
    if not await tx.run(
        "DELETE FROM upload_partials WHERE media_id = ? AND id = ?", (media_id, partial)
    ):
        raise NotFound("no such upload")
    await tx.run("DELETE FROM upload_parts WHERE media_id = ?", (partial,))
