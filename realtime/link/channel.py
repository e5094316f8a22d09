"""A connection between two processes of one server."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from realtime.link.framing import FrameDecoder, LinkError

log = structlog.get_logger("link")

READ = 256 * 1024  # bytes asked for at once
MOST = 64 * 1024 * 1024  # bytes that wait to be sent; past it the connection ends
STALL = 20.0  # seconds within which the other end takes what was sent at once
PIECE = 256 * 1024  # bytes of that


class Channel:
    """Frames both ways over a stream. Posting never waits: what is posted while the last was
    being sent goes out joined."""

    def __init__(self, stream: trio.abc.Stream, *, most: int = MOST) -> None:
        self._stream = stream
        self._most = most
        self._queue: list[bytes] = []
        self._wake = trio.Event()
        self._scope = trio.CancelScope()
        self.waiting = 0  # bytes that are not sent yet
        self.closed = False

    def post(self, data: bytes) -> bool:
        """Queues a frame. False when the connection has ended, or ends because the other end
        leaves too much unread."""
        if self.closed:
            return False
        if self.waiting + len(data) > self._most:
            log.warning("link broken", why="the other end does not read")
            self.close()
            return False
        self._queue.append(data)
        self.waiting += len(data)
        self._wake.set()
        return True

    def close(self) -> None:
        """Ends the connection at once; `run` returns."""
        self.closed = True
        self._scope.cancel()

    async def run(self, handle: Callable[[int, bytes], None]) -> None:
        """Hands over every frame in order, until either end closes. `handle` does not wait; a
        `LinkError` of it, or a bug, ends the connection."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._send)
                    await self._receive(handle)
                    nursery.cancel_scope.cancel()
        finally:
            self.closed = True
            self._queue.clear()
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)

    async def _receive(self, handle: Callable[[int, bytes], None]) -> None:
        decoder = FrameDecoder()
        try:
            while data := await self._stream.receive_some(READ):
                for kind, payload in decoder.feed(data):
                    handle(kind, payload)
        except LinkError as error:
            log.warning("link broken", why=str(error))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except Exception as error:
            log.error("link failed", exc_info=error)

    async def _send(self) -> None:
        try:
            while True:
                if not self._queue:
                    self._wake = trio.Event()
                    await self._wake.wait()
                    continue
                data = b"".join(self._queue)
                self._queue.clear()
                for at in range(0, len(data), PIECE):
                    with trio.fail_after(STALL):
                        await self._stream.send_all(data[at : at + PIECE])
                self.waiting -= len(data)
        except trio.TooSlowError:
            log.warning("link broken", why="the other end does not read")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self.close()
