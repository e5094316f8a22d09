"""Accepts connections, and drains them."""

from __future__ import annotations

import random
from collections import Counter

import structlog
import trio
from trio_websocket import ConnectionClosed, HandshakeError, wrap_server_stream

from realtime.gateway.session import Node, Session
from rpc.transport import Transport, WebSocketTransport
from rpc.wire import SUBPROTOCOL

log = structlog.get_logger("gateway")


class Gateway:
    """The websocket server of a node. What one connection does, garbage and crashes included,
    ends that connection alone."""

    def __init__(self, node: Node, rng: random.Random | None = None) -> None:
        self._node = node
        self._rng = rng or random.Random()
        self._sessions: set[Session] = set()
        self._addresses: Counter[str] = Counter()
        self.draining = False

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serves one accepted stream to its end; never raises for what the peer does."""
        limits = self._node.limits
        peer = peer_of(stream)
        if (
            self.draining
            or len(self._sessions) >= limits.max_connections
            or self._addresses[peer] >= limits.max_connections_per_address
        ):
            await trio.aclose_forcefully(stream)
            return
        self._addresses[peer] += 1
        try:
            await self._websocket(stream, peer)
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
            self._addresses[peer] -= 1
            if not self._addresses[peer]:
                del self._addresses[peer]
            await trio.aclose_forcefully(stream)

    async def _websocket(self, stream: trio.abc.Stream, peer: str) -> None:
        limits = self._node.limits
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(limits.handshake_timeout):
                request = await wrap_server_stream(
                    nursery, stream, max_message_size=limits.max_message, message_queue_size=4
                )
                if SUBPROTOCOL not in request.proposed_subprotocols:
                    await request.reject(400, body=f"speak {SUBPROTOCOL}\n".encode())
                else:
                    socket = await request.accept(subprotocol=SUBPROTOCOL)
                    transport = WebSocketTransport(socket, nursery.cancel_scope.cancel, peer)
                    nursery.start_soon(self._run, transport, nursery.cancel_scope)
                    return
            nursery.cancel_scope.cancel()

    async def _run(self, transport: Transport, scope: trio.CancelScope) -> None:
        await self.serve(transport)
        scope.cancel()

    async def serve(self, transport: Transport) -> None:
        """Runs a session over a transport that is connected already."""
        session = Session(self._node, transport)
        self._sessions.add(session)
        self._node.metrics.connections.inc()
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
            self._node.metrics.connections.dec()

    async def run(self) -> None:
        """Sends the checkpoints that are due."""
        while True:
            await trio.sleep(self._node.limits.checkpoint_interval)
            dirty = list(self._node.dirty)
            self._node.dirty.clear()
            for session in dirty:
                session.checkpoint()

    async def drain(self, grace: float) -> None:
        """Sends everyone away within `grace` seconds: new connections are refused, calls in
        flight finish, and the clients are told to come back at times spread over the grace.
        Who is still here when it returns does not listen: cancel him."""
        self.draining = True
        closing = min(self._node.limits.close_timeout + 0.5, grace / 2)
        deadline = trio.current_time() + grace
        for session in list(self._sessions):
            session.go_away("restarting", self._rng.randrange(100, int(grace * 500) + 200))
        with trio.move_on_at(deadline - closing):
            # A look now and then is simpler than an event from every corner of a session.
            while not all(session.idle for session in self._sessions):  # noqa: ASYNC110
                await trio.sleep(0.02)
        for session in list(self._sessions):
            session.close(1001, "restarting")
        with trio.move_on_at(deadline):
            while self._sessions:  # noqa: ASYNC110
                await trio.sleep(0.02)


def peer_of(stream: trio.abc.Stream) -> str:
    """The network address of the other end, "" when it has none."""
    if isinstance(stream, trio.SocketStream):
        try:
            return str(stream.socket.getpeername()[0])
        except OSError:
            return ""
    return ""
