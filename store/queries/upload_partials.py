"""Uploads that are to become one: partial uploads of a ticket, and what it was said to be made of.

Not through the log. They are gone with their ticket; the partial ones when the object is stored,
and what it was made of with the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from store.errors import Conflict, Invalid, NotFound
from store.procedures import procedure
from store.transaction import Transaction

MAX_PARTIALS = 64  # of one ticket


class Partial(NamedTuple):
    id: str
    length: int
    offset: int
    parts: int


class Join(NamedTuple):
    concat: str  # as the client wrote it
    partials: list[str]  # ids in their order; one may be there more than once


async def partials_of(tx: Transaction, media_id: str) -> list[Partial]:
    found = await tx.rows(
        "SELECT u.id, u.length, COALESCE(SUM(p.size), 0), COUNT(p.size) FROM upload_partials u "
        "LEFT JOIN upload_parts p ON p.media_id = u.id WHERE u.media_id = ? "
        "GROUP BY u.id, u.length ORDER BY u.id",
        (media_id,),
    )
    return [Partial(row[0], row[1], int(row[2]), row[3]) for row in found]


async def partial_ids(tx: Transaction, media_ids: Sequence[str]) -> list[str]:
    """Of any of these objects."""
    found = await tx.rows(
        "SELECT id FROM upload_partials WHERE media_id IN " + tx.dialect.in_list(len(media_ids)),
        media_ids,
    )
    return [row[0] for row in found]


async def join_of(tx: Transaction, media_id: str) -> Join | None:
    """What an upload is made of; None where it is its own."""
    found = await tx.rows(
        "SELECT concat, partials FROM upload_joins WHERE media_id = ?", (media_id,)
    )
    return Join(found[0][0], found[0][1].split()) if found else None


@procedure
async def add_partial(tx: Transaction, media_id: str, partial: str, length: int) -> None:
    await _unfinished(tx, media_id)
    found = await tx.rows("SELECT COUNT(*) FROM upload_partials WHERE media_id = ?", (media_id,))
    if found[0][0] >= MAX_PARTIALS:
        raise Invalid(f"a ticket has at most {MAX_PARTIALS} partial uploads")
    await tx.run(
        "INSERT INTO upload_partials (media_id, id, length) VALUES (?, ?, ?)",
        (media_id, partial, length),
    )


@procedure
async def join_partials(tx: Transaction, media_id: str, concat: str, partials: list[str]) -> None:
    """Says what an upload is made of, once and for all: from now on neither it nor they take
    bytes. The caller has seen that they are whole; whole ones do not change. The same said again
    is well; raises `Conflict` for anything else, `NotFound` where one of them has gone."""
    said = await join_of(tx, media_id)
    if said is not None and said.partials == partials:
        return
    await _unfinished(tx, media_id)
    there = await partial_ids(tx, [media_id])
    if not set(partials) <= set(there):
        raise NotFound("no such partial upload")
    own = await tx.rows("SELECT start FROM upload_parts WHERE media_id = ? LIMIT 1", (media_id,))
    if own:
        raise Conflict("bytes were sent to the upload itself")
    await tx.run(
        "INSERT INTO upload_joins (media_id, concat, partials) VALUES (?, ?, ?)",
        (media_id, concat, " ".join(partials)),
    )


async def _unfinished(tx: Transaction, media_id: str) -> None:
    found = await tx.rows(
        "SELECT state FROM media WHERE id = ?" + tx.dialect.for_update(), (media_id,)
    )
    if not found:
        raise NotFound("no such upload")
    if found[0][0] or await join_of(tx, media_id) is not None:
        raise Conflict("the upload is finished")


async def forget_partials(tx: Transaction, media_ids: Sequence[str]) -> None:
    await tx.run(
        "DELETE FROM upload_partials WHERE media_id IN " + tx.dialect.in_list(len(media_ids)),
        media_ids,
    )


async def forget_joins(tx: Transaction, media_ids: Sequence[str]) -> None:
    await tx.run(
        "DELETE FROM upload_joins WHERE media_id IN " + tx.dialect.in_list(len(media_ids)),
        media_ids,
    )
