"""The client: one open connection at a time, made again for as long as it is wanted."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
from google.protobuf.message import DecodeError, Message

from rpc.client import events
from rpc.client.backoff import Backoff
from rpc.client.connection import (
    ABNORMAL,
    Connection,
    Ended,
    Outgoing,
    Refused,
    Stopped,
    Unanswered,
)
from rpc.client.events import Event
from rpc.client.feed import Feed
from rpc.client.keys import new_key
from rpc.client.options import LOST, ClientOptions, ClientStatistics, Dial, DialError
from rpc.client.queue import EXPIRES_IN, OfflineQueue, Ticket
from rpc.client.state import MemoryState, StateStore
from rpc.errors import CallError, Close, Code, Committed
from rpc.proto import auth_pb2, frames_pb2, models_pb2
from rpc.registry import methods

A = TypeVar("A", bound=Message)

MAX_CALL_SECONDS = 300.0
INTERNAL_TRIES = 3  # of a call that a server's bug may have failed
RETRY_FIRST, RETRY_MOST = 0.1, 2.0  # seconds before the next try, beyond what the server named
CLOSE_SECONDS = 2.0


class Client:
    """Made by `open_client`. Calls may be made from any task; events go to one."""

    def __init__(
        self, dial: Dial, token: str, state: StateStore | None, options: ClientOptions
    ) -> None:
        self.token = token
        self.user_id = 0  # 0 before sign-in
        self.session_id = 0
        self.options = options
        self._dial = dial
        self._device_id = b""
        self._connection: Connection | None = None
        self._stopped: Stopped | None = None
        self._signed_out = False
        self._problem = ""  # with the last connection
        self._closing = False
        self._finished = trio.Event()
        self._changed = trio.lowlevel.ParkingLot()  # the connection, the user or `stopped`
        self._poked = trio.Event()
        self._not_before = -math.inf  # what the last GoAway asked for
        self._backoff = Backoff(options.backoff_first, options.backoff_most, options.random)
        self._focus = frames_pb2.Focus(background=options.background)
        self._methods = methods(options.services)
        self._calls_waiting = 0
        self._connects = 0
        self._retries = 0
        state = state or MemoryState()
        self._feed = Feed(
            state,
            size=options.events,
            version=options.version,
            calls_wait=lambda: self._calls_waiting > 0,
            resume=self._resume,
            stored=self._ack,
        )
        self.queue = OfflineQueue(
            state, self._methods, self, self._send_queued, options.now_ms, options.random
        )
        self.events = EventStream(self, self._feed)

    @property
    def connected(self) -> bool:
        return self._usable() is not None

    @property
    def cursor(self) -> bytes:
        """The stored one."""
        return self._feed.cursor

    @property
    def stopped(self) -> Stopped | None:
        return self._stopped

    @property
    def welcome(self) -> frames_pb2.Welcome | None:
        """Of the present connection."""
        return self._connection.welcome if self._connection else None

    def statistics(self) -> ClientStatistics:
        return ClientStatistics(self._connects, self._retries, self._feed.statistics)

    # Calls.

    async def call(
        self,
        method: str,
        request: Message,
        answer: type[A],
        *,
        timeout: float | None = None,
        op_key: bytes | None = None,
    ) -> A:
        """The answer. Waits for a connection and survives its loss: the call is sent again with
        the same op_key until it is answered or `timeout` seconds are over. Errors that the
        table calls retryable are tried again in that time.

        Raises `CallError`: the server's own, `UNAVAILABLE` when the call was never sent,
        `DEADLINE_EXCEEDED` with `committed` UNKNOWN when it was and no answer came; or
        `Stopped`.
        """
        known = self._methods.get(method)
        if op_key is None:
            # Of a method that we do not know, assume that it changes something.
            mutating = known is None or known.policy.mutating
            op_key = new_key() if mutating else b""
        seconds = timeout if timeout is not None else self.options.call_timeout
        outgoing = Outgoing(
            method, request.SerializeToString(), op_key, lambda data: self._decode(answer, data)
        )
        result: A = await self._send(outgoing, min(seconds, MAX_CALL_SECONDS))
        return result

    async def enqueue(
        self,
        method: str,
        request: Message,
        answer: type[A],
        *,
        lane: str = "",
        collapse_key: str = "",
        expires_in: float = EXPIRES_IN,
    ) -> Ticket[A]:
        """Stores a mutating call, to be sent as soon as it can be, in this run or a later one.
        Calls of one `lane` go strictly in order. While it has not been sent, a newer call of
        the lane with the same `collapse_key` replaces it. Raises `QueueFull`, `Stopped`."""
        if self._stopped is not None:
            raise self._stopped.again()
        return await self.queue.enqueue(
            method, request, answer, lane=lane, collapse_key=collapse_key, expires_in=expires_in
        )

    async def _send(self, call: Outgoing, seconds: float) -> Any:
        deadline = trio.current_time() + seconds
        failure: CallError | None = None
        crashes = 0
        backoff = Backoff(RETRY_FIRST, RETRY_MOST, self.options.random)
        self._calls_waiting += 1
        self._feed.recheck()
        try:
            with trio.move_on_at(deadline):
                while True:
                    connection = await self._wait_usable()
                    try:
                        return await connection.call(call, deadline - trio.current_time())
                    except Unanswered:
                        self._retries += call.sent
                        continue
                    except CallError as error:
                        crashes += error.code == Code.INTERNAL
                        pause = error.retry_after_ms / 1000 + backoff.next()
                        if (
                            not error.retryable
                            or error.code == Code.DEADLINE_EXCEEDED  # it has had all our time
                            or crashes >= INTERNAL_TRIES
                            or pause >= deadline - trio.current_time()
                        ):
                            raise
                        failure = error
                    self._retries += 1
                    await trio.sleep(pause)
        finally:
            self._calls_waiting -= 1
        if not call.sent:
            why = f": {self._problem}" if self._problem else ""
            raise CallError(Code.UNAVAILABLE, f"not connected{why}") from failure
        raise CallError(
            Code.DEADLINE_EXCEEDED,
            f"no answer within {seconds:g} seconds",
            committed=Committed.COMMITTED_UNKNOWN,
        ) from failure

    async def _send_queued(self, ticket: Ticket[Message], seconds: float) -> Message:
        queued = ticket.queued
        answer = self._methods[queued.method].answer
        outgoing = Outgoing(
            queued.method, queued.payload, queued.op_key, lambda data: self._decode(answer, data)
        )
        result: Message = await self._send(outgoing, seconds)
        return result

    def _decode(self, answer: type[A], data: bytes) -> A:
        """Runs in the reader: what it changes holds for the very next frame."""
        try:
            message = answer.FromString(data)
        except DecodeError as error:
            raise CallError(Code.INTERNAL, "the answer cannot be read") from error
        if isinstance(message, auth_pb2.SignedIn) and message.token:
            self.token = message.token
            self.user_id = message.user.id
            self.session_id = message.session_id
            self._feed.signed_in(message)
            self._changed.unpark_all()
        elif isinstance(message, auth_pb2.RefreshTokenResponse):
            self.token = message.token
            if self._connection is not None:
                self._connection.refresh(message.token)
            self._feed.tell(events.TokenChanged(message.token, message.expires_ms))
        elif isinstance(message, auth_pb2.SignOutResponse):
            self._signed_out = True
            self._resume("signed out")
        return message

    # The connection.

    async def wait_connected(self) -> None:
        """Waits, without a deadline of its own, for a connection. Raises `Stopped`."""
        await self._wait_usable()

    def is_connected_as(self, user_id: int) -> bool:
        signed_in = self.user_id != 0 and user_id in (0, self.user_id)
        return signed_in and self._usable() is not None

    async def wait_connected_as(self, user_id: int) -> None:
        """Waits until calls of the user (0: of any) can be sent. Raises `Stopped`."""
        while not self.is_connected_as(user_id):
            if self._stopped is not None:
                raise self._stopped.again()
            await self._changed.park()

    async def wait_stopped(self) -> None:
        while self._stopped is None:
            await self._changed.park()

    def network_changed(self) -> None:
        """The device has another network: a connection that gives no sign of life soon is
        dropped, and one that is waited for is tried at once."""
        self._backoff.reset()
        self._poked.set()
        if self._connection is not None:
            self._connection.probe(self.options.probe_timeout)

    def focus(self, *, background: bool = False, open_room: int = 0, open_post: int = 0) -> None:
        """What the user looks at; said again after every reconnection."""
        self._focus = frames_pb2.Focus(
            background=background, open_room=open_room, open_post=open_post
        )
        if self._connection is not None:
            self._connection.focus(self._focus)

    async def refresh_token(self) -> str:
        """Exchanges the token for a fresh one, which also arrives as a `TokenChanged`."""
        await self.call(
            "Auth.RefreshToken", auth_pb2.RefreshTokenRequest(), auth_pb2.RefreshTokenResponse
        )
        return self.token

    def loaded(self, rooms: Iterable[models_pb2.RoomSummary]) -> None:
        """The app has loaded these since it adopted the cursor: their first updates are proven
        to follow without a gap."""
        for summary in rooms:
            self._feed.loaded(summary.room.id, summary.base_sequence)

    def _usable(self) -> Connection | None:
        connection = self._connection
        if connection is None or connection.ended is not None or connection.draining:
            return None
        return connection

    async def _wait_usable(self) -> Connection:
        while True:
            if self._stopped is not None:
                raise self._stopped.again()
            connection = self._usable()
            if connection is not None:
                return connection
            await self._changed.park()

    def _resume(self, reason: str) -> None:
        if self._connection is not None:
            self._connection.stop(reason)

    def _ack(self, cursor: bytes) -> None:
        if self._connection is not None:
            self._connection.ack(cursor)

    async def start(self) -> None:
        """Takes up what was kept."""
        self._device_id, user_id = await self._feed.load()
        if self.token:
            self.user_id = user_id
        await self.queue.load()

    async def run(self) -> None:
        """Connects again and again, until it may not."""
        while True:
            ended, lived = await self._connect()
            self._connection = None
            if self._closing:
                break
            if self._signed_out or ended.code == Close.UNAUTHENTICATED:
                self._feed.tell(events.SignedOut(ended.reason or "signed out"))
                self._stop(Code.UNAUTHENTICATED, ended)
                break
            if ended.code >= Close.BAD_FRAME:  # the first of those that forbid coming back
                self._feed.disconnected(
                    events.Disconnected(ended.reason, ended.code, retry_in=math.inf)
                )
                self._stop(Code.UNAVAILABLE, ended)
                break
            if lived >= self.options.stable_after:
                self._backoff.reset()
            now = trio.current_time()
            self._problem = ended.reason
            delay = max(self._backoff.next(), self._not_before - now)
            self._feed.disconnected(events.Disconnected(ended.reason, ended.code, delay))
            with trio.move_on_after(delay):
                await self._poked.wait()
            await trio.sleep_until(max(self._not_before, trio.current_time()))
        self._finished.set()

    async def _connect(self) -> tuple[Ended, float]:
        """One connection, from dialing to its end; and how many seconds it lived."""
        self._poked = trio.Event()
        ended = Ended(ABNORMAL, "the attempt took too long")
        welcomed = math.inf
        connection: Connection | None = None
        try:
            async with trio.open_nursery() as sockets:
                cursor = self._feed.cursor if self.token else b""
                hello = frames_pb2.Hello(
                    token=self.token,
                    device_id=self._device_id,
                    device=self.options.device,
                    client=self.options.version,
                    cursor=cursor,
                    background=self._focus.background,
                )
                try:
                    with trio.move_on_after(self.options.connect_timeout):
                        transport = await self._dial(sockets)
                        connection = await Connection.greet(transport, hello)
                except DialError as error:
                    ended = Ended(ABNORMAL, str(error))
                except Refused as error:
                    ended = error.ended
                    self._wait_at_least(error.reconnect_after)
                if connection is not None:
                    welcomed = trio.current_time()
                    if self._welcomed(connection, resumed=bool(cursor)):
                        ended = await connection.run(self._handler(connection, sockets))
                sockets.cancel_scope.cancel()
        except* LOST as lost:
            # A background task of the socket met the end first.
            ended = Ended(ABNORMAL, str(lost.exceptions[0]))
        if connection is not None and connection.ended is not None:
            ended = connection.ended  # where `abort` has cut the nursery short
        return ended, trio.current_time() - welcomed

    def _welcomed(self, connection: Connection, *, resumed: bool) -> bool:
        welcome = connection.welcome
        if resumed and self.user_id and welcome.user_id != self.user_id:
            # What was kept belongs to another user: begin anew.
            self._feed.cursor = b""
            self.user_id = welcome.user_id
            connection.ended = Ended(ABNORMAL, "another user's cursor")
            return False
        self._connects += 1
        self._connection = connection
        self.user_id = welcome.user_id
        self.session_id = welcome.session_id
        self._feed.welcome(welcome, resumed=resumed)
        if self._focus.open_room or self._focus.open_post:
            connection.focus(self._focus)
        self._changed.unpark_all()
        return True

    def _handler(
        self, connection: Connection, tasks: trio.Nursery
    ) -> Callable[[frames_pb2.ServerFrame], Awaitable[None]]:
        async def handle(frame: frames_pb2.ServerFrame) -> None:
            if frame.WhichOneof("frame") == "go_away":
                self._wait_at_least(frame.go_away.reconnect_after_ms / 1000)
                if not connection.draining:
                    connection.draining = True
                    tasks.start_soon(connection.finish, self.options.drain_timeout)
            else:
                await self._feed.frame(frame)

        return handle

    def _wait_at_least(self, seconds: float) -> None:
        self._not_before = trio.current_time() + seconds

    def _stop(self, code: Code, ended: Ended) -> None:
        self._stopped = Stopped(code, ended.reason or "signed out", ended.code)
        self._feed.end()
        self._changed.unpark_all()

    async def close(self) -> None:
        """Ends the connection with a closing handshake, as far as the time allows."""
        self._closing = True
        connection = self._usable()
        if connection is not None:
            connection.stop("closing")
            with trio.move_on_after(CLOSE_SECONDS):
                await self._finished.wait()


class EventStream:
    """`async for event in client.events`: for one task. Asking for the next event says that
    the one before is handled; only then may the cursor move past it. It ends after a sign-out
    and raises `Stopped` when the server will not have this client back."""

    def __init__(self, client: Client, feed: Feed) -> None:
        self._client = client
        self._feed = feed

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    def __len__(self) -> int:
        """How many wait."""
        return self._feed.waiting

    async def __anext__(self) -> Event:
        event = await self._feed.next()
        if event is not None:
            return event
        stopped = self._client.stopped
        assert stopped is not None
        if stopped.code == Code.UNAUTHENTICATED:
            raise StopAsyncIteration
        raise stopped


@asynccontextmanager
async def open_client(
    dial: Dial,
    *,
    token: str = "",
    state: StateStore | None = None,
    options: ClientOptions | None = None,
) -> AsyncIterator[Client]:
    """A client that connects in the background and stays connected until the block ends. It
    opens without waiting for the network: calls wait for it, within their time.

    Without a token the session is open (it may call only what is open to anyone) until a call
    of `Auth` signs it in. `state` keeps the cursor and the offline queue; by default in memory.
    """
    client = Client(dial, token, state, options or ClientOptions())
    await client.start()
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.queue.run)
        nursery.start_soon(client.run)
        try:
            yield client
        except Exception as error:  # raised below, outside the nursery, as itself
            failure = error
        await client.close()
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
