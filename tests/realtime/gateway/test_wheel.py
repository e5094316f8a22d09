"""The wheel looks at everything in time, never early, and at nothing more often than asked."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from realtime.gateway.wheel import TICK, Wheel


class Item:
    """Notes when it is looked at, and asks for the next looks in `plan`."""

    def __init__(self, *plan: float) -> None:
        self.look_at = 0
        self.looks: list[float] = []
        self._plan = list(plan)

    def due(self, now: float) -> float:
        self.looks.append(now)
        return self._plan.pop(0) if self._plan else math.inf


@asynccontextmanager
async def turning() -> AsyncIterator[Wheel]:
    wheel = Wheel()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        yield wheel
        nursery.cancel_scope.cancel()


@given(st.lists(st.floats(0.01, 50), min_size=1, max_size=20))
def test_every_look_is_in_time(deadlines: list[float]) -> None:
    async def main() -> None:
        async with turning() as wheel:
            items = [(at, Item()) for at in deadlines]
            for at, item in items:
                wheel.add(item, at)
            await trio.sleep(60)
            for at, item in items:
                (look,) = item.looks
                assert at <= look <= at + TICK

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_a_limit_that_moves_on_costs_one_look_where_it_was(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with turning() as wheel:
        item = Item(20, 21.5)
        wheel.add(item, 10)
        await trio.sleep(100)
        assert item.looks == [10, 20, 21.5]


async def test_an_earlier_look_replaces_a_later_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with turning() as wheel:
        item = Item(50)
        wheel.add(item, 40)
        await trio.sleep(1)
        wheel.add(item, 5)
        wheel.add(item, 30)  # after the earliest: that look will tell
        await trio.sleep(100)
        assert item.looks == [5, 50]


async def test_a_look_is_never_asked_for_at_once_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with turning() as wheel:
        item = Item(1, 1, 1)
        wheel.add(item, 1)
        await trio.sleep(10)
        assert len(item.looks) == 4
        assert item.looks == sorted(set(item.looks))
