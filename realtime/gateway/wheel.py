"""One timer for everything that has a time limit and is looked at rarely."""

from __future__ import annotations

import heapq
import math
from typing import Protocol

import structlog
import trio

log = structlog.get_logger("gateway")

TICK = 0.25  # seconds: how late a look may be


class Timed(Protocol):
    """Something with time limits."""

    look_at: int
    """The tick at which the wheel looks next; the wheel's own."""

    def due(self, now: float) -> float:
        """Acts on the limits that have passed, and returns when to look again (Trio's clock);
        infinity ends the looking."""
        ...


class Wheel:
    """Looks at each item when it asked for it, at most `TICK` later, and never before.

    An item that is active pays nothing: a limit that has moved on is found out at the look,
    which then moves on too.
    """

    def __init__(self) -> None:
        self._slots: dict[int, list[Timed]] = {}
        self._ticks: list[int] = []
        self._earlier = trio.Event()

    def add(self, item: Timed, deadline: float) -> None:
        """Looks at the item at `deadline`, or earlier when that was asked for before."""
        tick = math.ceil(deadline / TICK)
        if item.look_at and item.look_at <= tick:
            return
        item.look_at = tick
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = slot = []
            heapq.heappush(self._ticks, tick)
            if self._ticks[0] == tick:
                self._earlier.set()
        slot.append(item)

    async def run(self) -> None:
        while True:
            self._earlier = trio.Event()
            until = self._ticks[0] * TICK if self._ticks else math.inf
            with trio.move_on_at(until):
                await self._earlier.wait()
            self._turn(trio.current_time())

    def _turn(self, now: float) -> None:
        while self._ticks and self._ticks[0] * TICK <= now:
            tick = heapq.heappop(self._ticks)
            for item in self._slots.pop(tick):
                if item.look_at != tick:
                    continue  # an earlier look was asked for, and has been had
                item.look_at = 0
                try:
                    again = item.due(now)
                except Exception as error:  # its own affair: all others have their limits too
                    log.error("a time limit failed", item=repr(item), exc_info=error)
                    continue
                if again < math.inf:
                    self.add(item, max(again, now + TICK / 2))
