"""The seam between a session and the socket that carries it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol

import trio
from trio_websocket import CloseReason, ConnectionClosed, HandshakeError, WebSocketConnection

from rpc.errors import Close, ProtocolError


class TransportClosed(Exception):
    """The connection has ended. `code` is the websocket close code, 1006 when it broke off."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


class Transport(Protocol):
    """A connection that carries whole binary messages, in order, each once or not at all."""

    @property
    def peer(self) -> str:
        """The network address of the other end, "" when it has none."""
        ...

    async def receive(self) -> bytes:
        """The next message. Raises `TransportClosed` at the end and `ProtocolError` for one
        that is not binary or too large."""
        ...

    async def send(self, data: bytes) -> None:
        """Hands a message to the socket, waiting while it is full. Raises `TransportClosed`.
        After a cancelled send the stream is undefined: only `abort` remains."""
        ...

    async def close(self, code: int, reason: str = "") -> None:
        """Closes with a handshake; the caller bounds the time. Never raises."""
        ...

    def abort(self) -> None:
        """Drops the connection at once, without a handshake."""
        ...


class WebSocketTransport:
    """A `Transport` on trio-websocket, at either end."""

    def __init__(
        self, socket: WebSocketConnection, on_abort: Callable[[], None], peer: str = ""
    ) -> None:
        """`on_abort` ends whatever runs the socket: its nursery's `cancel`."""
        self._socket = socket
        self._on_abort = on_abort
        self._peer = peer

    @property
    def peer(self) -> str:
        return self._peer

    async def receive(self) -> bytes:
        try:
            message = await self._socket.get_message()
        except ConnectionClosed as error:
            raise _closed(error.reason) from error
        if not isinstance(message, bytes | bytearray):
            raise ProtocolError(Close.NOT_BINARY, "a text message")
        return bytes(message)

    async def send(self, data: bytes) -> None:
        try:
            await self._socket.send_message(data)
        except ConnectionClosed as error:
            raise _closed(error.reason) from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise TransportClosed(1006, "broken") from error

    async def close(self, code: int, reason: str = "") -> None:
        with contextlib.suppress(
            ConnectionClosed, HandshakeError, trio.BrokenResourceError, trio.ClosedResourceError
        ):
            await self._socket.aclose(code, reason[:120])

    def abort(self) -> None:
        self._on_abort()


def _closed(reason: CloseReason | None) -> TransportClosed:
    if reason is None:
        return TransportClosed(1006, "broken")
    return TransportClosed(reason.code, reason.reason or "")
