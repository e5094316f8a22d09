"""The offline queue: mutating calls that outlive a lost connection and the process itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Generic, Protocol, TypeVar

import trio
from google.protobuf.message import Message

from rpc.client.backoff import Backoff
from rpc.client.connection import Stopped
from rpc.client.keys import new_key
from rpc.client.state import Queued, StateStore
from rpc.errors import CallError, Code
from rpc.registry import Method

A = TypeVar("A", bound=Message)
A_co = TypeVar("A_co", bound=Message, covariant=True)

EXPIRES_IN = 3 * 86_400.0  # seconds; the server keeps an op_key for 7 days
MAX_EXPIRES_IN = 6 * 86_400.0
MAX_QUEUED = 10_000
LANES_AT_ONCE = 16
TRY_SECONDS = 30.0
INTERNAL_TRIES = 5  # then a server's bug is reported instead of blocking the lane


class Superseded(Exception):
    """A newer call with the same collapse_key took this one's place before it was sent."""


class Expired(Exception):
    """The call could not be answered in time. `sent`: it may have been made all the same."""

    def __init__(self, sent: bool) -> None:
        super().__init__("sent, but never answered" if sent else "never sent")
        self.sent = sent


class QueueFull(Exception):
    """More calls wait than the queue holds."""


class Ticket(Generic[A_co]):
    """A queued call."""

    def __init__(self, queued: Queued, answer: type[Message]) -> None:
        self.queued = queued
        self.tried = False
        self.key = (queued.user_id, queued.lane)  # of the lane that it waits in
        self._answer = answer
        self._done = trio.Event()
        self._result: Message | Exception | None = None

    @property
    def done(self) -> bool:
        return self._done.is_set()

    async def wait(self) -> A_co:
        """The answer. Raises `CallError` when the server refused the call, `Superseded`, or
        `Expired`. Waits as long as the client cannot reach the server, within the expiry."""
        await self._done.wait()
        if isinstance(self._result, Exception):
            raise self._result
        return self._result  # type: ignore[return-value]

    def resolve(self, result: Message | Exception) -> None:
        self._result = result
        self._done.set()


class Line(Protocol):
    """The connection, as the queue sees it."""

    @property
    def user_id(self) -> int: ...

    def is_connected_as(self, user_id: int) -> bool: ...

    async def wait_connected_as(self, user_id: int) -> None:
        """Waits until calls of the user (0: of any) can be sent. Raises `CallError` when the
        client has stopped for good."""
        ...


