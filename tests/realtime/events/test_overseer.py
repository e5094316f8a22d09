"""Figures of all consumers on every node, and a word to those that rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog.testing
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from realtime.events.overseer import EVERY, FAR, RARELY, Overseer
from store.errors import Unavailable
from store.log import Kind
from store.projections import operating
from store.queries.consumers import statuses
from store.transaction import Transaction
from tests.realtime.events.consuming import ALWAYS, OTHER, Consuming, Fault, Keeping, consuming


class Watched:
    def __init__(self, kit: Consuming, metrics: CollectorRegistry) -> None:
        self.kit = kit
        self._metrics = metrics

    def figure(self, name: str, consumer: str = "keeping") -> float | None:
        return self._metrics.get_sample_value(f"sunwire_consumer_{name}", {"consumer": consumer})

    async def operate(self, tx_function: object, *args: object) -> None:
        """Beside the server, as the commands do: nobody is told."""
        await self.kit.store.inner.write(tx_function, *args)  # type: ignore[arg-type]


@asynccontextmanager
async def watched(fault: Fault | None = None, *, owned: bool = True) -> AsyncIterator[Watched]:
    async with consuming(Keeping, fault) as kit:
        consumer, metrics = kit.start(), CollectorRegistry()
        overseer = Overseer(kit.store, [consumer], lambda name: owned, metrics)
        kit.nursery.start_soon(overseer.run)
        await consumer.wait_idle()
        yield Watched(kit, metrics)


def notice_nothing(kit: Consuming, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kit.consumer is not None
    monkeypatch.setattr(kit.consumer, "notice", lambda kinds: None)


async def test_what_it_is_behind_is_told_and_it_is_woken(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched() as one:
        notice_nothing(one.kit, monkeypatch)
        await one.kit.note(1, 2)
        await trio.sleep(EVERY * 1.1)
        assert one.figure("behind_entries") == 2
        assert (one.figure("behind_seconds") or 0) > 0
        assert one.figure("owned") == 1
        await trio.sleep(EVERY)
        assert await one.kit.kept() == [1, 2]
        assert (one.figure("behind_entries"), one.figure("behind_seconds")) == (0, 0)


async def test_pause_and_resume_take_effect_within_a_second(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs():
        async with watched() as one:
            await one.operate(operating.pause, "keeping", 1)
            await one.kit.note(1)
            await trio.sleep(EVERY * 1.1)
            assert one.figure("paused") == 1
            assert one.figure("behind_entries") == 1
            await one.operate(operating.resume, "keeping")
            await trio.sleep(EVERY * 1.1)
            assert await one.kit.kept() == [1]
            await trio.sleep(EVERY)
            assert one.figure("paused") == 0


async def test_a_paused_consumer_is_left_alone(autojump_clock: trio.testing.MockClock) -> None:
    with structlog.testing.capture_logs():
        async with watched() as one:
            await one.operate(operating.pause, "keeping", 1)
            await one.kit.note(1)
            await trio.sleep(EVERY * 3)
            steps = [name for name, _ in one.kit.store.calls if name == "consume"]
            await trio.sleep(EVERY * 10)
            assert [name for name, _ in one.kit.store.calls if name == "consume"] == steps


async def test_a_retry_is_made_within_a_second(autojump_clock: trio.testing.MockClock) -> None:
    with structlog.testing.capture_logs():
        async with watched(Fault({1: ALWAYS})) as one:
            await one.kit.note(1)
            await trio.sleep(10)
            assert (one.figure("dead_letters"), one.figure("parked")) == (1, 0)
            one.kit.fault.left.clear()
            await one.operate(operating.retry_all, "keeping")
            await trio.sleep(EVERY * 1.1)
            assert await one.kit.kept() == [1]
            await trio.sleep(EVERY)
            assert one.figure("dead_letters") == 0


async def test_a_replay_begins_within_a_second(autojump_clock: trio.testing.MockClock) -> None:
    async with watched() as one:
        await one.kit.note(1, 2, 3)
        await trio.sleep(EVERY)
        await one.operate(_go_back, 1)
        await trio.sleep(EVERY * 1.1)
        assert await one.kit.kept() == [1, 2, 3, 2, 3]


async def _go_back(tx: Transaction, position: int) -> None:
    await tx.run("UPDATE offsets SET position = ?", (position,))


async def test_one_whose_business_is_rare_keeps_up_with_the_log(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Nobody has to read what is none of its business again and again."""
    async with watched() as one:
        await one.kit.note(1)
        await trio.sleep(EVERY / 2)
        await one.kit.note(*[50] * (FAR - 1), kind=OTHER)
        await trio.sleep(EVERY * 3)
        assert await one.kit.offset() == 1
        assert one.figure("behind_entries") == 0
        await one.kit.note(50, 50, kind=OTHER)
        await trio.sleep(EVERY * 1.1)
        assert await one.kit.offset() == FAR + 2


async def test_whoever_does_not_run_it_tells_how_it_stands_and_leaves_it_alone(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched(owned=False) as one:
        notice_nothing(one.kit, monkeypatch)
        await one.kit.note(1)
        await trio.sleep(EVERY * 5)
        assert one.figure("behind_entries") == 1
        assert one.figure("owned") == 0
        assert await one.kit.kept() == []


async def test_one_that_no_code_knows_is_reported_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with watched() as one:
            await one.operate(_add_old)
            await one.kit.note(1)
            await trio.sleep(EVERY * 5)
            assert one.figure("behind_entries", "old") == 1
    assert logs == [
        {
            "event": "consumer without code",
            "log_level": "warning",
            "consumer": "old",
            "position": 0,
        }
    ]


async def _add_old(tx: Transaction) -> None:
    await tx.run("INSERT INTO offsets VALUES ('old', 0, 0, 0, 0, 0, 0)")


async def test_there_are_no_figures_while_the_store_is_away(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with watched() as one:
            await trio.sleep(EVERY * 1.1)
            assert one.figure("behind_entries") == 0
            one.kit.store.fail_when(statuses, "read", Unavailable("away"))
            await trio.sleep(EVERY)
            assert one.figure("behind_entries") is None
            await trio.sleep(EVERY)
            assert one.figure("behind_entries") == 0
    assert [entry["event"] for entry in logs] == ["overseer waits for the store"]


async def test_others_with_an_offset_are_told_of_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with consuming(Keeping) as kit:
        metrics = CollectorRegistry()
        overseer = Overseer(kit.store, [], lambda name: False, metrics, ("relay",))
        kit.nursery.start_soon(overseer.run)
        await kit.note(1, kind=Kind.ROOM_CREATED)
        await trio.sleep(EVERY * 1.1)
        found = metrics.get_sample_value("sunwire_consumer_behind_entries", {"consumer": "relay"})
        assert found == 1


async def test_who_rests_comes_to_the_head_now_and_then(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """So that the log is not kept for entries that are none of its business."""
    async with watched() as one:
        await one.kit.note(1, kind=OTHER)
        await trio.sleep(EVERY * (RARELY - 1))
        assert one.kit.consumer is not None
        assert one.kit.consumer.position == 0
        await trio.sleep(EVERY * 2)
        assert one.kit.consumer.position == 1
