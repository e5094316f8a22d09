"""A line from `rpc.client`, and whatever is built on it, to a server in memory."""

from __future__ import annotations

from collections.abc import Callable

import trio
from trio_websocket import HandshakeError, wrap_client_stream

from realtime.testing.streams import FaultyStream
from rpc.client.dial import hold_open
from rpc.client.options import LOST, DialError
from rpc.transport import Transport, WebSocketTransport
from rpc.wire import SUBPROTOCOL


class Line:
    """Give `line.dial` to `rpc.client.open_client`. `stream` is the client's end of the present
    connection, to be stalled or cut; while `down` is set no connection is made."""

    def __init__(self, connect: Callable[[], trio.abc.HalfCloseableStream]) -> None:
        """`connect` opens a stream to the server; see `TestServer.line`."""
        self._connect = connect
        self.down = False
        self.stream: FaultyStream | None = None
        self.dials = 0  # how often the client has dialed, in vain or not

    async def dial(self, nursery: trio.Nursery) -> Transport:
        await trio.lowlevel.checkpoint()
        self.dials += 1
        if self.down:
            raise DialError("the line is down")
        self.stream = stream = FaultyStream(self._connect())
        nursery.start_soon(hold_open, stream)
        try:
            socket = await wrap_client_stream(
                nursery,
                stream,  # type: ignore[arg-type]  # any stream will do
                "localhost",
                "/",
                subprotocols=[SUBPROTOCOL],
            )
        except (*LOST, HandshakeError) as error:
            await trio.aclose_forcefully(stream)
            raise DialError(str(error) or type(error).__name__) from error
        return WebSocketTransport(socket, nursery.cancel_scope.cancel)

    async def cut(self) -> None:
        """Breaks the present connection, if there is one; the client may dial again at once."""
        if self.stream is not None:
            await self.stream.cut()
