"""The fast transport: plain TCP on Linux, all sockets in one epoll set.

Waiting for a socket, a task and an await a message would be most of the cost of a message. Here
one task waits for the whole set, reads what can be read, hands each message to its session, and
writes what waits for a socket in one send, once a turn. Only a full socket is waited for.
"""

from __future__ import annotations

import contextlib
import math
import select
import socket
import time
from typing import cast

import structlog
import trio

from realtime.gateway.outbox import Mode
from realtime.gateway.session import Session
from realtime.gateway.sessions import Sessions
from realtime.gateway.websocket import (
    BadHandshake,
    CloseFrame,
    Decoder,
    Handshake,
    Message,
    Ping,
    Text,
    Violation,
    close_frame,
    frame,
    pong,
)
from realtime.rooms.hub import Receiver
from rpc.errors import Close
from rpc.wire import SUBPROTOCOL

log = structlog.get_logger("gateway")

READ = 64 * 1024  # bytes asked of a socket at once
ALONE = 0.001  # seconds for which it may keep all other tasks waiting, a turn more or less
EVENTS = 512  # sockets served in one turn
IGNORED = 1024 * 1024  # bytes read, so that a refusal is heard, from who goes on sending
PONGS = 1024  # bytes of answers to pings that wait for a socket
WRITES = 2048  # sockets written to in one go, before others have a turn


