"""One connection: hello, frames in, calls, and the writer that empties its outbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import trio

from realtime.gateway.catchup import CatchUp
from realtime.gateway.limits import GatewayLimits
from realtime.gateway.metrics import GatewayMetrics
from realtime.gateway.outbox import Mode, Outbox
from realtime.push.delivery import Delivery
from realtime.rooms.hub import Hub
from rpc.context import Clock
from rpc.dispatch import Dispatcher, PreparedCall
from rpc.errors import CallError, Close, Code, ProtocolError
from rpc.proto.frames_pb2 import (
    Call,
    ClientFrame,
    Focus,
    GoAway,
    Hello,
    Pong,
    Resync,
    ServerFrame,
    Welcome,
)
from rpc.rates import RateLimiter
from rpc.transport import Transport, TransportClosed
from rpc.wire import decode_client, encode_server
from store.errors import StoreError
from store.records import SessionRecord

if TYPE_CHECKING:
    from realtime.rooms.presence import PresenceKeeper

log = structlog.get_logger("gateway")


@dataclass(frozen=True)
class Node:
    """What the sessions of a node share."""

    dispatcher: Dispatcher
    hub: Hub
    delivery: Delivery
    catch_up: CatchUp
    presence: PresenceKeeper
    authenticate: Callable[[str], Awaitable[SessionRecord]]
    living: Callable[[int], Awaitable[SessionRecord]]
    clock: Clock
    limits: GatewayLimits
    metrics: GatewayMetrics
    hellos: RateLimiter
    frames: RateLimiter
    dirty: set[Session]
    version: str


class Session:
    """A connection from hello to close. A fault of it ends it alone.

    It is `rpc.context.Identity` for its calls and `realtime.rooms.hub.Receiver` for the hub.
    """

    def __init__(self, node: Node, transport: Transport) -> None:
        self._node = node
        self._transport = transport
        self._outbox = Outbox(node.limits)
        self._calls: dict[int, trio.CancelScope] = {}
        self._reading = trio.CancelScope()
        self._written = trio.Event()
        self._close: tuple[int, str] | None = None
        self._close_after_answer = False
        self._answers_first = False
        self._answered = trio.Event()
        self._catching_up = False
        self._expires_ms = 0
        self._checkpoint_at = 0.0
        self._open_post = 0
        self._nursery: trio.Nursery | None = None
        self.draining = False
        self.user_id = 0
        self.session_id = 0
        self.device_id = b""
        self.device = ""
        self.client = ""
        self.foreground = True
        self.acked = b""

    # The hub's side

    def push(self, data: bytes, position: int) -> None:
        self._outbox.update(data, position)

    def signal(self, key: tuple[object, ...], data: bytes) -> None:
        self._outbox.signal(key, data)

    def end(self, reason: str) -> None:
        # The call that revoked the session may be this connection's own: let it be answered.
        self._answers_first = True
        self.close(Close.UNAUTHENTICATED, reason)

    # The calls' side

    @property
    def address(self) -> str:
        return self._transport.peer

    def cursor(self) -> bytes:
        return self._node.delivery.cursor()

    async def signed_in(self, user_id: int, session_id: int) -> None:
        if self.user_id:
            raise CallError(Code.CONFLICT, "this connection is signed in already")
        self.user_id, self.session_id = user_id, session_id
        try:
            await self._attach()
        except CallError as error:
            self._answers_first = True
            self.close(Close.UNAUTHENTICATED, error.message)
            raise
        except StoreError:
            self._answers_first = True
            self.close(Close.OVERLOADED, "the store is not available")
            raise
        self._outbox.mode = Mode.LIVE

    def sign_out(self) -> None:
        self._close_after_answer = True

    # Its life

    async def run(self) -> None:
        """Serves the connection until it ends, and leaves it closed."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._write)
                await self._read_until_closed()
                self._node.hub.detach(self)
                if self._answers_first:
                    with trio.move_on_after(self._node.limits.close_timeout):
                        while self._calls:
                            self._answered = trio.Event()
                            await self._answered.wait()
                self._outbox.close()
                with trio.move_on_after(self._node.limits.close_timeout):
                    await self._written.wait()
                    code, reason = self._close or (1000, "")
                    await self._transport.close(code, reason)
                nursery.cancel_scope.cancel()
        finally:
            self._node.dirty.discard(self)
            self._node.hub.watch_post(self, self._open_post, 0)
            self._node.hub.detach(self)
            self._node.presence.changed(self.user_id)

    def close(self, code: int, reason: str) -> None:
        """Ends the connection after what is queued has been written. Does not wait."""
        if self._close is None:
            self._close = (code, reason)
            self._node.metrics.closed(code)
        self._reading.cancel()

    def go_away(self, reason: str, reconnect_after_ms: int) -> None:
        """Asks the client to move on; calls in flight finish, new ones are refused."""
        self.draining = True
        frame = GoAway(reason=reason, reconnect_after_ms=reconnect_after_ms)
        self._outbox.answer(encode_server(ServerFrame(go_away=frame)))

    @property
    def idle(self) -> bool:
        """No call in flight and nothing waits to be written."""
        return not self._calls and not self._outbox.size

    def checkpoint(self) -> None:
        """Moves the client's cursor up to what it has been sent. The same bytes go to every
        session; while one catches up, its slices carry their own."""
        if self._outbox.mode is Mode.LIVE:
            self._outbox.updates = 0
            self._checkpoint_at = trio.current_time()
            self._outbox.answer(self._node.delivery.checkpoint())

    async def _read_until_closed(self) -> None:
        limits = self._node.limits
        with self._reading:
            try:
                self._reading.deadline = trio.current_time() + limits.hello_timeout
                frames = decode_client(await self._transport.receive())
                await self._hello(frames[0])
                del frames[0]
                while True:
                    for frame in frames:
                        self._handle(frame)
                    if self._outbox.size > limits.outbox_max:
                        # A client that does not drain its answers is not listened to.
                        await self._outbox.wait_drained()
                    self._reading.deadline = trio.current_time() + limits.idle_timeout
                    data = await self._transport.receive()
                    self._node.metrics.received(len(data))
                    frames = decode_client(data)
                    if self._node.frames.take(id(self), len(frames), trio.current_time()):
                        raise ProtocolError(Close.FLOODING, "too many frames")
            except ProtocolError as error:
                self.close(error.close, str(error))
            except TransportClosed as error:
                self.close(error.code, error.reason)
            except StoreError as error:
                log.warning("session ended by the store", error=str(error))
                self.close(Close.OVERLOADED, "the store is not available")
        if self._close is None:  # the deadline of the reading
            if self.client or self.device_id:
                self.close(Close.SLOW, "silent for too long")
            else:
                self.close(Close.HELLO_TIMEOUT, "no hello")

    async def _hello(self, frame: ClientFrame) -> None:
        if frame.WhichOneof("frame") != "hello":
            raise ProtocolError(Close.BAD_FRAME, "the first frame must be a hello")
        hello: Hello = frame.hello
        node = self._node
        wait = node.hellos.take("hello", 1, trio.current_time())
        if wait:
            self.go_away("busy", int(wait * 1000) + 500)
            raise ProtocolError(Close.OVERLOADED, "too many are arriving")
        if len(hello.device_id) > 32 or len(hello.device) > 100 or len(hello.client) > 100:
            raise ProtocolError(Close.BAD_FRAME, "a hello with oversized fields")
        self.device_id = hello.device_id
        self.device = hello.device
        self.client = hello.client or "unknown"
        self.foreground = not hello.background
        if hello.token:
            try:
                known = await node.authenticate(hello.token)
                self.user_id, self.session_id = known.user_id, known.id
                await self._attach()
            except CallError as error:
                raise ProtocolError(Close.UNAUTHENTICATED, error.message) from error
        self._welcome(hello.cursor)

    def _welcome(self, cursor: bytes) -> None:
        """Not an await in here: what the cursor says and what is delivered must agree."""
        node = self._node
        welcome = Welcome(
            session_id=self.session_id,
            user_id=self.user_id,
            cursor=cursor or node.delivery.cursor(),
            heartbeat_ms=int(node.limits.heartbeat * 1000),
            max_message_bytes=node.limits.max_message,
            max_calls=node.limits.max_calls,
            server=node.version,
            server_time_ms=node.clock.now_ms(),
        )
        self._outbox.answer(encode_server(ServerFrame(welcome=welcome)))
        if not self.user_id:
            return
        if not cursor:
            self._outbox.mode = Mode.LIVE
            return
        start = node.catch_up.start(cursor)
        if isinstance(start, Resync):
            start.cursor = node.delivery.cursor()
            self._outbox.answer(encode_server(ServerFrame(resync=start)))
            self._outbox.mode = Mode.LIVE
            node.metrics.resyncs.inc()
            return
        self._start_catch_up(start.position)

    async def _attach(self) -> None:
        """Registers for the user's updates. Raises `CallError` when the session has ended."""
        known_at = await self._node.hub.attach(self)
        await self._node.delivery.wait_for(known_at)
        await self._look_again()
        self._node.presence.changed(self.user_id)

    async def _look_again(self) -> None:
        """A revocation may have been delivered before the hub knew this session; one that comes
        after this look finds it there."""
        self._expires_ms = (await self._node.living(self.session_id)).expires_ms

    def _handle(self, frame: ClientFrame) -> None:
        kind = frame.WhichOneof("frame")
        if kind == "call":
            self._call(frame.call)
        elif kind == "ping":
            if self._expires_ms and self._node.clock.now_ms() >= self._expires_ms:
                raise ProtocolError(Close.UNAUTHENTICATED, "the session has expired")
            pong = Pong(nonce=frame.ping.nonce, server_time_ms=self._node.clock.now_ms())
            self._outbox.answer(encode_server(ServerFrame(pong=pong)))
            self.checkpoint()
        elif kind == "ack":
            self.acked = frame.ack.cursor[:64]
        elif kind == "cancel":
            scope = self._calls.get(frame.cancel.id)
            if scope is not None:
                scope.cancel()
        elif kind == "focus":
            self._focus(frame.focus)
        elif kind == "refresh":
            assert self._nursery is not None
            self._nursery.start_soon(self._refresh, frame.refresh.token)
        else:
            raise ProtocolError(Close.BAD_FRAME, "a second hello")

    def _focus(self, focus: Focus) -> None:
        self.foreground = not focus.background
        if focus.open_post != self._open_post:
            self._node.hub.watch_post(self, self._open_post, focus.open_post)
            self._open_post = focus.open_post
        self._node.presence.changed(self.user_id)

    async def _refresh(self, token: str) -> None:
        try:
            known = await self._node.authenticate(token)
            if known.user_id != self.user_id:
                self.close(Close.UNAUTHENTICATED, "the new token is another user's")
                return
            self.session_id = known.id
            await self._look_again()
        except CallError:
            self.close(Close.UNAUTHENTICATED, "the new token is not valid")
        except StoreError:
            self.close(Close.OVERLOADED, "the store is not available")

    def _call(self, call: Call) -> None:
        dispatcher = self._node.dispatcher
        try:
            if call.id in self._calls:
                raise CallError(Code.DUPLICATE_CALL_ID, "a call with this id is in flight")
            if len(self._calls) >= self._node.limits.max_calls:
                raise CallError(Code.TOO_MANY_CALLS, "too many calls in flight", retry_after_ms=50)
            if self.draining:
                raise CallError(Code.UNAVAILABLE, "this server is stopping", retry_after_ms=1000)
            prepared = dispatcher.prepare(self, call)
        except CallError as error:
            self._outbox.answer(dispatcher.refuse(call.id, call.method, error))
            return
        if prepared.method.policy.inline:
            self._outbox.answer(dispatcher.run_inline(prepared))
            return
        self._calls[call.id] = scope = trio.CancelScope()
        assert self._nursery is not None
        self._nursery.start_soon(self._run_call, prepared, scope)

    async def _run_call(self, prepared: PreparedCall, scope: trio.CancelScope) -> None:
        try:
            answer = await self._node.dispatcher.run(prepared, scope)
        finally:
            del self._calls[prepared.id]
        self._outbox.answer(answer)
        self._answered.set()
        if self._close_after_answer:
            self.close(Close.UNAUTHENTICATED, "signed out")

    async def _write(self) -> None:
        outbox, node = self._outbox, self._node
        try:
            while True:
                await outbox.wait()
                self._checkpoint_if_due()
                data = outbox.take()
                if not data:
                    return  # closed, and everything was written
                with trio.move_on_after(node.limits.send_timeout) as scope:
                    await self._transport.send(data)
                if scope.cancelled_caught:
                    self.close(Close.SLOW, "the socket does not drain")
                    self._transport.abort()
                    return
                node.metrics.sent(len(data))
                outbox.sent()
                if outbox.mode is Mode.LAGGING and not outbox.size:
                    node.metrics.lags.inc()
                    self._start_catch_up(outbox.missed_from)
        except TransportClosed as error:
            self.close(error.code, error.reason)
        finally:
            outbox.close()
            self._written.set()

    def _checkpoint_if_due(self) -> None:
        if not self._outbox.updates:
            return
        if trio.current_time() - self._checkpoint_at >= self._node.limits.checkpoint_interval:
            self.checkpoint()
        else:
            self._node.dirty.add(self)

    def _start_catch_up(self, position: int) -> None:
        if self._catching_up or self._nursery is None:
            return
        self._catching_up = True
        self._nursery.start_soon(self._catch_up, position)

    async def _catch_up(self, position: int) -> None:
        try:
            await self._node.catch_up.run(self.user_id, self._outbox, position)
        except StoreError as error:
            log.warning("catch-up failed", error=str(error))
            self.close(Close.OVERLOADED, "the store is not available")
        finally:
            self._catching_up = False
