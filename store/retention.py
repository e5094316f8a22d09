"""How much of the log is kept: what is old, and what everybody who follows it has had, may go.

First the *floor* is raised, in a short transaction that holds the head of the log: from then on
entries up to it are gone for every reader, who looks at the floor in the snapshot that he reads.
Then the rows are removed, a bite at a time, in nobody's way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from store.archive import begin_of_segment
from store.log import Head, read_head
from store.projections.offsets import Role
from store.queries.leases import check_fence
from store.queries.nodes import live_nodes
from store.transaction import Transaction

LEASE = "log.retention"
ARCHIVE = "the archive"


class Holder(NamedTuple):
    """Who needs what lies behind a position: a consumer, a node, the archive."""

    who: str
    position: int


async def old_up_to(tx: Transaction, before_ms: int) -> int:
    """The position up to which entries are from before a time (Unix milliseconds), as far as the
    clocks of the nodes agree."""
    head = await read_head(tx)
    low, high = head.floor, head.position  # up to `low` they are old; behind `high` they are not
    while low < high:
        middle = (low + high + 1) // 2
        if await _is_old(tx, middle, before_ms):
            low = middle
        else:
            high = middle - 1
    return low


async def _is_old(tx: Transaction, position: int, before_ms: int) -> bool:
    found = await tx.rows("SELECT at_ms FROM log WHERE position = ?", (position,))
    return bool(found) and found[0][0] < before_ms


async def holders(tx: Transaction, *, lock: bool = False) -> list[Holder]:
    """Everybody who needs entries, who needs the oldest first. Consumers need those that they
    have set aside, too. With `lock` consumers stay where they are until the transaction ends."""
    found = await tx.rows(
        "SELECT consumer, position FROM offsets WHERE role <> ?"
        + (tx.dialect.for_update() if lock else ""),
        (Role.LEAVING,),
    )
    found += await tx.rows("SELECT consumer, MIN(position) - 1 FROM set_aside GROUP BY consumer")
    needs = [Holder(f"the consumer {name}", position) for name, position in found]
    needs += [Holder(f"the node {one.name}", one.position) for one in await live_nodes(tx)]
    archived = await archived_up_to(tx)
    if archived is not None:
        needs.append(Holder(ARCHIVE, archived))
    return sorted(needs, key=lambda one: one.position)


class Raised(NamedTuple):
    """Where the floor is now, and who keeps it from being higher, if somebody does. `left` are
    those who need what is gone: they have stood still for too long."""

    floor: int
    held_by: Holder | None
    left: list[Holder]


async def raise_floor(tx: Transaction, up_to: int, left_before_ms: int, fence: int = 0) -> Raised:
    """Raises the floor to `up_to`, or to where somebody needs what follows. A consumer whose
    next entry is from before `left_before_ms` holds nothing any more. Raises `Fenced` where the
    lease has another owner than the one with this fence; with 0 there are no others."""
    head = await read_head(tx, lock=True)  # first, as consumers do that hold both
    await check_fence(tx, LEASE, fence)
    raised = await _raised(tx, head, up_to, left_before_ms, await holders(tx, lock=True))
    if raised.floor > head.floor:
        await tx.run("UPDATE log_head SET floor = ? WHERE log_partition = 0", (raised.floor,))
    return raised


async def would_raise(
    tx: Transaction, up_to: int, left_before_ms: int, *, archiving: bool
) -> tuple[Raised, list[Holder]]:
    """What `raise_floor` would do now, and who needs what. With `archiving` the files that can
    be filled are thought of as written before."""
    head = await read_head(tx)
    needs = await holders(tx)
    if archiving:
        archived = await archived_up_to(tx)
        written = max(head.floor if archived is None else archived, begin_of_segment(up_to))
        needs = [one for one in needs if one.who != ARCHIVE] + [Holder(ARCHIVE, written)]
        needs.sort(key=lambda one: one.position)
    return await _raised(tx, head, up_to, left_before_ms, needs), needs


async def _raised(
    tx: Transaction, head: Head, up_to: int, left_before_ms: int, needs: Sequence[Holder]
) -> Raised:
    up_to = min(up_to, head.position)
    held_by, left = None, list[Holder]()
    for holder in needs:
        if holder.position >= up_to:
            break
        if holder.position < head.floor:
            continue  # it was left behind before
        if holder.who.startswith("the consumer") and await _is_old(
            tx, holder.position + 1, left_before_ms
        ):
            left.append(holder)
            continue
        held_by, up_to = holder, holder.position
        break
    floor = max(up_to, head.floor)
    return Raised(floor, held_by, [one for one in left if one.position < floor])


async def remove_below(tx: Transaction, limit: int, fence: int = 0) -> int:
    """Removes entries at or below the floor, at most `limit`; returns how many. Raises `Fenced`
    as `raise_floor`."""
    await check_fence(tx, LEASE, fence)
    floor = (await read_head(tx)).floor
    return await tx.run(
        tx.dialect.delete_some("log", ("position",), "position <= ?"), (floor, limit)
    )


async def archived_up_to(tx: Transaction) -> int | None:
    """How far the log is archived; None where it is not."""
    found = await tx.rows("SELECT position FROM log_archive WHERE log_partition = 0")
    return found[0][0] if found else None


async def note_archived(tx: Transaction, position: int, fence: int = 0) -> None:
    """The archive has everything up to `position`. Raises `Fenced` as `raise_floor`."""
    await check_fence(tx, LEASE, fence)
    await tx.run(tx.dialect.upsert("log_archive", ("log_partition",), ("position",)), (0, position))


async def end_archive(tx: Transaction) -> None:
    """From now on entries may go without having been archived."""
    await tx.run("DELETE FROM log_archive")