class FastTransport:
    """Serves the connections that it is handed until it is cancelled, which closes them.

    A fault in serving one connection, our own bugs included, ends that connection alone.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self._epoll = select.epoll()
        self._metrics = sessions.node.metrics
        self._connections: dict[int, Connection] = {}
        self.dirty: list[Connection] = []
        self.in_turn = False
        self._flusher: trio.lowlevel.Task | None = None
        # Members of a room mostly wait for the same: it is joined once for all of them.
        self._last_parts: list[bytes] = []
        self._last_frame = b""

    def adopt(self, stream: trio.SocketStream, peer: str) -> None:
        """Takes over an accepted stream; its place among the sessions is reserved already. Never
        raises for one that has broken already."""
        own = socket.socket(fileno=stream.socket.detach())
        own.setblocking(False)
        connection = Connection(self, own, peer)
        self._connections[own.fileno()] = connection
        self._epoll.register(own.fileno(), select.EPOLLIN)
        node = self.sessions.node
        node.wheel.add(connection, trio.current_time() + node.limits.handshake_timeout)

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._flush_when_asked)
                while True:
                    await trio.lowlevel.wait_readable(self._epoll.fileno())
                    await self._serve_while_busy()
        finally:
            for connection in list(self._connections.values()):
                self._drop(connection, Close.GOING_AWAY, "stopped")
            self._epoll.close()

    async def _serve_while_busy(self) -> None:
        """Serves until nothing is to be read. Other tasks have their turn at once when there
        are calls for them, or else now and then: a turn of Trio's costs more than a call."""
        workers = self.sessions.node.workers
        until = time.perf_counter() + ALONE
        while events := self._epoll.poll(0, EVENTS):
            self._turn(events)
            if workers.busy or time.perf_counter() > until:
                await trio.lowlevel.checkpoint()
                until = time.perf_counter() + ALONE

    def _turn(self, events: list[tuple[int, int]]) -> None:
        self.in_turn = True
        for fd, mask in events:
            connection = self._connections.get(fd)
            if connection is None:
                continue
            try:
                if mask & select.EPOLLOUT:
                    self._write_on(connection)
                if mask & ~select.EPOLLOUT:
                    self._read(connection)
            except Exception as error:
                self._crashed(connection, error)
        signals = self.sessions.node.signals
        if signals.waiting:
            signals.flush()
        self.in_turn = False
        if self.dirty:
            self._flush()

    # In

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection, 1006, "broken")
            return
        if not data:
            self._drop(connection, *(connection.closing or (1006, "broken")))
        elif connection.session is not None:
            self._take(connection, connection.session, data)
        elif connection.handshake is not None:
            self._shake_hands(connection, connection.handshake, data)
        else:  # it was refused: what it still sends is of no interest, for as long as that ends
            connection.ignored += len(data)
            if connection.ignored > IGNORED:
                self._drop(connection, 1006, "refused")

    def _take(self, connection: Connection, session: Session, data: bytes) -> None:
        for message in connection.decoder.feed(data):
            if type(message) is bytes:
                session.received(message)
            else:
                self._control(connection, session, message)
        if not session.wants_more and not connection.paused:
            connection.paused = True
            self._watch(connection)

    def _control(self, connection: Connection, session: Session, message: Message) -> None:
        if isinstance(message, Ping):
            session.heard()
            if len(connection.pong) > PONGS:
                connection.pong = b""  # the latest alone has to be answered
            connection.pong += pong(message.payload)
            connection.wake()
        elif isinstance(message, CloseFrame):
            if connection.closing is None:
                connection.closing = message.code, message.reason
                connection.last = close_frame(message.code)
                self._write(connection)
            self._say_goodbye(connection, session, *connection.closing)
        elif isinstance(message, Text):
            session.close(Close.NOT_BINARY, "a text message")
        elif isinstance(message, Violation):
            session.close(message.code, message.reason)
        else:
            session.heard()

    def _shake_hands(self, connection: Connection, handshake: Handshake, data: bytes) -> None:
        try:
            request = handshake.feed(data)
        except BadHandshake as error:
            self._refuse(connection, error.response)
            return
        if request is None:
            return
        if SUBPROTOCOL not in request.subprotocols:
            self._refuse(connection, handshake.reject(400, f"speak {SUBPROTOCOL}\n".encode()))
            return
        connection.handshake = None
        connection.rest = handshake.accept(SUBPROTOCOL)
        self._write_on(connection)
        connection.session = session = self.sessions.open(connection)
        if handshake.trailing:
            self._take(connection, session, handshake.trailing)

    def _refuse(self, connection: Connection, response: bytes) -> None:
        connection.handshake = None
        connection.closing = (1006, "refused")
        connection.rest = response
        self._write_on(connection)
        self._end_writing(connection)

    # Out

    def ask_to_flush(self) -> None:
        """Has a task write once those that run now have had their turn."""
        if self._flusher is not None:
            trio.lowlevel.reschedule(self._flusher)
            self._flusher = None

    async def _flush_when_asked(self) -> None:
        def abort(_: object) -> trio.lowlevel.Abort:
            self._flusher = None
            return trio.lowlevel.Abort.SUCCEEDED

        while True:
            if not self.dirty:
                self._flusher = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(abort)
            self._flush()
            await trio.lowlevel.checkpoint()

    def _flush(self) -> None:
        batch = self.dirty[:WRITES]
        del self.dirty[:WRITES]
        for connection in batch:
            connection.queued = False
            try:
                self._write(connection)
            except Exception as error:
                self._crashed(connection, error)
        if self.dirty:
            self.ask_to_flush()

    def broadcast(self, sessions: list[Receiver], data: bytes) -> None:
        """Writes a broadcast to each of the sessions. Where nothing else waits for a socket it
        takes the shortest way; else it queues, as it does past those that one turn may write."""
        framed, written = frame(data), 0
        size = len(framed)
        for receiver in sessions:
            session = cast(Session, receiver)
            connection, outbox = session.socket, session.outbox
            if (
                type(connection) is not Connection
                or connection.queued
                or connection.rest
                or outbox.mode is not Mode.LIVE
                or outbox.closed
                or written >= WRITES
            ):
                session.signal((), data)
                continue
            try:
                sent = connection.socket.send(framed)
            except BlockingIOError:
                sent = 0
            except Exception as error:  # a broken socket; its session hears of it
                self._broken(connection, error)
                continue
            if sent == size:
                written += 1
                continue
            try:
                self._keep(connection, session, framed, sent)
            except Exception as error:
                self._crashed(connection, error)
        self._metrics.messages_out += written
        self._metrics.bytes_out += written * size

    def _broken(self, connection: Connection, error: Exception) -> None:
        if not isinstance(error, OSError):
            self._crashed(connection, error)
            return
        try:
            self._drop(connection, 1006, "broken")
        except Exception as another:
            self._crashed(connection, another)

    def _write(self, connection: Connection) -> None:
        session = connection.session
        if connection.rest or session is None:
            return  # a full socket calls when it has room again
        data = b""
        outbox = session.outbox
        if outbox.updates:
            session.checkpoint_if_due()
        parts = outbox.take()
        if parts:
            if parts == self._last_parts:
                data = self._last_frame
            else:
                self._last_parts = parts
                self._last_frame = data = frame(parts[0] if len(parts) == 1 else b"".join(parts))
        if connection.pong:
            data, connection.pong = connection.pong + data, b""
        if connection.last:
            data, connection.last = data + connection.last, b""
        if not data:
            return
        try:
            sent = connection.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(connection, 1006, "broken")
            return
        if sent < len(data):
            self._keep(connection, session, data, sent)
            return
        metrics = self._metrics
        metrics.messages_out += 1
        metrics.bytes_out += sent
        if outbox.watched:
            session.sent()
        if connection.paused and session.wants_more:
            self.resume(connection)

    def _keep(self, connection: Connection, session: Session, data: bytes, sent: int) -> None:
        """The socket is full: what it did not take waits until it has room again."""
        connection.rest, connection.size = data[sent:], len(data)
        session.stuck()
        self._watch(connection)

    def _write_on(self, connection: Connection) -> None:
        """Writes what a full socket left over, and then what has come since."""
        rest = connection.rest
        if rest:
            try:
                sent = connection.socket.send(rest)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._drop(connection, 1006, "broken")
                return
            connection.rest = rest[sent:]
            if connection.rest:
                self._watch(connection)
                return
        session = connection.session
        if session is not None:
            if rest:
                self._metrics.messages_out += 1
                self._metrics.bytes_out += connection.size
                session.sent()
            self._write(connection)
            if session.wants_more:
                connection.paused = False
        self._watch(connection)
        if connection.half_closed:
            self._end_writing(connection)

    def _watch(self, connection: Connection) -> None:
        """Has the set wait for what this connection waits for."""
        if connection.dropped:
            return
        wanted = 0 if connection.paused else select.EPOLLIN
        if connection.rest:
            wanted |= select.EPOLLOUT
        if wanted != connection.watched:
            connection.watched = wanted
            self._epoll.modify(connection.socket.fileno(), wanted)

    def resume(self, connection: Connection) -> None:
        if connection.paused and not connection.dropped:
            connection.paused = False
            self._watch(connection)

    # The end

    def close(self, connection: Connection, code: int, reason: str) -> None:
        """Writes what waits and a close frame; the peer is to close then."""
        if connection.closing is not None or connection.dropped:
            return
        connection.closing = (code, reason)
        connection.last = close_frame(code, reason)
        connection.paused = False
        self._write(connection)
        self._watch(connection)
        self._end_writing(connection)

    def _say_goodbye(
        self, connection: Connection, session: Session, code: int, reason: str
    ) -> None:
        """Both sides have closed: nothing is left but that the peer reads our last frame."""
        if connection.dropped:
            return
        connection.session = None
        self.sessions.end(session, code, reason)
        self._end_writing(connection)
        node = self.sessions.node
        node.wheel.add(connection, trio.current_time() + node.limits.close_timeout)

    def _end_writing(self, connection: Connection) -> None:
        """Closes our side when all is written. Reading goes on to the peer's end: to close with
        unread bytes would take away from it what was written last."""
        connection.half_closed = True
        if not connection.rest and not connection.last and not connection.dropped:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)

    def abort(self, connection: Connection) -> None:
        self._drop(connection, *(connection.closing or (1006, "aborted")))

    def _drop(self, connection: Connection, code: int, reason: str) -> None:
        if connection.dropped:
            return
        connection.dropped = True
        fd = connection.socket.fileno()
        del self._connections[fd]
        with contextlib.suppress(OSError):
            self._epoll.unregister(fd)
        connection.socket.close()
        connection.rest = b""
        self.sessions.leave(connection.peer)
        session, connection.session = connection.session, None
        if session is not None:
            self.sessions.end(session, code, reason)

    def _crashed(self, connection: Connection, error: Exception) -> None:
        log.error("connection crashed", peer=connection.peer, exc_info=error)
        try:
            self._drop(connection, Close.INTERNAL, "internal error")
        except Exception as another:
            log.error("connection crashed at its end", peer=connection.peer, exc_info=another)


