"""The portable transport: trio-websocket over any stream, TLS and memory included."""

from __future__ import annotations

import structlog
import trio
from trio_websocket import ConnectionClosed, HandshakeError, wrap_server_stream

from realtime.gateway.session import Session
from realtime.gateway.sessions import Sessions
from rpc.errors import ProtocolError
from rpc.transport import Transport, TransportClosed, WebSocketTransport
from rpc.wire import SUBPROTOCOL

log = structlog.get_logger("gateway")


async def serve(sessions: Sessions, stream: trio.abc.Stream, peer: str) -> None:
    """Serves one accepted stream to its end; its place among the sessions is reserved already.
    Never raises for what the peer does."""
    try:
        await _websocket(sessions, stream, peer)
    except* (
        HandshakeError,
        ConnectionClosed,
        trio.BrokenResourceError,
        trio.ClosedResourceError,
    ):
        pass  # the peer's affair
    except* Exception as errors:
        log.error("connection crashed", peer=peer, exc_info=errors)
    finally:
        sessions.leave(peer)
        await trio.aclose_forcefully(stream)


async def _websocket(sessions: Sessions, stream: trio.abc.Stream, peer: str) -> None:
    limits = sessions.node.limits
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(limits.handshake_timeout):
            request = await wrap_server_stream(
                nursery, stream, max_message_size=limits.max_message, message_queue_size=4
            )
            if SUBPROTOCOL not in request.proposed_subprotocols:
                await request.reject(400, body=f"speak {SUBPROTOCOL}\n".encode())
            else:
                websocket = await request.accept(subprotocol=SUBPROTOCOL)
                transport = WebSocketTransport(websocket, nursery.cancel_scope.cancel, peer)
                nursery.start_soon(_run, sessions, transport, nursery.cancel_scope)
                return
        nursery.cancel_scope.cancel()


async def _run(sessions: Sessions, transport: Transport, scope: trio.CancelScope) -> None:
    await PortableSocket(sessions, transport).run()
    scope.cancel()


class PortableSocket:
    """A `realtime.gateway.socket.Socket` with a reading and a writing task."""

    def __init__(self, sessions: Sessions, transport: Transport) -> None:
        self._sessions = sessions
        self._transport = transport
        self._waking = trio.Event()
        self._resuming = trio.Event()
        self._close: tuple[int, str] | None = None
        self._ended = (1006, "broken")

    @property
    def peer(self) -> str:
        return self._transport.peer

    def wake(self) -> None:
        self._waking.set()

    def resume(self) -> None:
        self._resuming.set()

    def close(self, code: int, reason: str) -> None:
        self._close = (code, reason)
        self._waking.set()

    def abort(self) -> None:
        self._transport.abort()

    async def run(self) -> None:
        """Serves the session until the connection ends."""
        session = self._sessions.open(self)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, session, nursery.cancel_scope)
                await self._read(session)
                nursery.cancel_scope.cancel()
        finally:
            self._sessions.end(session, *self._ended)

    async def _read(self, session: Session) -> None:
        try:
            while True:
                try:
                    session.received(await self._transport.receive())
                except ProtocolError as error:
                    session.close(error.close, str(error))
                while not session.wants_more:
                    self._resuming = trio.Event()
                    await self._resuming.wait()
        except TransportClosed as error:
            self._ended = (error.code, error.reason)

    async def _write(self, session: Session, scope: trio.CancelScope) -> None:
        try:
            while True:
                parts = session.take()
                if not parts:
                    if self._close is not None:
                        await self._transport.close(*self._close)
                        self._ended = self._close
                        break
                    self._waking = trio.Event()
                    await self._waking.wait()
                    continue
                data = b"".join(parts)
                session.stuck()
                await self._transport.send(data)
                metrics = self._sessions.node.metrics
                metrics.messages_out += 1
                metrics.bytes_out += len(data)
                session.sent()
                if session.wants_more:
                    self._resuming.set()
        except TransportClosed as error:
            self._ended = (error.code, error.reason)
        scope.cancel()
