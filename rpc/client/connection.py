"""One connection's life: hello and welcome, calls by number, frames in order, heartbeats."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import trio

from rpc.errors import CallError, Code, ProtocolError
from rpc.proto.frames_pb2 import (
    Ack,
    Call,
    Cancel,
    ClientFrame,
    Failure,
    Focus,
    Hello,
    Ping,
    Refresh,
    ServerFrame,
    Welcome,
)
from rpc.transport import Transport, TransportClosed
from rpc.wire import MAX_FRAMES, decode_server, encode_client

ABNORMAL = 1006  # the websocket's code for a connection that broke off
NORMAL = 1000
FRAME_OVERHEAD = 64  # more than the tags and lengths around a call's fields
CLOSE_SECONDS = 1.0  # for the closing handshake
HEARTBEAT_SECONDS = 30.0  # where the Welcome names none
SERVER_SHARE = 0.9  # of a call's time: so its answer, which says "committed or not", still comes


class Ended(NamedTuple):
    """Why a connection is over."""

    code: int
    reason: str


class Refused(Exception):
    """No welcome came: the server said go away, or what it sent made no sense."""

    def __init__(self, ended: Ended, reconnect_after: float = 0.0) -> None:
        super().__init__(f"{ended.code} {ended.reason}".strip())
        self.ended = ended
        self.reconnect_after = reconnect_after  # seconds


class Unanswered(Exception):
    """The connection ended before the answer came."""


class Stopped(CallError):
    """The client has given up: its session has ended, or the server said not to come back as
    it is. `close` is the connection's close code."""

    def __init__(self, code: Code, message: str, close: int) -> None:
        super().__init__(code, message)
        self.close = close

    @property
    def retryable(self) -> bool:
        return False

    def again(self) -> Stopped:
        """A copy to raise: an exception raised many times would gather tracebacks."""
        return Stopped(self.code, self.message, self.close)

    def __reduce__(self) -> tuple[object, ...]:
        return Stopped, (self.code, self.message, self.close)


class Outgoing:
    """A call, the same through all its tries. `decode` makes the outcome of the answer's
    bytes; it runs inside the reader, so what it changes is in order with the frames."""

    __slots__ = ("decode", "method", "op_key", "payload", "sent")

    def __init__(
        self, method: str, payload: bytes, op_key: bytes, decode: Callable[[bytes], Any]
    ) -> None:
        self.method = method
        self.payload = payload
        self.op_key = op_key
        self.decode = decode
        self.sent = False  # handed to a socket at least once: the server may have made it


class _Pending:
    __slots__ = ("call", "done", "error", "outcome")

    def __init__(self, call: Outgoing) -> None:
        self.call = call
        self.done = trio.Event()
        self.outcome: Any = None
        self.error: Exception | None = None


