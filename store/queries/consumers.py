"""How far the consumers of the log have come, and what they have set aside."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from store.log import Kind, read_entries, read_head
from store.transaction import Transaction


class Status(NamedTuple):
    """A consumer in the table, or one that the code knows and that has not begun."""

    name: str
    position: int
    head: int
    entries_behind: int
    """Entries of the log from the first that it has yet to take; 0: there is none. It counts
    those, too, that are none of its business."""
    seconds_behind: float
    """Since that one was written."""
    dead: int


async def statuses(tx: Transaction, known: Mapping[str, Collection[Kind]]) -> list[Status]:
    """All consumers by name. `known` are those of the code, with what they want to see."""
    head = (await read_head(tx)).position
    found = await tx.rows("SELECT name, position FROM consumers")
    positions = dict.fromkeys(known, 0) | {row[0]: row[1] for row in found}
    now = await tx.rows(f"SELECT {tx.dialect.now_ms()}")
    counted = await tx.rows("SELECT consumer, COUNT(*) FROM dead_letters GROUP BY consumer")
    dead = {row[0]: row[1] for row in counted}
    result = []
    for name, position in sorted(positions.items()):
        waiting = await read_entries(tx, position, head, 1, known.get(name, ()))
        result.append(
            Status(
                name=name,
                position=position,
                head=head,
                entries_behind=head - waiting[0].position + 1 if waiting else 0,
                seconds_behind=max(0, now[0][0] - waiting[0].at_ms) / 1000 if waiting else 0.0,
                dead=dead.get(name, 0),
            )
        )
    return result


class DeadLetter(NamedTuple):
    consumer: str
    position: int
    error: str
    at_ms: int


async def dead_letters(tx: Transaction, consumer: str, limit: int) -> list[DeadLetter]:
    """What consumers have set aside, or one of them, by consumer and position."""
    where, params = ("WHERE consumer = ? ", [consumer]) if consumer else ("", [])
    found = await tx.rows(
        f"SELECT consumer, position, error, at_ms FROM dead_letters {where}"
        "ORDER BY consumer, position LIMIT ?",
        [*params, limit],
    )
    return [DeadLetter(*row) for row in found]
