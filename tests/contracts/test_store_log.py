"""The log: positions without gaps, in the order of the commits, and read in that order."""

from __future__ import annotations

from collections import defaultdict

import pytest
import trio

from store.errors import Conflict
from store.interface import Store
from store.log import Entry, Head, Kind, Stream, read_entries, read_head
from store.sources import ALL
from store.transaction import Transaction
from tests.contracts.places import NewDatabase, connected
from tests.contracts.statements import (
    Failure,
    Put,
    get_number,
    get_numbers,
    log_of,
    rows,
    run,
    set_number,
)

NOW = 1_700_000_000_000


async def test_a_log_begins_empty_with_an_epoch_of_its_own(store: Store) -> None:
    head = await store.read(read_head)
    assert (head.position, head.floor) == (0, 0)
    assert head.epoch > 0
    assert await log_of(store) == []
    assert await store.write(read_head) == head


async def test_a_commit_of_nothing_leaves_nothing(store: Store) -> None:
    before = await store.read(read_head)
    batch = await store.commit([], NOW)
    assert (batch.outcomes, batch.replayed, batch.entries, batch.head) == ([], [], [], before)
    assert await store.read(read_head) == before


async def test_a_commit_answers_with_what_the_log_says(store: Store) -> None:
    batch = await store.commit([Put(name=7, value=1), Put(name=8, value=2)], NOW)
    head = await store.read(read_head)
    assert batch.outcomes == [1, 2]
    assert batch.replayed == [False, False]
    assert batch.head == head == Head(2, head.epoch, 0)
    assert (
        batch.entries
        == await log_of(store)
        == [
            Entry(
                position=position,
                at_ms=NOW,
                kind=Kind.PROFILE_CHANGED,
                stream=Stream.user(name),
                sequence=1,
                actor_id=name,
                subject_id=position,
            )
            for position, name in ((1, 7), (2, 8))
        ]
    )
    assert await store.read(get_numbers) == {7: 1, 8: 2}


async def test_a_refused_change_leaves_no_gap(store: Store) -> None:
    batch = await store.commit(
        [Put(name=1, value=1), Put(name=2, refuse=True), Put(name=3, value=3)], NOW
    )
    assert batch.outcomes[0::2] == [1, 2]
    assert isinstance(batch.outcomes[1], Conflict)
    assert batch.outcomes[1].details == {"field": "name"}
    assert [entry.position for entry in await log_of(store)] == [1, 2]
    assert await store.read(get_numbers) == {1: 1, 3: 3}
    alone = await store.commit([Put(name=2, refuse=True)], NOW)
    assert (alone.entries, alone.head) == ([], batch.head)


@pytest.mark.parametrize("bad", [Put(name=9, fail=True), Put(name=9, clash=True)])
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_of_a_batch_that_fails_nothing_is_kept(store: Store, bad: Put, place: int) -> None:
    await store.commit([Put(name=1, value=1)], NOW)
    before = await store.read(read_head)
    changes = [Put(name=1, value=2), Put(name=2, value=2)]
    changes.insert(place, bad)
    with pytest.raises(Failure if bad.fail else Exception, match=r"."):
        await store.commit(changes, NOW)
    assert await store.read(read_head) == before
    assert len(await log_of(store)) == 1
    assert await store.read(get_numbers) == {1: 1}
    # The numbers that it had taken are taken again.
    changes.remove(bad)
    batch = await store.commit(changes, NOW)
    assert [(e.position, e.stream.id, e.sequence) for e in batch.entries] == [(2, 1, 2), (3, 2, 1)]


async def test_each_stream_counts_its_own_entries(store: Store) -> None:
    names = [1, 2, 1, 1, 3, 2, 1]
    for size in (1, 3, 3):
        taken, names = names[:size], names[size:]
        await store.commit([Put(name=name) for name in taken], NOW)
    by_stream: dict[Stream, list[int]] = defaultdict(list)
    for entry in await log_of(store):
        by_stream[entry.stream].append(entry.sequence)
    assert by_stream == {
        Stream.user(1): [1, 2, 3, 4],
        Stream.user(2): [1, 2],
        Stream.user(3): [1],
    }
    found = await store.read(rows, "SELECT kind, id, sequence, position FROM streams ORDER BY id")
    last = {entry.stream.id: entry.position for entry in await log_of(store)}
    assert found == [("u", 1, 4, last[1]), ("u", 2, 2, last[2]), ("u", 3, 1, last[3])]


async def test_the_entries_of_a_commit_have_its_mark(store: Store) -> None:
    """By which a writer that lost the answer finds out whether its commit happened."""
    for size in (2, 1):
        await store.commit([Put(name=name) for name in range(size)], NOW)
    marks = [row[0] for row in await store.read(rows, "SELECT batch FROM log ORDER BY position")]
    assert [len(mark) for mark in marks] == [16] * 3
    assert marks[0] == marks[1] != marks[2]


async def test_commits_at_once_share_the_positions_out(store: Store) -> None:
    """No position is given twice or left out, and who began later stands behind."""
    finished = 0
    taken: list[tuple[int, int]] = []  # first and last position of each commit

    async def commit(number: int) -> None:
        nonlocal finished
        behind = finished
        changes = [Put(name=10 * number + n, value=number) for n in range(1 + number % 3)]
        batch = await store.commit(changes, NOW)
        positions = [entry.position for entry in batch.entries]
        assert positions == list(range(positions[0], positions[0] + len(changes)))
        assert positions == batch.outcomes
        assert positions[-1] == batch.head.position
        assert positions[0] > behind
        finished = max(finished, positions[-1])
        taken.append((positions[0], positions[-1]))

    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(commit, number)
    assert len(taken) == 30
    entries = await log_of(store)
    assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
    ends = [0, *(last for _, last in sorted(taken))]
    assert [first for first, _ in sorted(taken)] == [end + 1 for end in ends[:-1]]
    assert (await store.read(read_head)).position == len(entries)


