"""Wall-clock time."""

from __future__ import annotations

import time

import trio


class SystemClock:
    """The machine's clock (`rpc.context.Clock`)."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class TrioClock:
    """A wall clock that moves with Trio's: under a virtual clock it jumps along."""

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = start_ms

    def now_ms(self) -> int:
        return self._start_ms + int(trio.current_time() * 1000)
