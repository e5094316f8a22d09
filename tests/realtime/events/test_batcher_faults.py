"""What fails fails its own caller; what passes is tried again."""

from __future__ import annotations

import pytest
import structlog
import trio
import trio.testing

from realtime.events.batcher import RETRIES
from rpc.errors import Committed
from store.changes.base import Op
from store.errors import Conflict, Corrupt, OutcomeUnknown, Overloaded, Unavailable
from tests.realtime.events.batching import batching
from tests.store.notes import BROKEN, Note, log_of, subjects

APPLES = list(range(1, 8))


@pytest.mark.parametrize(
    "bad", [(1,), (4,), (7,), (3, 4), (1, 7), (2, 3, 5, 6), tuple(APPLES)], ids=str
)
async def test_bad_apples_fail_alone_and_the_others_are_made_once(
    autojump_clock: trio.testing.MockClock, bad: tuple[int, ...]
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with batching() as kit:
            await kit.occupy()
            pending = kit.submit_all(*APPLES, broken=bad)
            await kit.settle()
            good = [subject for subject in APPLES if subject not in bad]
            assert await subjects(kit.store) == [0, *good]
            assert [entry.position for entry in await log_of(kit.store)] == list(
                range(1, len(good) + 2)
            )
            told = [entry.subject_id for batch in kit.committed for entry in batch.entries]
            assert told == [0, *good]
            for subject, one in zip(APPLES, pending, strict=True):
                outcome = kit.outcomes[subject]
                if subject in bad:
                    assert isinstance(outcome, ValueError)
                    assert str(outcome) == BROKEN
                    assert one.committed == Committed.COMMITTED_NO
                else:
                    assert outcome == good.index(subject) + 2
                    assert one.committed == Committed.COMMITTED_YES
            assert kit.batcher.changes == 1 + len(good)
    assert [entry["event"] for entry in logs] == ["change failed"] * len(bad)
    assert {entry["kind"] for entry in logs} == {"Note"}


async def test_one_bad_apple_of_many_costs_a_few_commits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs():
        async with batching() as kit:
            await kit.occupy()
            kit.submit_all(*range(1, 257), broken=(100,))
            await kit.settle()
            assert len(kit.sizes()) <= 1 + 1 + 2 * 8
            assert len(await subjects(kit.store)) == 256


async def test_a_refusal_is_no_failure(autojump_clock: trio.testing.MockClock) -> None:
    async with batching() as kit:
        await kit.occupy()
        for subject in (1, 2, 3):
            kit.submit(Note(subject=subject, refuse=subject == 2))
        await kit.settle()
        assert kit.sizes() == [1, 3]
        assert isinstance(kit.outcomes.pop(2), Conflict)
        assert kit.outcomes == {0: 1, 1: 2, 3: 3}


@pytest.mark.parametrize("times", range(1, len(RETRIES) + 1))
async def test_a_passing_fault_delays_and_nothing_more(
    autojump_clock: trio.testing.MockClock, times: int
) -> None:
    async with batching() as kit:
        kit.store.fail("commit", *[Unavailable("locked")] * times)
        start = trio.current_time()
        assert await kit.batcher.submit(Note(subject=1)).wait() == 1
        assert trio.current_time() - start == pytest.approx(sum(RETRIES[:times]))
        assert kit.batcher.batches == 1
        assert await subjects(kit.store) == [1]


async def test_a_fault_that_stays_is_told_to_everyone_in_the_batch(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching() as kit:
        await kit.occupy()
        pending = kit.submit_all(1, 2, 3)
        kit.store.fail("commit", *[Unavailable("gone")] * (len(RETRIES) + 1))
        await kit.settle()
        assert kit.sizes() == [1] + [3] * (len(RETRIES) + 1)
        for subject, one in zip((1, 2, 3), pending, strict=True):
            assert one.committed == Committed.COMMITTED_NO
            assert isinstance(kit.outcomes[subject], Unavailable)
        assert len(kit.committed) == 1
        assert await kit.batcher.submit(Note(subject=4)).wait() == 2


@pytest.mark.parametrize("error", [Corrupt("bytes"), Overloaded("full")])
async def test_a_fault_that_does_not_pass_is_not_tried_again(
    autojump_clock: trio.testing.MockClock, error: Exception
) -> None:
    async with batching() as kit:
        kit.store.fail("commit", error)
        with pytest.raises(type(error)):
            await kit.batcher.submit(Note(subject=1)).wait()
        assert kit.sizes() == [1]
        assert await kit.batcher.submit(Note(subject=2)).wait() == 1


async def test_a_fault_while_halving_is_told_to_its_half(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching() as kit:
        await kit.occupy()
        kit.submit_all(1, 2, 3, 4)
        lasting = [Unavailable("gone")] * (len(RETRIES) + 1)
        kit.store.fail("commit", ValueError("somebody's data"), *lasting)
        await kit.settle()
        assert [type(kit.outcomes[subject]) for subject in (1, 2)] == [Unavailable] * 2
        assert [kit.outcomes[subject] for subject in (3, 4)] == [2, 3]
        assert await subjects(kit.store) == [0, 3, 4]


async def test_a_commit_whose_answer_is_lost_is_made_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its op_key makes the second attempt a repeat."""
    op = Op(scope="u:1", key=b"k" * 16, digest=b"d" * 16)
    async with batching() as kit:
        kit.store.fail("committed", Unavailable("the connection broke"))
        assert await kit.batcher.submit(Note(op=op, subject=1)).wait() == 1
        assert kit.sizes() == [1, 1]
        assert await subjects(kit.store) == [1]


async def test_a_stop_during_the_retries_waits_for_their_outcome(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with batching() as kit:
        kit.store.fail("commit", Unavailable("locked"), Unavailable("locked"))
        pending = kit.submit_all(1)
        await trio.sleep(0.05)
        kit.scope.cancel()
        await kit.stopped.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert pending[0].committed == Committed.COMMITTED_YES
        assert kit.outcomes == {1: 1}


async def test_what_may_have_been_made_is_not_tried_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its callers hear that nobody knows; what comes after goes on."""
    async with batching() as kit:
        kit.store.fail("committed", OutcomeUnknown("no answer"))
        pending = kit.submit_all(1, 2)
        await kit.settle()
        assert kit.sizes() == [2]
        assert all(isinstance(kit.outcomes[one], OutcomeUnknown) for one in (1, 2))
        assert [one.committed for one in pending] == [Committed.COMMITTED_UNKNOWN] * 2
        kit.submit(Note(subject=3))
        await kit.settle()
        assert await subjects(kit.store) == [1, 2, 3]
        assert kit.outcomes[3] == 3
