"""A line between a client and the server that breaks where it is told to."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
from collections.abc import Callable
from random import Random

import trio

PIECE = 16 * 1024  # bytes read at once
BROKEN = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Relay:
    """Forwards bytes both ways, unseen. While it has cuts left, each connection is cut after
    a number of bytes that the seed chooses: in the middle of a frame, of the handshake, of
    anything. What had arrived by then is forwarded, the rest is gone."""

    def __init__(self, target_port: int, random: Random, least: int, most: int) -> None:
        """Connections are cut after `least` to `most` bytes, the small numbers as likely as
        the large ones."""
        self._target_port = target_port
        self._random = random
        self._bounds = (math.log(least), math.log(most))
        self._left = 0
        self._open: dict[_Connection, None] = {}
        self.port = 0
        self.cuts = 0

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.port = listeners[0].socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, self._handle, listeners)
            task_status.started()

    @property
    def connected(self) -> bool:
        return bool(self._open)

    def arm(self, cuts: int) -> None:
        """Cuts so many connections more, the present one among them."""
        self._left += cuts
        for connection in self._open:
            self._draw(connection)

    def disarm(self) -> None:
        """Leaves every connection alone from here on."""
        self._left = 0
        for connection in self._open:
            connection.budget = math.inf

    def _draw(self, connection: _Connection) -> None:
        if connection.budget == math.inf and self._left > 0:
            self._left -= 1
            connection.budget = int(math.exp(self._random.uniform(*self._bounds)))
            connection.reset = self._random.random() < 0.5

    async def _handle(self, client: trio.SocketStream) -> None:
        with contextlib.suppress(*BROKEN):
            try:
                server = await trio.open_tcp_stream("127.0.0.1", self._target_port)
            except OSError:
                await trio.aclose_forcefully(client)  # the server is down
                return
            connection = _Connection(client, server, self._count)
            self._open[connection] = None
            self._draw(connection)
            try:
                await connection.run()
            finally:
                del self._open[connection]

    def _count(self) -> None:
        self.cuts += 1


class _Connection:
    def __init__(
        self,
        client: trio.SocketStream,
        server: trio.SocketStream,
        on_cut: Callable[[], None],
    ) -> None:
        self._client = client
        self._server = server
        self._on_cut = on_cut
        self.budget: float = math.inf  # bytes, both directions together
        self.reset = False  # cut it with RST instead of FIN
        self.cut = False

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._forward, self._client, self._server, nursery)
                nursery.start_soon(self._forward, self._server, self._client, nursery)
        finally:
            with trio.CancelScope(shield=True):  # neither of these waits
                await self._close(self._client)
                await self._close(self._server)

    async def _close(self, stream: trio.SocketStream) -> None:
        if self.cut and self.reset:
            with contextlib.suppress(OSError):
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(stream)

    async def _forward(
        self, source: trio.SocketStream, target: trio.SocketStream, nursery: trio.Nursery
    ) -> None:
        with contextlib.suppress(*BROKEN):
            while data := await source.receive_some(PIECE):
                piece = data[: int(min(self.budget, len(data)))]
                self.budget -= len(data)
                if piece:
                    await target.send_all(piece)
                if self.budget <= 0:
                    if not self.cut:
                        self.cut = True
                        self._on_cut()
                    break
        nursery.cancel_scope.cancel()
