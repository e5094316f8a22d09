"""What is old goes from the log; what somebody needs stays, unless he stands still for too long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from store import archive
from store.interface import Store
from store.log import read_head
from store.projections import operating
from store.projections.consuming import consume
from store.projections.offsets import offset
from store.queries.consumers import statuses
from store.queries.leases import Fenced, take_leases
from store.queries.nodes import register_node
from store.queries.resume import missed_and_newest
from store.retention import (
    LEASE,
    Holder,
    Raised,
    archived_up_to,
    end_archive,
    holders,
    note_archived,
    old_up_to,
    raise_floor,
    remove_below,
    would_raise,
)
from store.transaction import Transaction
from tests.contracts.statements import Put, log_of, rows, run
from tests.contracts.test_store_aside import Writing

MINUTE = 60_000
NODE = b"n" * 16


async def fill(store: Store, count: int = 10) -> None:
    """So many entries, each a second after the other."""
    for number in range(1, count + 1):
        await store.commit([Put(name=1)], number * 1000)


async def at(tx: Transaction, name: str, position: int) -> None:
    columns = ("role", "position", "fence", "paused_ms", "updated_ms")
    await tx.run(
        tx.dialect.upsert("offsets", ("consumer", "generation"), columns),
        (name, 0, 0, position, 0, 0, 0),
    )


async def positions(store: Store) -> list[int]:
    return [row[0] for row in await store.read(rows, "SELECT position FROM log ORDER BY position")]


async def test_what_is_older_than_a_time_is_found(store: Store) -> None:
    assert await store.read(old_up_to, 1 << 60) == 0
    await fill(store)
    for before_ms, position in (
        (0, 0),
        (1000, 0),
        (1001, 1),
        (5500, 5),
        (10_000, 9),
        (1 << 60, 10),
    ):
        assert await store.read(old_up_to, before_ms) == position
    await store.write(raise_floor, 4, 0)
    await store.write(remove_below, 100)
    for before_ms, position in ((0, 4), (5500, 5), (1 << 60, 10)):
        assert await store.read(old_up_to, before_ms) == position


async def test_the_floor_is_raised_and_then_the_rows_go_in_bites(store: Store) -> None:
    await fill(store)
    raised = await store.write(raise_floor, 7, 0)
    assert (raised.floor, raised.held_by, raised.left) == (7, None, [])
    assert (await store.read(read_head)).floor == 7
    assert await positions(store) == list(range(1, 11))
    bites = [await store.write(remove_below, 3) for _ in range(4)]
    assert bites == [3, 3, 1, 0]
    assert await positions(store) == [8, 9, 10]
    # It never falls, and never passes the head.
    assert (await store.write(raise_floor, 5, 0)).floor == 7
    assert (await store.write(raise_floor, 99, 0)).floor == 10
    assert (await store.commit([Put(name=1)], 0)).outcomes == [11]
    assert (await store.read(read_head)).floor == 10


async def test_nothing_goes_that_somebody_needs(store: Store) -> None:
    await fill(store)
    await store.write(at, "home", 6)
    await store.write(register_node, NODE, "one:1", 5, MINUTE)
    await store.write(note_archived, 4)
    await store.write(at, "counters", 3)
    expected = [
        Holder("the consumer counters", 3),
        Holder("the archive", 4),
        Holder("the node one:1", 5),
        Holder("the consumer home", 6),
    ]
    assert await store.read(holders) == expected
    moves: list[Callable[[], Awaitable[object]]] = [
        lambda: store.write(at, "counters", 10),
        lambda: store.write(end_archive),
        lambda: store.write(register_node, NODE, "one:1", 5, -1),
        lambda: store.write(at, "home", 10),
    ]
    for holder, move in zip(expected, moves, strict=True):
        raised = await store.write(raise_floor, 9, 0)
        assert (raised.floor, raised.held_by, raised.left) == (holder.position, holder, [])
        await move()
    assert (await store.write(raise_floor, 9, 0)).held_by is None
    assert await store.read(archived_up_to) is None


async def test_who_stands_still_for_too_long_holds_nothing(store: Store) -> None:
    await fill(store)
    await store.write(at, "home", 2)
    await store.write(at, "counters", 6)
    # What `home` needs next is of the third second, what `counters` needs of the seventh.
    raised = await store.write(raise_floor, 9, 3000)
    assert (raised.floor, raised.left) == (2, [])
    raised = await store.write(raise_floor, 9, 3001)
    assert raised.left == [Holder("the consumer home", 2)]
    assert raised.held_by == Holder("the consumer counters", 6)
    assert raised.floor == 6
    raised = await store.write(raise_floor, 9, 3001)
    assert (raised.floor, raised.left) == (6, [])  # it was said


async def test_what_would_go_is_told_and_stays(store: Store) -> None:
    await fill(store)
    await store.write(at, "home", 2)
    await store.write(at, "counters", 6)

    async def would(up_to: int, left_before_ms: int = 0, *, archiving: bool = False) -> Raised:
        raised, needs = await store.read(would_raise, up_to, left_before_ms, archiving=archiving)
        assert needs == sorted(needs, key=lambda one: one.position)
        return raised

    assert await would(2) == Raised(2, None, [])
    assert await would(9) == Raised(2, Holder("the consumer home", 2), [])
    left = [Holder("the consumer home", 2)]
    assert await would(9, 3001) == Raised(6, Holder("the consumer counters", 6), left)
    # Ten entries fill no file, which counts from the positions that are archived already.
    assert await would(9, 3001, archiving=True) == Raised(0, Holder("the archive", 0), [])
    await store.write(note_archived, 4)
    for archiving in (False, True):
        told = await would(9, 3001, archiving=archiving)
        assert told == Raised(4, Holder("the archive", 4), left)
        assert (await store.read(read_head)).floor == 0
    assert await store.write(raise_floor, 9, 3001) == told


async def test_files_that_can_be_filled_do_not_keep_what_would_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "SEGMENT", 4)
    await fill(store)
    raised, _ = await store.read(would_raise, 9, 0, archiving=True)
    assert raised == Raised(8, Holder("the archive", 8), [])


async def test_who_was_left_behind_says_so_and_goes_on_from_where_he_is_told(store: Store) -> None:
    projection = Writing()
    await fill(store)
    await store.write(at, "writing", 2)
    await store.write(raise_floor, 5, 1 << 60)
    await store.write(remove_below, 100)
    for _ in range(2):
        done = await store.write(consume, projection, 100, 0)
        assert (done.halted, done.read, done.position) == ("left behind", 0, 2)
    (status,) = await store.read(statuses, {"writing": projection.kinds})
    assert (status.left_behind, status.stopped, status.full) == (True, True, False)
    await store.write(operating.replay, projection, 6, 0)
    done = await store.write(consume, projection, 100, 0)
    assert (done.halted, done.position) == ("", 10)
    assert await store.read(offset, "writing") == 10


async def test_a_cursor_from_before_is_told_from_one_that_missed_nothing(store: Store) -> None:
    await fill(store)
    await store.write(raise_floor, 5, 0)
    for after, reached in ((0, False), (4, False), (5, True), (10, True)):
        found, _ = await store.read(missed_and_newest, 1, after, 10, 100)
        assert (found is not None) == reached
        if found is not None:
            assert [entry.position for _, entry in found.items] == list(range(after + 1, 11))


async def test_an_owner_who_was_overtaken_removes_nothing(store: Store) -> None:
    await fill(store)
    lease = (await store.write(take_leases, [LEASE], b"a" * 16, MINUTE))[LEASE]
    assert (await store.write(raise_floor, 2, 0, lease.fence)).floor == 2
    await store.write(run, "UPDATE leases SET until_ms = 0")
    await store.write(take_leases, [LEASE], b"b" * 16, MINUTE)
    for refused in (
        lambda: store.write(raise_floor, 5, 0, lease.fence),
        lambda: store.write(remove_below, 5, lease.fence),
        lambda: store.write(note_archived, 5, lease.fence),
    ):
        with pytest.raises(Fenced):
            await refused()
    assert (await store.read(read_head)).floor == 2
    assert len(await log_of(store)) == 10