async def test_a_tail_that_follows_misses_nothing(store: Store) -> None:
    """Who has seen a position never finds a smaller one later."""
    done = False
    followed: list[list[int]] = []

    async def follow() -> None:
        seen: list[int] = []
        followed.append(seen)
        while not done or len(seen) < 60:
            entries, head = await store.read(_next, seen[-1] if seen else 0)
            seen += [entry.position for entry in entries]
            assert not entries or seen[-1] <= head.position
            assert seen == list(range(1, len(seen) + 1))

    async def write(writer: int) -> None:
        for number in range(10):
            await store.commit([Put(name=writer, value=number)] * 2, NOW)

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(follow)
        async with trio.open_nursery() as writers:
            for writer in range(3):
                writers.start_soon(write, writer)
        done = True
    assert [len(seen) for seen in followed] == [60, 60]


async def _next(tx: Transaction, after: int) -> tuple[list[Entry], Head]:
    entries = await read_entries(tx, after, ALL, 7)
    return entries, await read_head(tx)


async def test_a_slice_of_the_log_by_position(store: Store) -> None:
    kinds = [Kind.PROFILE_CHANGED, Kind.FOLLOWED, Kind.POST_LIKED]
    await store.commit([Put(name=name) for name in range(9)], NOW)
    for number, kind in enumerate(kinds):
        await store.write(run, "UPDATE log SET kind = ? WHERE position % 3 = ?", kind, number)

    async def slice_of(after: int, up_to: int, limit: int, *kinds: Kind) -> list[int]:
        found = await store.read(read_entries, after, up_to, limit, kinds)
        assert all(not kinds or entry.kind in kinds for entry in found)
        return [entry.position for entry in found]

    assert await slice_of(0, ALL, 100) == list(range(1, 10))
    assert await slice_of(2, 5, 100) == [3, 4, 5]
    assert await slice_of(2, 5, 2) == [3, 4]
    assert await slice_of(5, 5, 9) == await slice_of(9, ALL, 9) == await slice_of(6, 5, 9) == []
    assert await slice_of(0, ALL, 0) == []
    assert await slice_of(0, ALL, 9, Kind.FOLLOWED) == [1, 4, 7]
    assert await slice_of(1, ALL, 3, Kind.FOLLOWED, Kind.PROFILE_CHANGED) == [3, 4, 6]
    assert await slice_of(0, ALL, 9, Kind.RECEIPT) == []


async def test_positions_go_up_to_the_last_digit(store: Store) -> None:
    start = (1 << 63) - 4
    await store.write(run, "UPDATE log_head SET position = ?", start)
    batch = await store.commit([Put(name=start, value=1), Put(name=2, value=start)], NOW)
    assert batch.outcomes == [start + 1, start + 2]
    entries = await log_of(store, start)
    assert entries == batch.entries
    assert (entries[0].stream, entries[1].subject_id) == (Stream.user(start), start)
    assert (await store.read(read_head)).position == start + 2
    assert await store.read(get_number, start) == 1


async def test_what_does_not_go_through_the_log_moves_nothing_in_it(store: Store) -> None:
    await store.commit([Put(name=1, value=1)], NOW)
    before = await store.read(read_head)
    await store.write(set_number, 1, 5)
    assert await store.read(read_head) == before


async def test_a_log_is_there_again_after_a_restart(new_lasting_database: NewDatabase) -> None:
    async with new_lasting_database() as connect:
        async with connected(connect) as store:
            await store.migrate()
            before = await store.commit([Put(name=1, value=10), Put(name=2, value=20)], NOW)
        async with connected(connect) as store:
            assert await store.migrate() == []
            assert await store.read(read_head) == before.head
            assert await log_of(store) == before.entries
            assert await store.read(get_numbers) == {1: 10, 2: 20}
            batch = await store.commit([Put(name=1, value=30)], NOW)
            assert [(e.position, e.sequence) for e in batch.entries] == [(3, 2)]
            assert batch.head == Head(3, before.head.epoch, 0)


async def test_two_processes_share_one_log(new_lasting_database: NewDatabase) -> None:
    """Both append to it, and each reads at once what the other was told is committed."""
    async with (
        new_lasting_database() as connect,
        connected(connect) as one,
        connected(connect) as other,
    ):
        await one.migrate()
        taken: list[int] = []

        async def work(mine: Store, theirs: Store, name: int) -> None:
            for value in range(8):
                batch = await mine.commit([Put(name=name, value=value)] * 2, NOW)
                taken.extend(batch.outcomes)
                seen = await theirs.read(read_entries, batch.outcomes[0] - 1, ALL, 2)
                assert seen == batch.entries
                assert await theirs.read(get_number, name) == value

        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, one, other, 1)
            nursery.start_soon(work, other, one, 2)
        assert sorted(taken) == list(range(1, 33))
        entries = await log_of(one)
        assert entries == await log_of(other)
        for name in (1, 2):
            mine = [entry for entry in entries if entry.stream.id == name]
            assert [entry.sequence for entry in mine] == list(range(1, 17))
            assert [entry.subject_id for entry in mine] == [n // 2 for n in range(16)]
