"""Consumers of several nodes: one of them works, and who was overtaken changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from realtime.clock import TrioClock
from realtime.events.consumers import Consumer
from store.projections.base import lease_of
from store.queries.leases import take_leases
from tests.realtime.events.consuming import ALWAYS, KINDS, PROJECTIONS, Consuming, Fault, consuming

both = pytest.mark.parametrize("make", PROJECTIONS)


class Handed:
    """An ownership that the test hands over, with the fences of the store."""

    def __init__(self, number: int) -> None:
        self._owner = bytes([number]) * 16
        self._fence = 0
        self._changed = trio.Event()
        self.losses = 0

    async def take(self, kit: Consuming) -> None:
        name = lease_of(kit.projection.name)
        await kit.store.inner.write(_expire)
        found = await kit.store.inner.write(take_leases, [name], self._owner, 60_000)
        self._fence = found[name].fence
        self._changed.set()

    async def wait(self, name: str) -> int:
        await self._changed.wait()
        return self._fence

    def lost(self, name: str) -> None:
        self.losses += 1
        self._changed = trio.Event()


async def _expire(tx: Any) -> None:
    await tx.run("UPDATE leases SET until_ms = 0")


def consumer_of(kit: Consuming, ownership: Handed) -> Consumer:
    consumer = Consumer(
        kit.projection, kit.store, kit.batcher, TrioClock(), kit.hints.extend, ownership
    )
    kit.nursery.start_soon(consumer.run)
    return consumer


@both
async def test_without_the_lease_it_waits(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    async with consuming(make) as kit:
        own = Handed(1)
        consumer = consumer_of(kit, own)
        await kit.note(1, 2)
        await trio.sleep(10)
        assert await kit.kept() == []
        await own.take(kit)
        await consumer.wait_idle()
        assert await kit.kept() == [1, 2]


@both
async def test_who_was_overtaken_stops_and_goes_on_when_it_is_his_again(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    async with consuming(make) as kit:
        one, two = Handed(1), Handed(2)
        first, second = consumer_of(kit, one), consumer_of(kit, two)
        await one.take(kit)
        await kit.note(1)
        await first.wait_idle()
        await two.take(kit)  # while the first one believes that it still has it
        await second.wait_idle()
        for number in range(2, 6):
            await kit.note(number)
            for consumer in (first, second):
                consumer.notice(KINDS)
            await trio.sleep(1)
        assert await kit.kept() == [1, 2, 3, 4, 5]
        assert (one.losses, two.losses) == (1, 0)
        await one.take(kit)
        await kit.note(6)
        for consumer in (first, second):
            consumer.notice(KINDS)
        await trio.sleep(1)
        assert await kit.kept() == [1, 2, 3, 4, 5, 6]
        assert (one.losses, two.losses) == (1, 1)


@both
async def test_who_was_overtaken_sets_nothing_aside(
    autojump_clock: trio.testing.MockClock, make: Any
) -> None:
    async with consuming(make, Fault({1: ALWAYS})) as kit:
        one, two = Handed(1), Handed(2)
        consumer_of(kit, one)
        await one.take(kit)
        await kit.note(1)
        await trio.sleep(1)  # it is about to try for the last time
        await two.take(kit)
        await trio.sleep(60)
        assert await kit.dead_letters() == []
        assert one.losses == 1