class Connection:
    """Made by `greet`; carries calls while `run` runs. Sends are queued and joined into
    batches by one writer, so cancelling a call never breaks the stream. What waits for the
    writer is bounded by the calls in flight, which `Welcome.max_calls` bounds."""

    def __init__(self, transport: Transport, welcome: Welcome, early: list[ServerFrame]) -> None:
        self.welcome = welcome
        self.ended: Ended | None = None
        self.draining = False
        self.round_trip = 0.0  # seconds, of the last heartbeat
        self._transport = transport
        self._early = early
        self._max_calls = welcome.max_calls or 64
        self._interval = welcome.heartbeat_ms / 1000 or HEARTBEAT_SECONDS
        self._pending: dict[int, _Pending] = {}
        self._next_id = 0
        self._room = trio.lowlevel.ParkingLot()  # calls that wait for max_calls
        self._outbox: deque[tuple[ClientFrame, Outgoing | None]] = deque()
        self._control: dict[str, ClientFrame] = {}  # the later of a kind replaces the earlier
        self._wake = trio.Event()
        self._scope = trio.CancelScope()
        self._sending = False
        self._handling = False
        self._last_sent = self._last_received = self._last_ping = trio.current_time()
        self._ping_nonce = 0
        self._dead_at = float("inf")  # a probe's deadline
        self._probed = trio.Event()

    @classmethod
    async def greet(cls, transport: Transport, hello: Hello) -> Connection:
        """Says hello and waits for the welcome; the caller bounds the time. Raises `Refused`."""
        early: list[ServerFrame] = []
        try:
            await transport.send(encode_client([ClientFrame(hello=hello)]))
            while True:
                frames = decode_server(await transport.receive())
                for index, frame in enumerate(frames):
                    kind = frame.WhichOneof("frame")
                    if kind == "welcome":
                        return cls(transport, frame.welcome, early + frames[index + 1 :])
                    if kind == "go_away":
                        raise Refused(
                            Ended(1001, frame.go_away.reason),
                            frame.go_away.reconnect_after_ms / 1000,
                        )
                    early.append(frame)
        except TransportClosed as error:
            raise Refused(Ended(error.code, error.reason)) from error
        except ProtocolError as error:
            raise Refused(Ended(ABNORMAL, str(error))) from error

    async def run(self, handle: Callable[[ServerFrame], Awaitable[None]]) -> Ended:
        """Reads until the connection is over. Every frame but answers and pongs goes to
        `handle`, in order; the socket is not read while it runs."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._beat)
                    await self._read(handle)
        finally:
            ended = self._end(Ended(ABNORMAL, "cancelled"))
            self._release()
            await self._hang_up()
        return ended

    def stop(self, reason: str, code: int = NORMAL) -> None:
        """Ends the connection from this side."""
        self._end(Ended(code, reason))

    async def finish(self, seconds: float) -> None:
        """Takes no more calls, waits for those in flight, then stops."""
        self.draining = True
        with trio.move_on_after(seconds):
            while self._pending and self.ended is None:
                await self._room.park()
        self.stop("asked to go away", 1001)

    async def call(self, call: Outgoing, seconds: float) -> Any:
        """The outcome of `call.decode`. Raises `CallError` for a Failure and `Unanswered`.
        When cancelled it tells the server."""
        frame = Call(
            method=call.method,
            timeout_ms=max(1, int(seconds * SERVER_SHARE * 1000)),
            op_key=call.op_key,
            payload=call.payload,
        )
        most = self.welcome.max_message_bytes
        if most and frame.ByteSize() + FRAME_OVERHEAD > most:
            # Sent, it would cost the whole connection.
            raise CallError(
                Code.TOO_LARGE, "the request is too large", details={"max_bytes": str(most)}
            )
        while len(self._pending) >= self._max_calls and self.ended is None:
            await self._room.park()
        if self.ended is not None or self.draining:
            raise Unanswered
        self._next_id += 1
        frame.id = self._next_id
        pending = self._pending[frame.id] = _Pending(call)
        self._outbox.append((ClientFrame(call=frame), call))
        self._wake.set()
        try:
            await pending.done.wait()
        except trio.Cancelled:
            # It keeps its place among the calls in flight until the server has answered.
            if frame.id in self._pending and self.ended is None:
                self._outbox.append((ClientFrame(cancel=Cancel(id=frame.id)), None))
                self._wake.set()
            raise
        if pending.error is not None:
            raise pending.error
        return pending.outcome

    def ack(self, cursor: bytes) -> None:
        self._post("ack", ClientFrame(ack=Ack(cursor=cursor)))

    def focus(self, focus: Focus) -> None:
        self._post("focus", ClientFrame(focus=focus))

    def refresh(self, token: str) -> None:
        self._post("refresh", ClientFrame(refresh=Refresh(token=token)))

    def probe(self, seconds: float) -> None:
        """Asks for a sign of life within `seconds`; without one the connection is dead."""
        self._dead_at = trio.current_time() + seconds
        self._ping()
        self._probed.set()

    def _post(self, kind: str, frame: ClientFrame) -> None:
        self._control[kind] = frame
        self._wake.set()

    def _ping(self) -> None:
        self._ping_nonce += 1
        self._last_ping = trio.current_time()
        self._post("ping", ClientFrame(ping=Ping(nonce=self._ping_nonce)))

    async def _read(self, handle: Callable[[ServerFrame], Awaitable[None]]) -> None:
        frames, self._early = self._early, []
        while True:
            for frame in frames:
                kind = frame.WhichOneof("frame")
                if kind == "result":
                    self._answered(frame.result.id, frame.result.payload)
                elif kind == "failure":
                    self._failed(frame.failure)
                elif kind == "pong":
                    if frame.pong.nonce == self._ping_nonce:
                        self.round_trip = trio.current_time() - self._last_ping
                else:
                    self._handling = True
                    await handle(frame)
                    self._handling = False
                    # The app may have kept us from the socket: that was no silence.
                    self._heard()
                if self.ended is not None:
                    await trio.lowlevel.checkpoint()
                    return
            try:
                frames = decode_server(await self._transport.receive())
            except TransportClosed as error:
                self._end(Ended(error.code, error.reason))
                return
            except ProtocolError as error:
                self._end(Ended(ABNORMAL, str(error)))
                return
            self._heard()

    def _heard(self) -> None:
        self._last_received = trio.current_time()
        self._dead_at = float("inf")

    async def _write(self) -> None:
        most = self.welcome.max_message_bytes or 1 << 62
        while True:
            while not self._outbox and not self._control:
                self._wake = trio.Event()
                await self._wake.wait()
            frames = list(self._control.values())
            self._control.clear()
            size = sum(frame.ByteSize() + 16 for frame in frames)
            while self._outbox and len(frames) < MAX_FRAMES:
                frame, call = self._outbox[0]
                size += frame.ByteSize() + 16
                if frames and size > most:
                    break
                self._outbox.popleft()
                frames.append(frame)
                if call is not None:
                    call.sent = True
            self._sending = True
            try:
                await self._transport.send(encode_client(frames))
            except TransportClosed as error:
                self._end(Ended(error.code, error.reason))
                return
            self._sending = False
            self._last_sent = trio.current_time()

    async def _beat(self) -> None:
        """Pings when either direction was idle for the interval; silence of two intervals is
        death."""
        while True:
            now = trio.current_time()
            # While the app keeps us from the socket, silence proves nothing.
            death = min(self._last_received + 2 * self._interval, self._dead_at)
            if self._handling:
                death = float("inf")
            if now >= death:
                self._end(Ended(ABNORMAL, "no sign of life"))
                return
            idle_since = min(self._last_sent, self._last_received)
            due = max(idle_since, self._last_ping) + self._interval
            if now >= due:
                self._ping()
                continue
            with trio.move_on_at(min(due, death)):
                await self._probed.wait()
                self._probed = trio.Event()

    def _answered(self, call_id: int, payload: bytes) -> None:
        pending = self._pending.pop(call_id, None)
        if pending is None:
            return
        try:
            pending.outcome = pending.call.decode(payload)
        except Exception as error:
            pending.error = error
        pending.done.set()
        self._room.unpark_all()

    def _failed(self, failure: Failure) -> None:
        pending = self._pending.pop(failure.id, None)
        if pending is None:
            return
        pending.error = CallError(
            failure.code,
            failure.message,
            retry_after_ms=failure.retry_after_ms,
            committed=failure.committed,
            details=failure.details,
        )
        pending.done.set()
        self._room.unpark_all()

    def _end(self, ended: Ended) -> Ended:
        """Records the first cause and ends `run`."""
        if self.ended is None:
            self.ended = ended
            self._scope.cancel()
        return self.ended

    def _release(self) -> None:
        """Wakes every call: none of them will be answered here."""
        pending, self._pending = self._pending, {}
        for one in pending.values():
            one.error = Unanswered()
            one.done.set()
        self._outbox.clear()
        self._room.unpark_all()

    async def _hang_up(self) -> None:
        assert self.ended is not None
        if self._sending or self.ended.code == ABNORMAL:
            self._transport.abort()  # after a cut-off send the stream is undefined
            return
        with trio.move_on_after(CLOSE_SECONDS) as scope:
            scope.shield = True
            await self._transport.close(NORMAL)
        if scope.cancelled_caught:
            self._transport.abort()