class OfflineQueue:
    """Calls in one lane go strictly one after another, in the order of queueing; lanes go side
    by side. A call is sent with the same op_key until the server has answered it for good, so
    its change is made once. What a user queued is sent as that user only."""

    def __init__(
        self,
        state: StateStore,
        methods: dict[str, Method],
        line: Line,
        send: Callable[[Ticket[Message], float], Awaitable[Message]],
        now_ms: Callable[[], int],
        random: Random,
    ) -> None:
        """`send` makes one try of a ticket's call within so many seconds."""
        self._state = state
        self._methods = methods
        self._line = line
        self._send = send
        self._now_ms = now_ms
        self._random = random
        self._lanes: dict[tuple[int, str], deque[Ticket[Message]]] = {}
        self._waits: dict[tuple[int, str], trio.CancelScope] = {}  # of lanes without a line
        self._at_once = trio.CapacityLimiter(LANES_AT_ONCE)
        self._changing = trio.Lock()  # ids ascend within a lane
        self._started: list[tuple[int, str]] = []
        self._wake = trio.Event()
        self._count = 0

    async def load(self) -> None:
        """Takes up what the last run left."""
        for queued in await self._state.queued():
            method = self._methods.get(queued.method)
            if method is None:
                await self._state.dequeue(queued.id)  # of a version that knew other methods
            else:
                self._append(Ticket(queued, method.answer))

    def pending(self) -> list[Ticket[Message]]:
        """What waits, in the order of queueing."""
        tickets = [ticket for lane in self._lanes.values() for ticket in lane]
        return sorted(tickets, key=lambda ticket: ticket.queued.id)

    async def enqueue(
        self,
        method: str,
        request: Message,
        answer: type[A],
        *,
        lane: str,
        collapse_key: str,
        expires_in: float,
    ) -> Ticket[A]:
        """Stores the call, then returns: from here on it survives a crash."""
        known = self._methods.get(method)
        if known is None or not known.policy.mutating or known.answer is not answer:
            raise ValueError(f"{method} is no mutating method with the answer {answer.__name__}")
        if not 0 < expires_in <= MAX_EXPIRES_IN:
            raise ValueError(f"expires_in is not within 0 and {MAX_EXPIRES_IN} seconds")
        async with self._changing:
            if self._count >= MAX_QUEUED:
                raise QueueFull(f"{MAX_QUEUED} calls wait already")
            user_id = self._line.user_id
            key = self._key(user_id, lane)
            replaced = [
                ticket
                for ticket in self._lanes.get(key, ())
                if collapse_key and ticket.queued.collapse_key == collapse_key and not ticket.tried
            ]
            queued = await self._state.enqueue(
                Queued(
                    id=0,
                    user_id=user_id,
                    method=method,
                    payload=request.SerializeToString(),
                    op_key=new_key(),
                    lane=lane,
                    collapse_key=collapse_key,
                    expires_ms=self._now_ms() + int(expires_in * 1000),
                ),
                [ticket.queued.id for ticket in replaced],
            )
            for ticket in replaced:
                self._remove(ticket)
                ticket.resolve(Superseded())
            mine: Ticket[A] = Ticket(queued, answer)
            mine.key = key
            self._append(mine)
            return mine

    async def run(self) -> None:
        """Sends, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                started, self._started = self._started, []
                for key in started:
                    nursery.start_soon(self._run_lane, key)
                self._wake = trio.Event()
                await self._wake.wait()

    def _key(self, user_id: int, lane: str) -> tuple[int, str]:
        """A call joins those that were queued before it was known who the user is."""
        if (user_id, lane) not in self._lanes and (0, lane) in self._lanes:
            return (0, lane)
        return (user_id, lane)

    def _append(self, ticket: Ticket[Message]) -> None:
        key = ticket.key
        if key not in self._lanes:
            self._lanes[key] = deque()
            self._started.append(key)
            self._wake.set()
        self._lanes[key].append(ticket)
        self._count += 1
        waiting = self._waits.get(key)
        if waiting is not None:
            waiting.deadline = min(waiting.deadline, trio.current_time() + self._left(ticket))

    def _remove(self, ticket: Ticket[Message]) -> None:
        self._lanes[ticket.key].remove(ticket)
        self._count -= 1

    async def _run_lane(self, key: tuple[int, str]) -> None:
        lane = self._lanes[key]
        backoff = Backoff(1.0, 60.0, self._random)
        crashes = 0
        try:
            while True:
                await self._wait_for_turn(lane)
                async with self._changing:  # so that nobody replaces the call from here on
                    if not lane:
                        del self._lanes[key]
                        self._waits.pop(key, None)
                        return
                    ticket = lane[0]
                    if not self._line.is_connected_as(ticket.queued.user_id):
                        continue
                    ticket.tried = True
                result = await self._try(ticket)
                if isinstance(result, CallError) and result.retryable:
                    crashes += result.code == Code.INTERNAL
                    if crashes < INTERNAL_TRIES:
                        await trio.sleep(max(backoff.next(), result.retry_after_ms / 1000))
                        continue
                await self._finish(ticket, result)
                backoff.reset()
                crashes = 0
        except Stopped as error:
            # They stay in the store, for the next run.
            for ticket in lane:
                ticket.resolve(error)

    def _left(self, ticket: Ticket[Message]) -> float:
        """Seconds until it expires, not below 0."""
        return max(0.0, (ticket.queued.expires_ms - self._now_ms()) / 1000)

    async def _try(self, ticket: Ticket[Message]) -> Message | Exception:
        left = self._left(ticket)
        with trio.move_on_after(left):
            async with self._at_once:
                try:
                    return await self._send(ticket, min(left, TRY_SECONDS))
                except Stopped:
                    raise
                except CallError as error:
                    return error
        return Expired(sent=True)

    async def _wait_for_turn(self, lane: deque[Ticket[Message]]) -> None:
        """Waits for the line, and tells the calls that expire meanwhile."""
        while lane and not self._line.is_connected_as(lane[0].queued.user_id):
            soonest = min(self._left(ticket) for ticket in lane)
            with trio.move_on_after(soonest) as scope:
                self._waits[lane[0].key] = scope
                await self._line.wait_connected_as(lane[0].queued.user_id)
            for ticket in [one for one in lane if not self._left(one)]:
                await self._finish(ticket, Expired(sent=ticket.tried))

    async def _finish(self, ticket: Ticket[Message], result: Message | Exception) -> None:
        async with self._changing:
            if not ticket.done:
                await self._state.dequeue(ticket.queued.id)
                self._remove(ticket)
                ticket.resolve(result)
