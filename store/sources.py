"""Where readers of the log get its entries from: the table, or a copy that is faster to read."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

from store.interface import Reads
from store.log import Entry, Head, Kind, head_query, read_entries, read_head
from store.transaction import Transaction

MANY = 10_000  # entries; of more, nobody asks for the kinds
ALL = (1 << 63) - 1  # no position is higher


class News(NamedTuple):
    """The log reaches to `position`; `kinds` are among the entries since the last news."""

    position: int
    kinds: Collection[Kind]


class Stretch(NamedTuple):
    """A part of the log: what lies behind `after`, up to `reached` inclusive. `entries` are all
    of it, or all of the kinds asked for, in order."""

    after: int
    reached: int
    entries: list[Entry]


class Source(Protocol):
    """The log, to be read. Whatever it gives has been committed, and is the same from every
    source; it may be a little behind the head. Raises `StoreError` where it cannot be read."""

    async def look(self, after: int) -> News:
        """How far it reaches, and what kinds of entries lie behind `after` (-1: any may)."""
        ...

    async def read(self, after: int, limit: int, kinds: Collection[Kind] = ()) -> Stretch:
        """The stretch behind `after`, of at most `limit` entries; with `kinds` only those.
        Nothing is skipped. There may be more behind one with entries; one without reaches as
        far as the source does."""
        ...


class DatabaseSource:
    """The table."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def look(self, after: int) -> News:
        return await self._reads.read(look, after)

    async def read(self, after: int, limit: int, kinds: Collection[Kind] = ()) -> Stretch:
        return await self._reads.read(read_stretch, after, limit, kinds)


async def look(tx: Transaction, after: int) -> News:
    """See `Source.look`."""
    of_kinds = "SELECT DISTINCT kind FROM log WHERE position > ? AND position <= ?"
    (head,), kinds = await tx.rows_many(
        [head_query(tx.dialect, lock=False), (of_kinds, (after, after + MANY))]
    )
    position = Head(*head).position
    if after < 0 or position - after > MANY:
        return News(position, tuple(Kind))
    return News(position, [Kind(row[0]) for row in kinds])


async def read_stretch(
    tx: Transaction, after: int, limit: int, kinds: Collection[Kind] = (), head: int | None = None
) -> Stretch:
    """See `Source.read`. `head` is where the log ends for the reader, if it is known."""
    if head is None and kinds:
        head = (await read_head(tx)).position
    entries = await read_entries(tx, after, ALL if head is None else head, limit, kinds)
    reached = entries[-1].position if entries else after
    if head is not None and len(entries) < limit:
        reached = max(reached, head)  # there is nothing else of interest up to the head
    return Stretch(after, reached, entries)
