"""Each entry takes effect once, in order, whatever fails and whenever the process ends."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
import trio
import trio.testing

from realtime.events.leftovers import BACKOFF
from store.errors import Unavailable
from store.projections.consuming import set_aside
from tests.realtime.events.consuming import (
    ALWAYS,
    ECHO,
    KINDS,
    OTHER,
    PROJECTIONS,
    Echoing,
    Fault,
    Keeping,
    consuming,
    told,
)
from tests.store.notes import Note, log_of, subjects

both = pytest.mark.parametrize("make", PROJECTIONS)


@both
async def test_entries_of_its_kinds_take_effect_in_order(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    async with consuming(make) as kit:
        await kit.note(1, 2)
        consumer = kit.start()
        await consumer.wait_idle()
        await kit.note(3)
        await kit.note(50, kind=OTHER)
        await kit.note(4, 5)
        await consumer.wait_idle()
        assert await kit.kept() == [1, 2, 3, 4, 5]
        assert told(kit.hints) == [1, 2, 3, 4, 5]
        assert consumer.position == await kit.offset()


async def test_more_than_a_step_is_taken_in_steps(autojump_clock: trio.testing.MockClock) -> None:
    everything = list(range(1, Keeping.step + 11))
    async with consuming(Keeping) as kit:
        await kit.note(*everything)
        await kit.start().wait_idle()
        assert await kit.kept() == everything


async def test_what_is_of_no_interest_does_not_wake_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with consuming(Keeping) as kit:
        await kit.start().wait_idle()
        calls = len(kit.store.calls)
        await kit.note(50, 51, kind=OTHER)
        await trio.sleep(3600)
        assert len(kit.store.calls) == calls
        await kit.note(1)
        await trio.testing.wait_all_tasks_blocked()
        assert await kit.kept() == [1]
        assert await kit.offset() == 3


async def test_idle_means_that_what_was_noticed_has_taken_effect(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with consuming(Keeping) as kit:
        consumer = kit.start()
        await consumer.wait_idle()
        kit.store.hold("write")
        await kit.note(1)
        with trio.move_on_after(10) as scope:
            await consumer.wait_idle()
        assert scope.cancelled_caught
        kit.store.release("write")
        await consumer.wait_idle()
        assert await kit.kept() == [1]


async def test_what_comes_during_a_step_is_taken_next(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with consuming(Keeping) as kit:
        consumer = kit.start()
        await consumer.wait_idle()
        kit.store.hold("written")  # the step has read the log and not yet returned
        await kit.note(1)
        await kit.store.wait_held("written")
        await kit.note(2)
        kit.store.release("written")
        await consumer.wait_idle()
        assert await kit.kept() == [1, 2]


@both
async def test_a_new_process_goes_on_where_the_old_one_was(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    async with consuming(make) as kit:
        await kit.note(1, 2)
        await kit.start().wait_idle()
        kit.stop()
        await kit.note(3, 4)
        assert await kit.kept() == [1, 2]
        await kit.start().wait_idle()
        assert await kit.kept() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("make", "gate"),
    [(Keeping, "write"), (Keeping, "written"), (Echoing, "commit"), (Echoing, "committed")],
)
async def test_a_process_that_ends_in_the_middle_of_a_step_leaves_all_of_it_or_nothing(
    autojump_clock: trio.testing.MockClock, make: Any, gate: Any
) -> None:
    async with consuming(make) as kit:
        await kit.note(1, 2, 3)
        kit.store.hold(gate)
        kit.start()
        await kit.store.wait_held(gate)
        kit.stop()
        kit.store.release(gate)
        await trio.testing.wait_all_tasks_blocked()
        assert await kit.kept() in ([], [1, 2, 3])
        await kit.start().wait_idle()
        assert await kit.kept() == [1, 2, 3]


@both
async def test_rows_and_offset_are_one_transaction(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    """Each attempt writes its rows before it fails: none may stay."""
    with structlog.testing.capture_logs():
        async with consuming(make, Fault({3: ALWAYS})) as kit:
            await kit.note(3)
            kit.start()
            await trio.sleep(sum(BACKOFF) / 2)
            assert len(kit.fault.failed_at) > 1
            assert await kit.kept() == []
            assert await kit.offset() == 0
            assert await subjects(kit.store) == [3]


@both
async def test_an_entry_that_fails_at_first_is_tried_again(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with consuming(make, Fault({2: 1 + len(BACKOFF)})) as kit:
            await kit.note(1, 2, 3)
            await kit.start().wait_idle()
            assert await kit.kept() == [1, 2, 3]
            assert told(kit.hints) == [1, 2, 3]
            assert await kit.dead_letters() == []
    failures = [entry for entry in logs if entry["event"] == "consumer failed"]
    assert [entry["attempt"] for entry in failures] == list(range(1, len(BACKOFF) + 1))


@both
async def test_an_entry_that_always_fails_is_set_aside_and_the_next_go_on(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with consuming(make, Fault({2: ALWAYS})) as kit:
            await kit.note(1, 2, 3, 4)
            start = trio.current_time()
            await kit.start().wait_idle()
            # Once among the others, then alone.
            after = [at - start for at in kit.fault.failed_at]
            assert after == pytest.approx([0, *(sum(BACKOFF[:n]) for n in range(4))])
            assert await kit.kept() == [1, 3, 4]
            ((name, position, error, at_ms),) = await kit.dead_letters()
            assert (name, error) == (kit.projection.name, "ValueError('cannot take in 2')")
            failed = next(entry for entry in await log_of(kit.store) if entry.subject_id == 2)
            assert position == failed.position
            assert at_ms - failed.at_ms == pytest.approx(sum(BACKOFF) * 1000, abs=2)
    (aside,) = (entry for entry in logs if entry["event"] == "entry set aside")
    assert (aside["log_level"], aside["consumer"], aside["position"]) == ("error", name, position)


@both
async def test_every_entry_has_attempts_of_its_own(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    """One that goes through at last leaves the next no nearer to being set aside."""

    with structlog.testing.capture_logs():
        async with consuming(make, Fault({1: 3, 2: 3, 3: 3})) as kit:
            await kit.note(1, 2, 3)
            await kit.start().wait_idle()
            assert await kit.kept() == [1, 2, 3]
            assert await kit.dead_letters() == []


@both
async def test_what_was_set_aside_stays_aside_in_the_next_process(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    with structlog.testing.capture_logs():
        async with consuming(make, Fault({2: ALWAYS})) as kit:
            await kit.note(1, 2)
            await kit.start().wait_idle()
            kit.stop()
            kit.fault.left.clear()
            await kit.note(3)
            await kit.start().wait_idle()
            assert await kit.kept() == [1, 3]
            assert len(await kit.dead_letters()) == 1


@both
async def test_an_entry_that_fails_after_a_start_is_set_aside_as_soon(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    with structlog.testing.capture_logs():
        async with consuming(make, Fault({2: ALWAYS})) as kit:
            await kit.note(1)
            await kit.start().wait_idle()
            kit.stop()
            await kit.note(2, 3)
            start = trio.current_time()
            await kit.start().wait_idle()
            assert trio.current_time() - start == pytest.approx(sum(BACKOFF))
            assert await kit.kept() == [1, 3]


@both
async def test_a_failure_behind_many_entries_costs_them_no_waiting(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    """Until it is found, the entries before it are taken one by one, without a failure each."""
    many = list(range(1, 60))
    with structlog.testing.capture_logs() as logs:
        async with consuming(make, Fault({59: ALWAYS})) as kit:
            await kit.note(*many, 60)
            start = trio.current_time()
            await kit.start().wait_idle()
            assert trio.current_time() - start == pytest.approx(sum(BACKOFF))
            assert await kit.kept() == [*many[:-1], 60]
    assert len([entry for entry in logs if entry["event"] == "consumer failed"]) == 4


@both
async def test_a_store_that_is_away_is_waited_for_and_blamed_on_no_entry(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    call: Any = "commit" if make is Echoing else "write"
    async with consuming(make) as kit:
        await kit.note(1)
        kit.store.fail(call, *[Unavailable("away")] * 40)
        await kit.start().wait_idle()
        assert await kit.kept() == [1]
        assert await kit.dead_letters() == []


@both
@pytest.mark.parametrize("gate", ["write", "written"], ids=["not made", "its answer lost"])
async def test_a_store_that_is_away_when_an_entry_is_set_aside_is_waited_for(
    autojump_clock: trio.testing.MockClock, make: Any, gate: Any
) -> None:
    with structlog.testing.capture_logs():
        async with consuming(make, Fault({1: ALWAYS, 2: ALWAYS})) as kit:
            await kit.note(1, 2, 3, 4)
            kit.store.fail_when(set_aside, gate, Unavailable("away"))
            consumer = kit.start()
            with trio.fail_after(60):
                await consumer.wait_idle()
            assert await kit.kept() == [3, 4]
            assert [row[1] for row in await kit.dead_letters()] == [1, 2]


@both
async def test_a_store_that_is_away_at_the_start_is_waited_for(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    async with consuming(make) as kit:
        await kit.note(1)
        kit.store.fail("read", Unavailable("away"))
        await kit.start().wait_idle()
        assert await kit.kept() == [1]


async def test_what_a_visible_projection_appends_is_in_the_commit_of_its_offset(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with consuming(Echoing) as kit:
        await kit.note(1, 2)
        kit.store.fail("committed", Unavailable("the answer is lost"))
        await kit.start().wait_idle()
        logged = await log_of(kit.store)
        assert [entry.subject_id for entry in logged] == [1, 2, 1 + ECHO, 2 + ECHO]
        assert all(entry.kind not in KINDS for entry in logged[2:])


async def test_entries_of_its_own_batch_are_for_the_next_step(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """They have their positions already, but are not in the table yet."""
    async with consuming(Echoing) as kit:
        kit.store.hold("commit")
        kit.batcher.submit(Note(subject=1))
        await kit.store.wait_held("commit")
        kit.batcher.submit(Note(subject=2))
        consumer = kit.start()
        await trio.testing.wait_all_tasks_blocked()
        kit.store.release("commit")
        await consumer.wait_idle()
        assert [type(change).__name__ for change in kit.store.batches[1]] == ["Note", "Consume"]
        assert await kit.kept() == [1, 2]
