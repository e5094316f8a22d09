"""Consumers at work that an operator pauses, has retry what failed, and has build rows anew."""

from __future__ import annotations

from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing

from realtime.clock import TrioClock
from realtime.events import steps
from realtime.events.consumers import Consumer
from store.errors import Unavailable
from store.log import Kind
from store.projections import aside, operating
from store.projections.counters import CountersProjection
from store.projections.rebuilding import start_rebuild, sweep
from store.transaction import Row, Transaction
from tests.realtime.events.consuming import (
    ALWAYS,
    PROJECTIONS,
    Consuming,
    Fault,
    Keeping,
    consuming,
)

both = pytest.mark.parametrize("make", PROJECTIONS)
KEYED = 10  # subjects with the same tens are of one key, see `by_tens`


def by_tens(kit: Consuming, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        type(kit.projection), "key", staticmethod(lambda entry: str(entry.subject_id // KEYED))
    )


@both
async def test_a_paused_consumer_rests_and_goes_on_where_it_was(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with consuming(make) as kit:
            consumer = kit.start()
            await kit.note(1)
            await consumer.wait_idle()
            await kit.store.inner.write(operating.pause, consumer.name, 1)
            await kit.note(2)
            await consumer.wait_idle()
            assert await kit.kept() == [1]
            assert consumer.halted == "paused"
            await kit.store.inner.write(operating.resume, consumer.name)
            await kit.note(3)
            await consumer.wait_idle()
            assert await kit.kept() == [1, 2, 3]
    events = [(entry["event"], entry["consumer"]) for entry in logs]
    assert events == [("consumer paused", consumer.name), ("consumer goes on", consumer.name)]


@both
async def test_what_waits_behind_an_entry_that_failed_follows_it_when_it_is_retried(
    autojump_clock: trio.testing.MockClock, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with structlog.testing.capture_logs():
        async with consuming(make, Fault({11: ALWAYS})) as kit:
            by_tens(kit, monkeypatch)
            consumer = kit.start()
            await kit.note(11, 21, 12, 22, 13)
            await consumer.wait_idle()
            assert await kit.kept() == [21, 22]
            kit.fault.left.clear()
            await kit.store.inner.write(operating.retry_all, consumer.name)
            consumer.wake()
            await consumer.wait_idle()
            assert await kit.kept() == [21, 22, 11, 12, 13]
            assert await kit.dead_letters() == []


@both
async def test_a_retry_that_fails_leaves_it_aside_and_the_others_go_on(
    autojump_clock: trio.testing.MockClock, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with structlog.testing.capture_logs():
        async with consuming(make, Fault({11: ALWAYS})) as kit:
            by_tens(kit, monkeypatch)
            consumer = kit.start()
            await kit.note(11, 12)
            await consumer.wait_idle()
            await kit.store.inner.write(operating.retry_all, consumer.name)
            await kit.note(21)
            await consumer.wait_idle()
            assert await kit.kept() == [21]
            assert len(await kit.dead_letters()) == 2


async def test_one_with_too_much_set_aside_stops_and_says_so(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "BOUND", 2)
    with structlog.testing.capture_logs() as logs:
        async with consuming(Keeping, Fault({11: ALWAYS})) as kit:
            by_tens(kit, monkeypatch)
            consumer = kit.start()
            await kit.note(11, 12, 13, 21)
            await consumer.wait_idle()
            assert await kit.kept() == []
            assert consumer.halted == "full"
            kit.fault.left.clear()
            await kit.store.inner.write(operating.retry_all, consumer.name)
            consumer.wake()
            await consumer.wait_idle()
            assert await kit.kept() == [11, 12, 13, 21]
    (stopped,) = (entry for entry in logs if entry["event"] == "consumer stopped")
    assert (stopped["log_level"], stopped["consumer"]) == ("error", "keeping")


async def likes(tx: Transaction) -> list[Row]:
    return await tx.rows("SELECT generation, post_id, likes FROM post_counts")


def new_consumer(kit: Consuming) -> Consumer:
    return Consumer(CountersProjection(), kit.store, kit.batcher, TrioClock(), kit.hints.extend)


def counting(kit: Consuming) -> Consumer:
    """A consumer of likes, which the kit wakes."""
    consumer = kit.consumer = new_consumer(kit)
    kit.nursery.start_soon(consumer.run)
    return consumer


async def test_rows_are_built_anew_and_the_old_ones_removed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with consuming(Keeping) as kit:
            consumer = counting(kit)
            await kit.note(7, 7, 8, kind=Kind.POST_LIKED)
            await consumer.wait_idle()
            kit.hints.clear()
            await kit.store.inner.write(start_rebuild, CountersProjection(), 0)
            await kit.note(8, kind=Kind.POST_LIKED)
            await consumer.wait_idle()
            found = await kit.store.inner.read(likes)
            assert sorted(found) == [(1, 7, 2), (1, 8, 2)]
            await kit.note(7, kind=Kind.POST_UNLIKED)
            await consumer.wait_idle()
            assert sorted(await kit.store.inner.read(likes)) == [(1, 7, 1), (1, 8, 2)]
    assert [entry["event"] for entry in logs] == ["consumer rebuilt"]


async def test_where_the_log_is_not_whole_they_are_built_of_the_state(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A portion at a time, however many there are."""
    monkeypatch.setattr(steps, "IDS", 1)
    monkeypatch.setattr(steps, "MOST_IDS", 4)
    monkeypatch.setattr(CountersProjection, "step", 2)
    with structlog.testing.capture_logs() as logs:
        async with consuming(Keeping) as kit:
            consumer = counting(kit)
            await kit.note(*[7] * 10, kind=Kind.POST_LIKED)
            await consumer.wait_idle()
            await kit.store.inner.write(_have_one_like)
            await kit.store.inner.write(start_rebuild, CountersProjection(), 0)
            await kit.note(50, kind=Kind.ROOM_CREATED)
            consumer.wake()
            await consumer.wait_idle()
            assert await kit.store.inner.read(likes) == [(1, 7, 1)]
            portions = [name for name, _ in kit.store.calls if name == "seed_step"]
            assert len(portions) > 3
            await kit.note(7, kind=Kind.POST_LIKED)
            await consumer.wait_idle()
            assert await kit.store.inner.read(likes) == [(1, 7, 2)]
    assert [entry["event"] for entry in logs] == ["consumer rebuilt"]


async def _have_one_like(tx: Transaction) -> None:
    """The log, which is gone, has told of more."""
    await tx.run(
        "INSERT INTO posts (id, author_id, text, media, created_ms, edited_ms, deleted, changed) "
        "VALUES (7, 1, 'sea', '', 0, 0, 0, 7)"
    )
    await tx.run("INSERT INTO likes (post_id, user_id, changed) VALUES (7, 2, 8)")
    await tx.run("UPDATE log_head SET floor = position")
    await tx.run("DELETE FROM log")


async def test_a_store_that_is_away_meanwhile_is_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs():
        async with consuming(Keeping) as kit:
            consumer = counting(kit)
            await kit.note(7, kind=Kind.POST_LIKED)
            await consumer.wait_idle()
            await kit.store.inner.write(start_rebuild, CountersProjection(), 0)
            kit.store.fail_when(sweep, "write", Unavailable("away"))
            kit.store.fail_when(sweep, "written", Unavailable("the answer is lost"))
            await kit.note(8, kind=Kind.POST_LIKED)
            await consumer.wait_idle()
            assert sorted(await kit.store.inner.read(likes)) == [(1, 7, 1), (1, 8, 1)]


async def test_a_process_that_ends_while_it_builds_leaves_it_to_the_next(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it ends: nothing is counted twice or left out."""
    monkeypatch.setattr(CountersProjection, "step", 1)
    with structlog.testing.capture_logs():
        async with consuming(Keeping) as kit:
            await kit.note(*[7, 8] * 5, kind=Kind.POST_LIKED)
            for turns in range(2, 30):
                if turns == 10:
                    await kit.store.inner.write(start_rebuild, CountersProjection(), 0)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(new_consumer(kit).run)
                    for _ in range(turns):
                        await trio.lowlevel.checkpoint()
                    nursery.cancel_scope.cancel()
            consumer = counting(kit)
            await consumer.wait_idle()
            assert sorted(await kit.store.inner.read(likes)) == [(1, 7, 5), (1, 8, 5)]
