"""How far the consumers of the log have come, and what they have set aside."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from store.log import Kind, read_entries, read_head
from store.projections.aside import BOUND, State
from store.projections.offsets import Role
from store.transaction import Transaction


class Status(NamedTuple):
    """A consumer that has begun, or that the code knows."""

    name: str
    role: Role
    """Of the generation of its rows: live, or being built."""
    generation: int
    position: int
    head: int
    entries_behind: int
    """Entries of the log from the first that it has yet to take; 0: there is none. It counts
    those, too, that are none of its business."""
    seconds_behind: float
    """Since that one was written."""
    failed: int
    """Entries set aside because they fail, or failed and are to be tried again."""
    retried: int
    """Those of them that are to be tried again."""
    parked: int
    """Entries that wait behind those."""
    paused: bool
    sweeping: bool
    """Whether there are rows to be removed that are not shown any more."""
    seeded: int | None
    """Up to which id its rows have been built from the state of things, while they are."""

    left_behind: bool
    """Whether the log has not got any more what it would take next."""

    @property
    def stopped(self) -> bool:
        """Whether it stands still until somebody does something about it."""
        return self.full or self.left_behind

    @property
    def full(self) -> bool:
        """Whether it takes no new entries because too many are set aside."""
        return self.failed + self.parked >= BOUND


async def statuses(tx: Transaction, known: Mapping[str, Collection[Kind]]) -> list[Status]:
    """Those of all consumers by name, the live generation first. `known` are those of the code,
    with what they want to see."""
    head, _, floor = await read_head(tx)
    rows = await tx.rows("SELECT consumer, role, generation, position, paused_ms FROM offsets")
    begun = {row[0] for row in rows}
    sweeping = {row[0] for row in rows if row[1] == Role.LEAVING}
    rows = [row for row in rows if row[1] != Role.LEAVING]
    rows += [(name, Role.LIVE, 0, 0, 0) for name in known if name not in begun]
    counted = await tx.rows(
        "SELECT consumer, generation, state, COUNT(*) FROM set_aside "
        "GROUP BY consumer, generation, state"
    )
    aside = {(row[0], row[1], row[2]): row[3] for row in counted}
    seeds = {row[:2]: row[2] for row in await tx.rows("SELECT * FROM seeds")}
    now_ms = (await tx.rows(f"SELECT {tx.dialect.now_ms()}"))[0][0]
    result = []
    for name, role, generation, position, paused_ms in sorted(rows):
        waiting = await read_entries(tx, position, head, 1, known.get(name, ()))
        failed, parked, retried = (aside.get((name, generation, state), 0) for state in State)
        result.append(
            Status(
                name=name,
                role=Role(role),
                generation=generation,
                position=position,
                head=head,
                entries_behind=head - waiting[0].position + 1 if waiting else 0,
                seconds_behind=max(0, now_ms - waiting[0].at_ms) / 1000 if waiting else 0.0,
                failed=failed + retried,
                retried=retried,
                parked=parked,
                paused=bool(paused_ms),
                sweeping=name in sweeping,
                left_behind=position < floor,
                seeded=seeds.get((name, generation)),
            )
        )
    return result


class Letter(NamedTuple):
    """An entry that is set aside."""

    consumer: str
    generation: int
    position: int
    key: str
    state: State
    error: str
    at_ms: int


async def letters(
    tx: Transaction, consumer: str, position: int, limit: int, *, parked: bool
) -> list[Letter]:
    """What is set aside: all of it or that of one consumer, at one position or any (0), with
    those that only wait or without them."""
    where, params = "WHERE 1 = 1", list[str | int]()
    for condition, value in (("consumer = ?", consumer), ("position = ?", position)):
        if value:
            where += f" AND {condition}"
            params.append(value)
    if not parked:
        where += " AND state <> ?"
        params.append(State.PARKED)
    found = await tx.rows(
        "SELECT consumer, generation, position, entry_key, state, error, at_ms FROM set_aside "
        f"{where} ORDER BY consumer, generation, position LIMIT ?",
        [*params, limit],
    )
    return [Letter._make(row)._replace(state=State(row[4])) for row in found]
