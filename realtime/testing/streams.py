"""Streams in memory that behave like sockets, and streams that fail on purpose."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import trio
import trio.testing

WINDOW = 64 * 1024
"""Bytes that a peer who does not read lets the other end send."""


class _Pipe:
    """One direction. What is sent waits at the other end, at most `window` bytes of it."""

    def __init__(self, window: int) -> None:
        self._sending, self._receiving = trio.testing.memory_stream_one_way_pair()
        self._window = window
        self._unread = 0
        self._ended: Exception | None = None  # what a sender that waits gets to hear
        self._moved = trio.lowlevel.ParkingLot()
        self._busy = False

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if self._busy:
            raise trio.BusyResourceError("another task is sending")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with self._alone():
            await self._sending.send_all(data)
            self._unread += len(data)
            await self._wait_below(self._window + 1)

    async def wait_for_room(self) -> None:
        with self._alone():
            await self._sending.wait_send_all_might_not_block()
            await self._wait_below(self._window)

    async def send_eof(self) -> None:
        with self._alone():
            await self._sending.aclose()

    async def _wait_below(self, size: int) -> None:
        while self._unread >= size and self._ended is None:
            await self._moved.park()
        if self._ended is not None:
            raise self._ended

    async def receive_some(self, max_bytes: int | None) -> bytes:
        data = bytes(await self._receiving.receive_some(max_bytes))
        self._unread -= len(data)
        self._moved.unpark_all()
        return data

    async def close_sending(self) -> None:
        self._end(trio.ClosedResourceError("this end was closed"))
        await self._sending.aclose()

    async def close_receiving(self) -> None:
        self._end(trio.BrokenResourceError("the other end was closed"))
        await self._receiving.aclose()

    def _end(self, reason: Exception) -> None:
        self._ended = self._ended or reason
        self._moved.unpark_all()


class MemorySocket(trio.abc.HalfCloseableStream):
    """One end of a connection without a network. A send waits while the other end does not
    read, as it would on a socket whose buffers are full. Made by `socket_pair`."""

    def __init__(self, out: _Pipe, into: _Pipe) -> None:
        self._out = out
        self._into = into

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._out.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._out.wait_for_room()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self._into.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._out.send_eof()

    async def aclose(self) -> None:
        try:
            await self._into.close_receiving()
        finally:
            await self._out.close_sending()


def socket_pair(window: int = WINDOW) -> tuple[MemorySocket, MemorySocket]:
    """Two connected ends."""
    there, back = _Pipe(window), _Pipe(window)
    return MemorySocket(there, back), MemorySocket(back, there)


class FaultyStream(trio.abc.HalfCloseableStream):
    """Wraps a stream, and does to it what bad networks do.

    `stall()` stops delivery in both directions until `resume()`; `cut()` breaks the stream at
    once. The other faults are attributes, to be set at any time: `cut_after` and
    `cut_after_received` break the stream once so many more bytes were sent or received, in the
    middle of a frame as it may be (None: never); `delay` and `delay_received` hold back each
    send and each receipt (seconds).
    """

    def __init__(
        self,
        stream: trio.abc.HalfCloseableStream,
        *,
        cut_after: int | None = None,
        cut_after_received: int | None = None,
        delay: float = 0.0,
        delay_received: float = 0.0,
    ) -> None:
        self._stream = stream
        self._broken = False
        self._flowing = trio.Event()
        self._flowing.set()
        self.cut_after = cut_after
        self.cut_after_received = cut_after_received
        self.delay = delay
        self.delay_received = delay_received

    def stall(self) -> None:
        if self._flowing.is_set():
            self._flowing = trio.Event()

    def resume(self) -> None:
        self._flowing.set()

    async def cut(self) -> None:
        """Breaks the stream for both ends, in the middle of whatever was under way."""
        self._broken = True
        self._flowing.set()
        await trio.aclose_forcefully(self._stream)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.delay:
            await trio.sleep(self.delay)
        await self._unless_broken()
        left = self.cut_after
        if left is not None:
            self.cut_after = left - len(data)
        if left is None or left > len(data):
            await self._sent(data)
            return
        await self._sent(bytes(data)[:left])
        await self.cut()
        if left < len(data):
            raise trio.BrokenResourceError("cut")

    async def wait_send_all_might_not_block(self) -> None:
        await self._unless_broken()
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await self._unless_broken()
        try:
            data = bytes(await self._stream.receive_some(max_bytes))
        except trio.ClosedResourceError:
            await self._unless_broken()
            raise
        if self.delay_received:
            await trio.sleep(self.delay_received)
        await self._unless_broken()
        left = self.cut_after_received
        if left is not None:
            self.cut_after_received = left - len(data)
            if left <= len(data):
                await self.cut()
                if not left:
                    raise trio.BrokenResourceError("cut")
                data = data[:left]
        return data

    async def _unless_broken(self) -> None:
        await self._flowing.wait()
        if self._broken:
            raise trio.BrokenResourceError("cut")

    async def _sent(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._stream.send_all(data)
        except trio.ClosedResourceError:
            await self._unless_broken()  # cut while it waited
            raise

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        self._flowing.set()
        await self._stream.aclose()
