"""Entries that a consumer has set aside: those that fail, and those of the same key behind them.

An entry whose key has one set aside is *parked* behind it, so that a like and its unlike never
change places. Once the first of a key is to be tried again, or was discarded, all of the key take
effect in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from store.log import Entry, entries_at
from store.projections.base import Consumer
from store.projections.offsets import Place
from store.sources import Stretch
from store.transaction import Transaction

BOUND = 10_000
"""Entries of a generation that may be set aside. With so many it takes no new ones."""

MAX_ERROR = 2000  # characters

COLUMNS = ("consumer", "generation", "position", "entry_key", "state", "error", "at_ms")
_OF = "WHERE consumer = ? AND generation = ? "


class State(IntEnum):
    """The numbers are stored."""

    FAILED = 0
    PARKED = 1
    RETRIED = 2


async def park(
    tx: Transaction, consumer: Consumer, place: Place, stretch: Stretch, now_ms: int
) -> tuple[Stretch, int]:
    """Parks the entries of the stretch that have to wait; returns it without them, and how many
    they were. It ends earlier where more would be set aside than may be."""
    blocked = {
        row[0]
        for row in await tx.rows(
            f"SELECT DISTINCT entry_key FROM set_aside {_OF}AND entry_key <> ''",
            (consumer.name, place.generation),
        )
    }
    taken: list[Entry] = []
    parked: list[tuple[str, int, int, str, int, str, int]] = []
    reached = stretch.reached
    for entry in stretch.entries:
        key = consumer.key(entry)
        if key not in blocked:
            taken.append(entry)
        elif place.aside + len(parked) < BOUND:
            parked.append(
                (consumer.name, place.generation, entry.position, key, State.PARKED, "", now_ms)
            )
        else:
            reached = entry.position - 1
            break
    await tx.run_many(tx.dialect.insert_new("set_aside", COLUMNS), parked)
    return Stretch(stretch.after, reached, taken), len(parked)


async def to_retry(
    tx: Transaction, consumer: str, generation: int, limit: int
) -> tuple[str, list[int]]:
    """A key that is to be tried again, and the positions of its entries, in order, at most
    `limit`; without any there is none."""
    found = await tx.rows(
        f"SELECT position, entry_key FROM set_aside {_OF}AND state = ? ORDER BY position LIMIT 1",
        (consumer, generation, State.RETRIED),
    )
    if not found:
        return "", []
    position, key = found[0]
    if not key:
        return key, [position]
    of_key = await tx.rows(
        f"SELECT position FROM set_aside {_OF}AND entry_key = ? ORDER BY position LIMIT ?",
        (consumer, generation, key, limit),
    )
    return key, [row[0] for row in of_key]


async def read_aside(tx: Transaction, positions: Sequence[int]) -> list[Entry]:
    """The entries there. Raises `LookupError` where the log has not got one any more."""
    entries = await entries_at(tx, positions)
    if missing := set(positions) - {entry.position for entry in entries}:
        raise LookupError(f"the log has no entry {min(missing)} any more")
    return entries


async def settle(
    tx: Transaction, consumer: str, generation: int, key: str, positions: Sequence[int]
) -> None:
    """These entries of a key are done with. What is left of the key is tried next."""
    await tx.run_many(
        f"DELETE FROM set_aside {_OF}AND position = ?",
        [(consumer, generation, position) for position in positions],
    )
    if key:
        left = await tx.rows(
            f"SELECT MIN(position) FROM set_aside {_OF}AND entry_key = ?",
            (consumer, generation, key),
        )
        if left[0][0] is not None:
            await mark(tx, consumer, generation, left[0][0], State.RETRIED)


async def mark(
    tx: Transaction, consumer: str, generation: int, position: int, state: State
) -> None:
    await tx.run(
        f"UPDATE set_aside SET state = ? {_OF}AND position = ?",
        (state, consumer, generation, position),
    )


async def note_failure(
    tx: Transaction, consumer: Consumer, generation: int, entry: Entry, error: str, now_ms: int
) -> None:
    """The entry has failed: those of its key wait for it from now on."""
    key, error = consumer.key(entry), error[:MAX_ERROR]
    await tx.run(
        tx.dialect.upsert("set_aside", COLUMNS[:3], COLUMNS[3:]),
        (consumer.name, generation, entry.position, key, State.FAILED, error, now_ms),
    )


async def note_failure_again(
    tx: Transaction,
    consumer: str,
    generation: int,
    key: str,
    position: int,
    error: str,
    now_ms: int,
) -> None:
    """The first entry of a key that was to be tried again has failed: the others wait again."""
    if key:
        await tx.run(
            f"UPDATE set_aside SET state = ? {_OF}AND entry_key = ?",
            (State.PARKED, consumer, generation, key),
        )
    await tx.run(
        f"UPDATE set_aside SET state = ?, error = ?, at_ms = ? {_OF}AND position = ?",
        (State.FAILED, error[:MAX_ERROR], now_ms, consumer, generation, position),
    )