class Connection:
    """One socket of the set: a `realtime.gateway.socket.Socket` for its session."""

    __slots__ = (
        "_transport",
        "closing",
        "decoder",
        "dropped",
        "half_closed",
        "handshake",
        "ignored",
        "last",
        "look_at",
        "paused",
        "peer",
        "pong",
        "queued",
        "rest",
        "session",
        "size",
        "socket",
        "watched",
    )

    def __init__(self, transport: FastTransport, own: socket.socket, peer: str) -> None:
        self._transport = transport
        self.socket = own
        self.peer = peer
        self.handshake: Handshake | None = Handshake()
        self.decoder = Decoder(transport.sessions.node.limits.max_message)
        self.session: Session | None = None
        self.rest = b""  # taken from the session, and not written yet
        self.size = 0  # of what it was taken with
        self.pong = b""  # the pongs that go before the next message
        self.last = b""  # the close frame: goes after it
        self.closing: tuple[int, str] | None = None
        self.watched: int = select.EPOLLIN
        self.queued = False
        self.paused = False
        self.dropped = False
        self.half_closed = False
        self.ignored = 0
        self.look_at = 0

    def wake(self) -> None:
        if not self.queued:
            self.queued = True
            transport = self._transport
            transport.dirty.append(self)
            if not transport.in_turn:
                transport.ask_to_flush()

    def resume(self) -> None:
        self._transport.resume(self)

    def close(self, code: int, reason: str) -> None:
        self._transport.close(self, code, reason)

    def abort(self) -> None:
        self._transport.abort(self)

    def due(self, now: float) -> float:
        """The end of the time for the handshake, or for leaving after a refusal; the session
        has limits of its own."""
        if self.session is None and not self.dropped:
            self._transport.abort(self)
        return math.inf
