"""What queued while one commit was under way goes into the next, in order, each once."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime.events.batcher import PendingChange, State
from rpc.errors import Committed
from store.changes.base import Op
from store.errors import Conflict, Overloaded, Unavailable
from tests.realtime.events.batching import batching
from tests.store.notes import Note, log_of, subjects


async def test_an_idle_batcher_commits_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with batching() as kit:
        start = trio.current_time()
        for subject in range(3):
            assert await kit.batcher.submit(Note(subject=subject)).wait() == subject + 1
        assert trio.current_time() == start
        assert kit.sizes() == [1, 1, 1]


async def test_what_queues_meanwhile_is_one_commit(autojump_clock: trio.testing.MockClock) -> None:
    async with batching() as kit:
        await kit.occupy()
        kit.submit_all(1, 2, 3, 4, 5)
        await trio.sleep(10)
        assert kit.batcher.waiting() == 5
        await kit.settle()
        assert kit.sizes() == [1, 5]
        assert kit.outcomes == {subject: subject + 1 for subject in range(6)}
        assert (kit.batcher.batches, kit.batcher.changes) == (2, 6)


async def test_a_commit_holds_no_more_than_its_limit(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching(max_batch=3) as kit:
        await kit.occupy()
        kit.submit_all(*range(1, 8))
        await kit.settle()
        assert kit.sizes() == [1, 3, 3, 1]
        assert await subjects(kit.store) == list(range(8))


async def test_the_log_keeps_the_order_of_submission(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching(max_batch=4) as kit:
        await kit.occupy()
        for subject in range(1, 14):
            kit.submit(Note(subject=subject, user_id=subject % 3))
        await kit.settle()
        logged = await log_of(kit.store)
        for user in range(3):
            own = [entry.subject_id for entry in logged if entry.stream.id == user]
            assert own == sorted(own)


async def test_a_batch_has_the_time_of_its_commit(autojump_clock: trio.testing.MockClock) -> None:
    async with batching() as kit:
        await kit.occupy()
        kit.submit_all(1)
        await trio.sleep(7)
        await kit.settle()
        first, second = (entry.at_ms for entry in await log_of(kit.store))
        assert second - first == 7000


async def test_a_commit_is_told_before_its_callers_hear_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching() as kit:
        pending: list[PendingChange[int]] = []
        states: list[list[State]] = []
        kit.on_commit.append(lambda: states.append([one.state for one in pending]))
        await kit.occupy()
        pending += kit.submit_all(1, 2)
        await kit.settle()
        assert states == [[State.WAITING] * 2, [State.COMMITTING] * 2]
        assert [[e.subject_id for e in batch.entries] for batch in kit.committed] == [[0], [1, 2]]


async def test_a_full_queue_refuses_and_takes_again_when_it_has_room(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching(max_waiting=3) as kit:
        await kit.occupy()
        kit.submit_all(1, 2, 3)
        for _ in range(2):
            with pytest.raises(Overloaded, match="too many changes wait"):
                kit.batcher.submit(Note(subject=4))
        assert kit.batcher.waiting() == 3
        await kit.settle()
        assert await kit.batcher.submit(Note(subject=5)).wait()
        assert await subjects(kit.store) == [0, 1, 2, 3, 5]


async def test_a_cancelled_waiter_withdraws_its_change_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching() as kit:
        await kit.occupy()
        kit.submit_all(1)
        withdrawn = kit.batcher.submit(Note(subject=2))
        kit.submit_all(3)
        with trio.move_on_after(1) as scope:
            await withdrawn.wait()
        assert scope.cancelled_caught
        assert withdrawn.committed == Committed.COMMITTED_NO
        await kit.settle()
        assert withdrawn.committed == Committed.COMMITTED_NO
        assert await subjects(kit.store) == [0, 1, 3]
        assert kit.sizes() == [1, 2]


async def test_nothing_is_committed_when_all_have_withdrawn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching() as kit:
        await kit.occupy()
        for subject in (1, 2):
            with trio.move_on_after(1):
                await kit.batcher.submit(Note(subject=subject)).wait()
        await kit.settle()
        assert kit.sizes() == [1]
        assert await kit.batcher.submit(Note(subject=3)).wait() == 2


async def test_a_change_in_a_commit_cannot_be_withdrawn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching() as kit:
        kit.store.hold("commit")
        pending = kit.batcher.submit(Note(subject=1))
        with trio.move_on_after(1):
            await pending.wait()
        assert pending.committed == Committed.COMMITTED_UNKNOWN
        await kit.settle()
        assert pending.committed == Committed.COMMITTED_YES
        assert await subjects(kit.store) == [1]


async def test_an_outcome_on_its_way_is_heard_in_spite_of_a_cancellation(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pending: PendingChange[int] = PendingChange(Note(subject=1))
    heard: list[int] = []
    scope = trio.CancelScope()

    async def wait() -> None:
        with scope:
            heard.append(await pending.wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        pending.settle(5)
        scope.cancel()
    assert heard == [5]


async def test_an_outcome_may_be_asked_for_afterwards(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching() as kit:
        made = kit.batcher.submit(Note(subject=1))
        refused = kit.batcher.submit(Note(subject=2, refuse=True))
        assert made.committed == refused.committed == Committed.COMMITTED_NO
        await trio.testing.wait_all_tasks_blocked()
        assert made.committed == Committed.COMMITTED_YES
        assert refused.committed == Committed.COMMITTED_NO
        for _ in range(2):
            assert await made.wait() == 1
            with pytest.raises(Conflict):
                await refused.wait()


async def test_a_change_has_one_waiter(autojump_clock: trio.testing.MockClock) -> None:
    async with batching() as kit:
        pending = await kit.occupy()
        with trio.fail_after(1), pytest.raises(RuntimeError, match="one task"):
            await pending.wait()
        await kit.settle()
        assert kit.outcomes == {0: 1}


async def test_a_repeat_in_the_same_batch_has_the_first_result(
    autojump_clock: trio.testing.MockClock,
) -> None:
    op = Op(scope="u:1", key=b"k" * 16, digest=b"d" * 16)
    async with batching() as kit:
        await kit.occupy()
        one, two = (kit.batcher.submit(Note(op=op, subject=1)) for _ in range(2))
        kit.store.release("committed")
        assert await one.wait() == await two.wait() == 2
        assert kit.committed[-1].replayed == [False, True]
        assert await subjects(kit.store) == [0, 1]


async def test_a_close_commits_what_waits_and_refuses_what_comes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching(max_batch=2) as kit:
        await kit.occupy()
        kit.submit_all(1, 2, 3)
        kit.batcher.close()
        with pytest.raises(Unavailable, match="stopping"):
            kit.batcher.submit(Note(subject=4))
        assert not kit.stopped.is_set()
        kit.store.release("committed")
        await kit.stopped.wait()
        assert await subjects(kit.store) == [0, 1, 2, 3]


async def test_an_idle_batcher_ends_when_it_is_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching() as kit:
        await trio.testing.wait_all_tasks_blocked()
        kit.batcher.close()
        await kit.stopped.wait()
        assert kit.sizes() == []


async def test_a_cancelled_batcher_finishes_its_commit_and_refuses_what_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching() as kit:
        under_way = await kit.occupy()
        waiting = kit.submit_all(1, 2)
        kit.scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert not kit.stopped.is_set()
        kit.store.release("committed")
        await kit.stopped.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert under_way.committed == Committed.COMMITTED_YES
        assert kit.outcomes[0] == 1
        for pending, subject in zip(waiting, (1, 2), strict=True):
            assert pending.committed == Committed.COMMITTED_NO
            assert isinstance(kit.outcomes[subject], Unavailable)
        with pytest.raises(Unavailable):
            kit.batcher.submit(Note(subject=3))
        assert await subjects(kit.store) == [0]


async def test_who_does_not_wait_is_told_of_the_outcome(
    autojump_clock: trio.testing.MockClock,
) -> None:
    told: list[PendingChange[int]] = []
    async with batching() as kit:
        await kit.occupy()
        made = kit.batcher.submit(Note(subject=1), told.append)
        withdrawn = kit.batcher.submit(Note(subject=2), told.append)
        refused = kit.batcher.submit(Note(subject=3, refuse=True), told.append)
        withdrawn.withdraw()
        assert told == []
        await kit.settle()
        assert told == [made, refused]
        assert made.outcome() == 2
        with pytest.raises(Conflict):
            refused.outcome()
        assert withdrawn.committed == Committed.COMMITTED_NO
        made.withdraw()  # too late
        assert made.committed == Committed.COMMITTED_YES


async def test_a_lost_change_is_neither_made_nor_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    lost = PendingChange(Note(subject=1))
    lost.lose(Unavailable("gone"))
    with pytest.raises(Unavailable):
        await lost.wait()
    assert lost.committed == Committed.COMMITTED_UNKNOWN
