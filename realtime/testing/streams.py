"""Streams that fail on purpose."""

from __future__ import annotations

import trio


class FaultyStream(trio.abc.HalfCloseableStream):
    """Wraps a stream, and does to it what bad networks do.

    `stall()` stops delivery in both directions until `resume()`; `cut()` breaks it at once;
    `cut_after` breaks it once so many bytes were sent; `delay` holds each send back (seconds).
    """

    def __init__(
        self,
        stream: trio.StapledStream[trio.abc.SendStream, trio.abc.ReceiveStream],
        *,
        cut_after: int | None = None,
        delay: float = 0.0,
    ) -> None:
        self._stream = stream
        self._left = cut_after
        self._broken = False
        self._flowing = trio.Event()
        self._flowing.set()
        self.delay = delay

    def stall(self) -> None:
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
        await self._flowing.wait()
        if self._broken:
            raise trio.BrokenResourceError
        if self._left is not None and len(data) > self._left:
            await self._stream.send_all(bytes(data)[: self._left])
            await self.cut()
            raise trio.BrokenResourceError
        if self._left is not None:
            self._left -= len(data)
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._flowing.wait()
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await self._flowing.wait()
        if self._broken:
            raise trio.BrokenResourceError
        try:
            data = bytes(await self._stream.receive_some(max_bytes))
        except trio.ClosedResourceError:
            if self._broken:
                raise trio.BrokenResourceError from None
            raise
        await self._flowing.wait()
        return data

    async def send_eof(self) -> None:
        await self._stream.send_stream.aclose()

    async def aclose(self) -> None:
        self._flowing.set()
        await self._stream.aclose()
