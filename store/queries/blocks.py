"""Who has blocked whom. Two of whom one has blocked the other are *apart*."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from store.log import Entry, Kind
from store.records import BlockRecord
from store.transaction import Transaction

Pair = tuple[int, int]


class Between(NamedTuple):
    """What stands between a user and another, as the rules ask it."""

    blocks: bool = False
    blocked: bool = False

    @property
    def apart(self) -> bool:
        return self.blocks or self.blocked


class _Block(NamedTuple):
    active: bool
    changed: int


async def blocks_of(tx: Transaction, pairs: Iterable[Pair]) -> dict[Pair, _Block]:
    """The (blocker, blocked) among `pairs` that ever were, those taken back included."""
    wanted = list(dict.fromkeys(pairs))
    if not wanted:
        return {}
    found = await tx.rows(
        "SELECT blocker_id, blocked_id, active, changed FROM blocks "
        "WHERE (blocker_id, blocked_id) IN " + tx.dialect.in_pairs(len(wanted)),
        [value for pair in wanted for value in pair],
    )
    return {(row[0], row[1]): _Block(bool(row[2]), row[3]) for row in found}


async def _both_ways(tx: Transaction, pairs: list[Pair]) -> dict[Pair, _Block]:
    return await blocks_of(tx, [*pairs, *((other, one) for one, other in pairs)])


async def between(tx: Transaction, pairs: Iterable[Pair]) -> dict[Pair, Between]:
    """What stands between each (user, other); pairs with nothing between them are left out."""
    wanted = [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]
    found = {pair for pair, block in (await _both_ways(tx, wanted)).items() if block.active}
    result = {}
    for one, other in wanted:
        if (one, other) in found or (other, one) in found:
            result[one, other] = Between((one, other) in found, (other, one) in found)
    return result


async def between_two(tx: Transaction, user_id: int, other_id: int) -> Between:
    pair = (user_id, other_id)
    return (await between(tx, [pair])).get(pair, NOTHING)


NOTHING = Between()


async def apart_from(tx: Transaction, user_id: int, others: Iterable[int]) -> set[int]:
    """Those among the others from whom the user is apart."""
    return {other for _, other in await between(tx, ((user_id, other) for other in others))}


async def blocks_around(tx: Transaction, user_id: int) -> set[Pair]:
    """The blocks that hold between the user and anybody, as (blocker, blocked)."""
    found = await tx.rows(
        "SELECT blocker_id, blocked_id FROM blocks WHERE blocker_id = ? AND active = 1 "
        "UNION ALL SELECT blocker_id, blocked_id FROM blocks WHERE blocked_id = ? AND active = 1",
        (user_id, user_id),
    )
    return {(row[0], row[1]) for row in found}


async def apart_until(tx: Transaction, pairs: Iterable[Pair]) -> dict[Pair, int]:
    """The position up to which what one of a pair has done is not told to the other: that of
    the end of the last block between them, or past every position while one holds. Pairs that
    never had one are left out."""
    wanted = list(dict.fromkeys(pairs))
    result: dict[Pair, int] = {}
    found = await _both_ways(tx, wanted)
    for one, other in wanted:
        for block in (found.get((one, other)), found.get((other, one))):
            if block is not None:
                until = FOR_EVER if block.active else block.changed
                result[one, other] = max(until, result.get((one, other), 0))
    return result


FOR_EVER = (1 << 63) - 1


async def load_blocks(_: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: an entry says all there is to say of a block."""
    for entry in entries:
        entry.record = BlockRecord(
            blocker_id=entry.actor_id,
            blocked_id=entry.subject_id,
            blocked=entry.kind is Kind.BLOCKED,
            changed=entry.position,
        )
