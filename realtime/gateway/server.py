"""The websocket server of a node: accepts, checkpoints, drains."""

from __future__ import annotations

import random

import structlog
import trio

from realtime.gateway import portable
from realtime.gateway.fast import FastTransport
from realtime.gateway.node import Node
from realtime.gateway.sessions import Sessions

log = structlog.get_logger("gateway")


class Gateway:
    """The websocket server of a node. What one connection does, garbage and crashes included,
    ends that connection alone."""

    def __init__(self, node: Node, *, fast: bool = False, rng: random.Random | None = None) -> None:
        """With `fast`, sockets are served by the fast transport, which needs Linux."""
        self.node = node
        self.sessions = Sessions(node)
        self._fast = FastTransport(self.sessions) if fast else None
        if self._fast is not None:
            node.signals.deliver = self._fast.broadcast
        self._rng = rng or random.Random()

    @property
    def draining(self) -> bool:
        return self.sessions.draining

    async def accept(
        self, listener: trio.abc.Listener[trio.SocketStream], connections: trio.Nursery
    ) -> None:
        """Accepts connections until it is cancelled, which closes the listener. Those that the
        fast transport takes over cost no task; the others run in the nursery."""
        async with listener:
            while True:
                stream = await listener.accept()
                if self._fast is None:
                    connections.start_soon(self.handle, stream)
                elif not self._adopt(self._fast, stream):
                    await trio.aclose_forcefully(stream)

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serves one accepted stream, to its end or handed over to the fast transport. Never
        raises for what the peer does."""
        if self._fast is not None and isinstance(stream, trio.SocketStream):
            if not self._adopt(self._fast, stream):
                await trio.aclose_forcefully(stream)
            return
        peer = peer_of(stream)
        if self.sessions.may_enter(peer):
            await portable.serve(self.sessions, stream, peer)
        else:
            await trio.aclose_forcefully(stream)

    def _adopt(self, transport: FastTransport, stream: trio.SocketStream) -> bool:
        """Whether the transport has taken the stream over; if not it is to be closed."""
        peer = peer_of(stream)
        if not self.sessions.may_enter(peer):
            return False
        try:
            transport.adopt(stream, peer)
        except Exception as error:
            log.error("connection not adopted", peer=peer, exc_info=error)
            self.sessions.leave(peer)
            return False
        return True

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs what the sessions rely on, and sends the checkpoints that are due. Connections
        may come once it has started."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.node.workers.run)
            nursery.start_soon(self.node.wheel.run)
            if self._fast is not None:
                nursery.start_soon(self._fast.run)
            task_status.started()
            while True:
                await trio.sleep(self.node.limits.checkpoint_interval)
                dirty = list(self.node.dirty)
                self.node.dirty.clear()
                for session in dirty:
                    try:
                        session.checkpoint()
                    except Exception as error:
                        log.error("connection crashed", peer=session.address, exc_info=error)
                        session.abort()

    async def drain(self, grace: float) -> None:
        """Sends everyone away within `grace` seconds: new connections are refused, calls in
        flight finish, and the clients are told to come back at times spread over the grace.
        Who does not listen is dropped at its end."""
        self.sessions.draining = True
        closing = min(self.node.limits.close_timeout + 0.5, grace / 2)
        deadline = trio.current_time() + grace
        for session in self.sessions:
            session.go_away("restarting", self._rng.randrange(100, int(grace * 500) + 200))
        with trio.move_on_at(deadline - closing):
            # A look now and then is simpler than an event from every corner of a session.
            while not all(session.idle for session in self.sessions):  # noqa: ASYNC110
                await trio.sleep(0.02)
        for session in self.sessions:
            session.close(1001, "restarting")
        with trio.move_on_at(deadline):
            while self.sessions:  # noqa: ASYNC110
                await trio.sleep(0.02)
        for session in self.sessions:
            session.abort()


def peer_of(stream: trio.abc.Stream) -> str:
    """The network address of the other end, "" when it has none."""
    if isinstance(stream, trio.SocketStream):
        try:
            name = stream.socket.getpeername()
        except OSError:
            return ""
        return str(name[0]) if isinstance(name, tuple) else ""  # a path, or nothing: a local one
    return ""
