"""One connection: hello, frames in, calls, and what it may cost in time.

A session never waits: its socket hands it messages and takes from its outbox, and what has to
wait runs on the node's workers.
"""

from __future__ import annotations

import math

import structlog
import trio

from realtime.gateway.node import Node
from realtime.gateway.outbox import Mode, Outbox
from realtime.gateway.running import Running
from realtime.gateway.socket import Socket
from rpc.errors import CallError, Close, Code, ProtocolError
from rpc.proto.frames_pb2 import (
    ClientFrame,
    Focus,
    GoAway,
    Hello,
    Pong,
    Resync,
    ServerFrame,
    Welcome,
)
from rpc.rates import Bucket
from rpc.tokens import still_living
from rpc.wire import decode_client, encode_server
from store.errors import StoreError
from store.queries.sessions import sessions_by_id

log = structlog.get_logger("gateway")

Incoming = tuple[str, ClientFrame]
"""A frame with its kind."""


class Session:
    """A connection from hello to close. A fault of it ends it alone.

    It is `rpc.context.Identity` for its calls and `realtime.rooms.hub.Receiver` for the hub.
    """

    __slots__ = (
        "_answers_first",
        "_catching_up",
        "_checkpoint_at",
        "_close",
        "_close_after_answer",
        "_close_by",
        "_closing",
        "_expires_ms",
        "_frames",
        "_fresh_token",
        "_greeted",
        "_greeting",
        "_heard",
        "_heard_ms",
        "_node",
        "_open_post",
        "_refreshing",
        "_running",
        "_stuck_since",
        "client",
        "device",
        "device_id",
        "draining",
        "foreground",
        "gone",
        "look_at",
        "outbox",
        "push",
        "session_id",
        "signal",
        "socket",
        "user_id",
    )

    def __init__(self, node: Node, socket: Socket) -> None:
        self._node = node
        self.socket = socket
        self.outbox = Outbox(node.limits, socket.wake)
        self.push = self.outbox.update
        self.signal = self.outbox.signal
        self._running = Running(node, self)
        self._frames = Bucket(node.limits.frame_rate)
        self._close: tuple[int, str] | None = None
        self._closing = False  # the socket was told to close
        self._close_after_answer = False
        self._close_by = math.inf
        self._answers_first = False
        self._greeted = False
        self._greeting: list[Incoming] | None = None  # what came during the hello
        self._catching_up = False
        self._expires_ms = 0
        self._checkpoint_at = -math.inf
        self._open_post = 0
        self._fresh_token: str | None = None  # of a Refresh frame, not looked at yet
        self._refreshing = False
        self._heard = trio.current_time()
        self._heard_ms = 0
        self._stuck_since = math.inf
        self.look_at = 0
        self.draining = False
        self.gone = False
        self.user_id = 0
        self.session_id = 0
        self.device_id = b""
        self.device = ""
        self.client = ""
        self.foreground = True
        node.wheel.add(self, self._heard + node.limits.hello_timeout)

    # The hub's side: `push` and `signal` are the outbox's own methods

    def end(self, reason: str) -> None:
        # The call that revoked the session may be this connection's own: let it be answered.
        self._answers_first = True
        self.close(Close.UNAUTHENTICATED, reason)

    def dismiss(self, reason: str) -> None:
        self.close(Close.GOING_AWAY, reason)

    # The calls' side

    @property
    def address(self) -> str:
        return self.socket.peer

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
        self.outbox.mode = Mode.LIVE

    def sign_out(self) -> None:
        self._close_after_answer = True

    def answered(self, answer: bytes) -> None:
        """A call is over, and this is its answer."""
        self.outbox.answer(answer)
        if self._close_after_answer:
            self.close(Close.UNAUTHENTICATED, "signed out")
        if self._answers_first and not self._running.calls:
            self._close_socket()

    # The socket's side

    @property
    def wants_more(self) -> bool:
        """Whether it takes another message now: neither in the middle of its hello nor with
        more answers waiting than a client should leave unread."""
        return self._greeting is None and self.outbox.size <= self._node.limits.outbox_max

    def received(self, data: bytes) -> None:
        """Takes a message. Never raises for what is in it."""
        if self._close is not None:
            return
        node = self._node
        self._heard = now = node.time()
        self._heard_ms = now_ms = node.clock.now_ms()
        metrics = node.metrics
        metrics.messages_in += 1
        metrics.bytes_in += len(data)
        try:
            if self._expires_ms and now_ms >= self._expires_ms:
                raise ProtocolError(Close.UNAUTHENTICATED, "the session has expired")
            frames = decode_client(data)
            if self._frames.take(len(frames), now):
                raise ProtocolError(Close.FLOODING, "too many frames")
            self._take(frames)
        except ProtocolError as error:
            self.close(error.close, str(error))

    def heard(self) -> None:
        """A ping or a pong of the websocket itself."""
        self._heard = self._node.time()
        if self._frames.take(1, self._heard):
            self.close(Close.FLOODING, "too many frames")

    def take(self) -> list[bytes]:
        """What is to be written now: the parts of one message; empty when nothing waits."""
        if self.outbox.updates:
            self.checkpoint_if_due()
        return self.outbox.take()

    def sent(self) -> None:
        """The socket has written what it took. It need not say so unless it was stuck, or the
        outbox is watched."""
        outbox = self.outbox
        self._stuck_since = math.inf
        outbox.sent()
        if outbox.mode is Mode.LAGGING and not outbox.size:
            self._node.metrics.lags += 1
            self._start_catch_up(outbox.missed_from)

    def stuck(self) -> None:
        """The socket is full, and what was taken is not all written."""
        if self._stuck_since == math.inf:
            self._stuck_since = now = trio.current_time()
            self._node.wheel.add(self, now + self._node.limits.send_timeout)

    def lost(self, code: int, reason: str) -> None:
        """The connection has ended, by whichever side. Only the first call counts."""
        if self.gone:
            return
        self.gone = True
        if self._close is None:
            self._close = (code, reason)
            self._node.metrics.closed(code)
        self.outbox.close()
        self._running.cancel_all()
        node = self._node
        node.dirty.discard(self)
        node.hub.watch_post(self, self._open_post, 0)
        node.hub.detach(self)
        node.presence.changed(self.user_id)

    # Its end

    def close(self, code: int, reason: str) -> None:
        """Ends the connection after what is queued has been written. Does not wait."""
        if self._close is not None:
            return
        self._close = (int(code), reason)
        self._node.metrics.closed(code)
        self._node.hub.detach(self)
        self._close_within(self._node.limits.close_timeout)
        if not (self._answers_first and self._running.calls):
            self._close_socket()

    def _close_within(self, seconds: float) -> None:
        self._close_by = trio.current_time() + seconds
        self._node.wheel.add(self, self._close_by)

    def _close_socket(self) -> None:
        if self._closing or self.gone or self._close is None:
            return
        self._closing = True
        self.outbox.close()
        self.socket.close(*self._close)

    def abort(self) -> None:
        """Ends the connection at once, whatever has not been written."""
        self.socket.abort()

    def due(self, now: float) -> float:
        """Acts on the time limits that have passed (see `realtime.gateway.wheel.Timed`)."""
        limits = self._node.limits
        if self.gone:
            return math.inf
        if self._close is not None:
            if now < self._close_by:
                return self._close_by
            if self._closing:
                self.socket.abort()
                return math.inf
            self._close_within(limits.close_timeout)  # it has waited for its answers in vain
            self._close_socket()
            return self._close_by
        if now >= self._stuck_since + limits.send_timeout:
            self.close(Close.SLOW, "the socket does not drain")
            self.socket.abort()
            return math.inf
        if self._greeting is not None:
            return now + limits.hello_timeout  # the server is slow, not the client
        silent_by = self._heard + (limits.idle_timeout if self._greeted else limits.hello_timeout)
        if now < silent_by or self.outbox.size > limits.outbox_max:  # that is not silence
            return min(max(silent_by, now), self._stuck_since + limits.send_timeout)
        if self._greeted:
            self.close(Close.SLOW, "silent for too long")
        else:
            self.close(Close.HELLO_TIMEOUT, "no hello")
        return self._close_by

    def go_away(self, reason: str, reconnect_after_ms: int) -> None:
        """Asks the client to move on; calls in flight finish, new ones are refused."""
        self.draining = True
        frame = GoAway(reason=reason, reconnect_after_ms=reconnect_after_ms)
        self.outbox.answer(encode_server(ServerFrame(go_away=frame)))

    @property
    def idle(self) -> bool:
        """No call in flight and nothing waits to be written."""
        return not self._running.calls and not self.outbox.size and self._stuck_since == math.inf

    # Frames in

    def _take(self, frames: list[Incoming]) -> None:
        if self._greeting is not None:
            self._greeting += frames
            return
        for number, (kind, frame) in enumerate(frames):
            if self._close is not None:
                return
            if self._greeted:
                if kind == "call":
                    self._running.call(frame.call, self._heard, self._heard_ms)
                else:
                    self._handle(kind, frame)
                continue
            rest = self._hello(kind, frame)
            if rest is not None:
                rest += frames[number + 1 :]
                return

    def _handle(self, kind: str, frame: ClientFrame) -> None:
        if kind == "ping":
            pong = Pong(nonce=frame.ping.nonce, server_time_ms=self._node.clock.now_ms())
            self.outbox.answer(encode_server(ServerFrame(pong=pong)))
            self.checkpoint()
        elif kind == "cancel":
            self._running.cancel_call(frame.cancel.id)
        elif kind == "focus":
            self._focus(frame.focus)
        elif kind == "refresh":
            self._fresh_token = frame.refresh.token
            if not self._refreshing:
                self._refreshing = True
                self._running.start(self._refresh)
        elif kind != "ack":  # what a device has stored is its own affair so far
            raise ProtocolError(Close.BAD_FRAME, "a second hello")

    def _hello(self, kind: str, frame: ClientFrame) -> list[Incoming] | None:
        """Returns where to put the frames that follow, when it will take a while."""
        if kind != "hello":
            raise ProtocolError(Close.BAD_FRAME, "the first frame must be a hello")
        hello: Hello = frame.hello
        node = self._node
        wait = node.hellos.take("hello", 1, trio.current_time())
        if wait:
            self.go_away("busy", int(wait * 1000) + 500)
            raise ProtocolError(Close.OVERLOADED, "too many are arriving")
        if len(hello.device_id) > 16 or len(hello.device) > 100 or len(hello.client) > 100:
            raise ProtocolError(Close.BAD_FRAME, "a hello with oversized fields")
        self.device_id = hello.device_id
        self.device = hello.device
        self.client = hello.client or "unknown"
        self.foreground = not hello.background
        if hello.token:
            self._greeting = []
            self._running.start(self._authenticate, hello.token, hello.cursor)
            return self._greeting
        self._welcome(hello.cursor)
        return None

    async def _authenticate(self, token: str, cursor: bytes) -> None:
        try:
            known = await self._node.authenticate(token)
            self.user_id, self.session_id = known.user_id, known.id
            await self._attach()
            await self._node.catch_up.meet(cursor)
        except CallError as error:
            self.close(Close.UNAUTHENTICATED, error.message)
        except StoreError as error:
            log.warning("session ended by the store", error=str(error))
            self.close(Close.OVERLOADED, "the store is not available")
        if self._close is not None:
            return
        self._welcome(cursor)
        frames, self._greeting = self._greeting or [], None
        try:
            self._take(frames)
        except ProtocolError as error:
            self.close(error.close, str(error))
        self.socket.resume()

    def _welcome(self, cursor: bytes) -> None:
        """Not an await in here: what the cursor says and what is delivered must agree."""
        node = self._node
        self._greeted = True
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
        self.outbox.answer(encode_server(ServerFrame(welcome=welcome)))
        if not self.user_id:
            return
        if not cursor:
            self.outbox.mode = Mode.LIVE
            return
        start = node.catch_up.start(cursor)
        if isinstance(start, Resync):
            start.cursor = node.delivery.cursor()
            self.outbox.answer(encode_server(ServerFrame(resync=start)))
            self.outbox.mode = Mode.LIVE
            node.metrics.resyncs += 1
            return
        self._start_catch_up(start.position)

    async def _attach(self) -> None:
        """Registers for the user's updates. Raises `CallError` when the session has ended."""
        self._refuse_if_over()
        node = self._node
        # A revocation may have been delivered before the hub knew this session; one that comes
        # after this look finds it there.
        known_at, found = await node.hub.attach(self, sessions_by_id, (self.session_id,))
        self._expires_ms = still_living(found.get(self.session_id), node.clock.now_ms()).expires_ms
        await node.delivery.wait_for(known_at)
        self._refuse_if_over()
        node.presence.changed(self.user_id)

    def _refuse_if_over(self) -> None:
        """A connection that has ended meanwhile must not stay with the hub."""
        if self.gone or self._close is not None:
            self._node.hub.detach(self)
            raise CallError(Code.UNAVAILABLE, "the connection is closing")

    def _focus(self, focus: Focus) -> None:
        self.foreground = not focus.background
        if focus.open_post != self._open_post:
            self._node.hub.watch_post(self, self._open_post, focus.open_post)
            self._open_post = focus.open_post
        self._node.presence.changed(self.user_id)

    async def _refresh(self) -> None:
        """Looks at one token at a time, and of those that came meanwhile at the last."""
        try:
            while self._fresh_token is not None:
                token, self._fresh_token = self._fresh_token, None
                known = await self._node.authenticate(token)
                if known.user_id != self.user_id:
                    self.close(Close.UNAUTHENTICATED, "the new token is another user's")
                    return
                self.session_id = known.id
                # As at the attaching: it may have been revoked since.
                self._expires_ms = (await self._node.living(known.id)).expires_ms
        except CallError:
            self.close(Close.UNAUTHENTICATED, "the new token is not valid")
        except StoreError:
            self.close(Close.OVERLOADED, "the store is not available")
        finally:
            self._refreshing = False

    # Updates out

    def checkpoint(self) -> None:
        """Moves the client's cursor up to what it has been sent. The same bytes go to every
        session; while one catches up, its slices carry their own."""
        if self.outbox.mode is Mode.LIVE:
            self.outbox.updates = 0
            self._checkpoint_at = trio.current_time()
            self.outbox.answer(self._node.delivery.checkpoint())

    def checkpoint_if_due(self) -> None:
        """Adds a checkpoint to the updates that are about to be written, now and then."""
        now = self._node.time()
        if now - self._checkpoint_at >= self._node.limits.checkpoint_interval:
            self.checkpoint()
        else:
            self._node.dirty.add(self)

    def _start_catch_up(self, position: int) -> None:
        if not self._catching_up and self._close is None:
            self._catching_up = True
            self._running.start(self._catch_up, position)

    async def _catch_up(self, position: int) -> None:
        try:
            if not await self._node.catch_up.run(self.user_id, self.outbox, position):
                self._node.metrics.resyncs += 1
        except StoreError as error:
            log.warning("catch-up failed", error=str(error))
            self.close(Close.OVERLOADED, "the store is not available")
        finally:
            self._catching_up = False
