"""A line between a client and a port, which breaks when so much has gone up."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

RESET = struct.pack("ii", 1, 0)  # of SO_LINGER: closed by a reset, as a line that is gone
PIECE = 64 * 1024  # bytes


class Line:
    """Passes on what comes to its `port`. It breaks as soon as so many bytes in all have gone
    up, at each of the `breaks` once; a client may dial again at once. `target` may change: new
    connections go there."""

    def __init__(self, target: int, breaks: list[int]) -> None:
        self.target = target
        self.port = 0
        self.broken = 0
        self._breaks = sorted(breaks, reverse=True)
        self._up = 0

    async def handle(self, client: trio.SocketStream) -> None:
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            _reset(client)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pass_up, client, server, nursery.cancel_scope)
            nursery.start_soon(self._pass_down, server, client, nursery.cancel_scope)
        _reset(client)
        _reset(server)

    async def _pass_up(
        self, client: trio.SocketStream, server: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            while data := await client.receive_some(PIECE):
                left = self._breaks[-1] - self._up if self._breaks else len(data)
                await server.send_all(data[:left])
                self._up += min(left, len(data))
                if left <= len(data) and self._breaks:
                    self._breaks.pop()
                    self.broken += 1
                    break
        except trio.BrokenResourceError:
            pass
        scope.cancel()

    async def _pass_down(
        self, server: trio.SocketStream, client: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            while data := await server.receive_some(PIECE):
                await client.send_all(data)
        except trio.BrokenResourceError:
            pass
        scope.cancel()


def _reset(stream: trio.SocketStream) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    stream.socket.close()


@asynccontextmanager
async def open_line(target: int, *breaks: int) -> AsyncIterator[Line]:
    line = Line(target, list(breaks))
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        line.port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, line.handle, listeners)
        yield line
        nursery.cancel_scope.cancel()
