"""What waits for one socket, bounded (sans-I/O: the session's writer takes from it)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

import trio

from realtime.gateway.limits import GatewayLimits
from rpc.proto.frames_pb2 import Lagging, ServerFrame
from rpc.wire import encode_server

LAGGING = encode_server(ServerFrame(lagging=Lagging()))


class Mode(Enum):
    OPEN = auto()  # no user: durable updates are not for this session
    LIVE = auto()
    LAGGING = auto()  # durable updates are dropped until the socket drains
    CATCHING_UP = auto()  # live updates are held until what was missed has been queued


class Outbox:
    """Three kinds of frames with three policies.

    Answers are always queued; their number is bounded by the calls in flight and by not
    reading on from a client that does not drain. Durable updates are queued up to the high
    mark; past it they are dropped, `Lagging` is sent once, and the session catches up from
    `missed_from`. Signals wait in a small table by key, where a later one replaces an
    earlier; when it is full they are dropped. Those without a key queue up to the high mark.
    """

    __slots__ = (
        "_drained",
        "_held",
        "_held_overflow",
        "_held_size",
        "_limits",
        "_queue",
        "_signals",
        "_wake",
        "closed",
        "missed_from",
        "mode",
        "size",
        "updates",
        "watched",
    )

    def __init__(self, limits: GatewayLimits, wake: Callable[[], None]) -> None:
        """`wake` is called, and must not wait, when something comes to wait in the outbox."""
        self._limits = limits
        self._queue: list[bytes] = []
        self._signals: dict[tuple[object, ...], bytes] | None = None
        self._held: list[tuple[int, bytes]] | None = None
        self._held_size = 0
        self._held_overflow = False
        self._wake = wake
        self._drained: trio.Event | None = None  # of a catch-up that waits
        self.size = 0  # bytes queued
        self.mode = Mode.OPEN
        self.missed_from = 0
        self.updates = 0  # durable ones queued since the last checkpoint
        self.closed = False
        self.watched = False  # whether anybody wants to know that something was written

    def answer(self, data: bytes) -> None:
        """Queues an answer or a control frame."""
        if data and not self.closed:
            queue = self._queue
            queue.append(data)
            self.size += len(data)
            if len(queue) == 1:
                self._wake()

    def update(self, data: bytes, position: int) -> None:
        """Takes a durable update of the live fan-out; an empty one is no news."""
        if not data:
            return
        if self.mode is Mode.LIVE:
            if self.size + len(data) <= self._limits.outbox_high:
                self.updates += 1
                self.answer(data)
                return
            self.mode = Mode.LAGGING
            self.watched = True
            self.missed_from = position - 1
            self.answer(LAGGING)
        elif self.mode is Mode.CATCHING_UP and not self._held_overflow:
            assert self._held is not None
            if self._held_size + len(data) <= self._limits.hold_max:
                self._held.append((position, data))
                self._held_size += len(data)
            else:
                self._held_overflow = True
                self._held.clear()
                self._held_size = 0

    def signal(self, key: tuple[object, ...], data: bytes) -> None:
        if self.mode is not Mode.LIVE or self.closed:
            return
        if not key:
            size = self.size + len(data)
            if size <= self._limits.outbox_high and data:
                self.size = size
                queue = self._queue
                queue.append(data)
                if len(queue) == 1:
                    self._wake()
            return
        if self._signals is None:
            self._signals = {}
        if key in self._signals or len(self._signals) < self._limits.max_signals:
            self._signals[key] = data
            self._wake()

    def hold(self) -> None:
        """From now on live updates are held: the start of a catch-up up to this moment."""
        self.mode = Mode.CATCHING_UP
        self._held = []
        self._held_size = 0
        self._held_overflow = False

    def release(self, position: int) -> bool:
        """Ends a catch-up that has queued everything up to `position`: what was held behind it
        follows, and the session is live. False when too much came to be held: then another
        round has to follow."""
        if self._held_overflow:
            return False
        for at, data in self._held or ():
            if at > position:
                self.updates += 1
                self.answer(data)
        self._held = None
        self._held_size = 0
        self.mode = Mode.LIVE
        return True

    @property
    def waits(self) -> bool:
        """Whether there is something to take."""
        return bool(self._queue or self._signals)

    def take(self) -> list[bytes]:
        """Everything that waits, in order; joined it is one message. Empty when nothing does."""
        queue = self._queue
        if self._signals is not None:
            queue.extend(self._signals.values())
            self._signals = None
        self._queue = []
        self.size = 0
        return queue

    def sent(self) -> None:
        """What was taken has been handed to the socket."""
        if self._drained is not None and self.size <= self._limits.outbox_low:
            self._drained.set()
            self._drained = None
        self.watched = self._drained is not None or self.mode is Mode.LAGGING

    async def wait_drained(self) -> None:
        """Returns when what is queued has shrunk to the low mark and was sent."""
        while self.size > self._limits.outbox_low and not self.closed:
            if self._drained is None:
                self._drained = trio.Event()
                self.watched = True
            await self._drained.wait()

    def close(self) -> None:
        """Nothing more is queued; what waits may still be taken."""
        self.closed = True
        if self._drained is not None:
            self._drained.set()
            self._drained = None
