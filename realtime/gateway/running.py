"""What a session runs on the node's workers: its calls, and whatever else of it has to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from realtime.gateway.node import Node
from realtime.gateway.outbox import Outbox
from realtime.gateway.workers import Cut, Worker
from rpc.context import Identity
from rpc.dispatch import PreparedCall
from rpc.errors import CallError, Close, Code
from rpc.proto.frames_pb2 import Call

log = structlog.get_logger("gateway")


class Owner(Identity, Protocol):
    """Whose calls and jobs run."""

    @property
    def draining(self) -> bool:
        """Whether it takes no more calls."""
        ...

    @property
    def outbox(self) -> Outbox: ...

    def answered(self, answer: bytes) -> None:
        """A call is over, and this is its answer."""
        ...

    def close(self, code: int, reason: str) -> None: ...


class Running:
    """The calls in flight of one session, each answered once whatever becomes of it, and its
    other jobs. All of them end with the session."""

    __slots__ = ("_calls", "_jobs", "_node", "_session")

    def __init__(self, node: Node, session: Owner) -> None:
        self._node = node
        self._session = session
        self._calls: dict[int, Worker] = {}
        self._jobs: set[Worker] | None = None

    @property
    def calls(self) -> int:
        """How many calls are in flight."""
        return len(self._calls)

    def call(self, call: Call, now: float, now_ms: int) -> None:
        """Begins a call, or refuses it. One that never waits is answered here and now. `now` is
        of Trio's clock, `now_ms` of the wall clock."""
        node, session = self._node, self._session
        try:
            if call.id in self._calls:
                raise CallError(Code.DUPLICATE_CALL_ID, "a call with this id is in flight")
            if len(self._calls) >= node.limits.max_calls:
                raise CallError(Code.TOO_MANY_CALLS, "too many calls in flight", retry_after_ms=50)
            if session.draining:
                raise CallError(Code.UNAVAILABLE, "this server is stopping", retry_after_ms=1000)
            prepared = node.dispatcher.prepare(session, call, now, now_ms)
        except CallError as error:
            session.outbox.answer(node.dispatcher.refuse(call.id, call.method, error))
            return
        if prepared.method.inline:
            session.outbox.answer(node.dispatcher.run_inline(prepared))
            return
        self._calls[call.id] = node.workers.start(
            self._run_call, prepared, deadline=prepared.deadline
        )

    async def _run_call(self, worker: Worker, prepared: PreparedCall) -> None:
        answer = b""
        try:
            answer = await self._node.dispatcher.run(prepared)
        finally:
            if not answer:  # cancelled, or worse: it has an answer even so
                expired = worker.cut is Cut.DEADLINE
                answer = self._node.dispatcher.cut_short(prepared, expired=expired)
            del self._calls[prepared.id]
            self._session.answered(answer)

    def cancel_call(self, call_id: int) -> None:
        worker = self._calls.get(call_id)
        if worker is not None:
            worker.cancel()

    def start(self, job: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Runs something of the session that has to wait. If it raises, the session ends."""
        if self._jobs is None:
            self._jobs = set()
        self._jobs.add(self._node.workers.start(self._run_job, job, args))

    async def _run_job(
        self, worker: Worker, job: Callable[..., Awaitable[None]], args: tuple[Any, ...]
    ) -> None:
        try:
            await job(*args)
        except Exception as error:
            log.error("connection crashed", peer=self._session.address, exc_info=error)
            self._session.close(Close.INTERNAL, "internal error")
        finally:
            assert self._jobs is not None
            self._jobs.discard(worker)
            if not self._jobs:
                self._jobs = None  # an idle session holds nothing

    def cancel_all(self) -> None:
        for worker in [*self._calls.values(), *(self._jobs or ())]:
            worker.cancel()
