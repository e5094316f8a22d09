"""A bounded queue for what can be done by few at a time, the urgent first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

import trio

from media.errors import Busy

FAIR_SHARE = 8  # of so many turns one goes to the least urgent that waits, so that it has an end


class Priority(IntEnum):
    """Why a job is done; the lower goes first."""

    VIEWER = 0  # somebody looks at an empty place on a screen
    UPLOAD = 1  # it finishes or prepares what somebody may ask for later


class Slots:
    """At most `size` hold one at a time. The others wait, by priority and then in the order in
    which they came, up to `max_waiting` of each priority: the next is refused with `Busy`, so
    that neither the wait nor the memory grows without an end."""

    def __init__(self, size: int, *, max_waiting: int) -> None:
        if size < 1:
            raise ValueError("at least one slot is needed")
        self._size = size
        self._free = size
        self._max_waiting = max_waiting
        self._lots = {priority: trio.lowlevel.ParkingLot() for priority in Priority}
        self._turn = 0

    @asynccontextmanager
    async def hold(self, priority: Priority) -> AsyncIterator[None]:
        """Raises `Busy`."""
        await self._acquire(priority)
        try:
            yield
        finally:
            self._release()

    @property
    def held(self) -> int:
        return self._size - self._free

    @property
    def waiting(self) -> int:
        return sum(len(lot) for lot in self._lots.values())

    async def _acquire(self, priority: Priority) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        lot = self._lots[priority]
        if self._free:  # then nobody waits: a slot is handed over, not laid down
            self._free -= 1
            await trio.lowlevel.cancel_shielded_checkpoint()
        elif len(lot) < self._max_waiting:
            await lot.park()
        else:
            raise Busy("too many jobs wait already")

    def _release(self) -> None:
        waiting = [lot for lot in self._lots.values() if lot]
        if not waiting:
            self._free += 1
            return
        self._turn += 1
        waiting[-1 if self._turn % FAIR_SHARE == 0 else 0].unpark()
