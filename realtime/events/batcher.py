"""Group commit: what queued while the last commit was under way goes into the next one.

An idle server commits at once, a busy one commits thousands of changes a transaction; no
delay is added.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, Generic, TypeVar

import structlog
import trio

from rpc.context import Clock
from rpc.proto import frames_pb2
from store.changes.base import Change
from store.errors import OutcomeUnknown, Overloaded, StoreError, Unavailable
from store.interface import Store
from store.log import Batch

R = TypeVar("R")

log = structlog.get_logger("batcher")

RETRIES = (0.02, 0.1, 0.5)  # seconds before a batch that met a passing fault is tried again


class State(Enum):
    WAITING = auto()
    COMMITTING = auto()
    MADE = auto()
    REFUSED = auto()
    WITHDRAWN = auto()
    LOST = auto()  # by the store, or by who was to commit it in another process: nobody knows


class Awaited(Generic[R]):
    """What becomes of something asked for; awaited by one task at most."""

    __slots__ = ("_error", "_result", "_told", "_waiter", "state")

    def __init__(self, told: Callable[[Any], None] | None = None) -> None:
        """`told` is called with it once when it is settled, for who does not wait in a task."""
        self.state = State.WAITING
        self._told = told
        self._result: Any = None
        self._error: Exception | None = None
        self._waiter: trio.lowlevel.Task | None = None

    @property
    def committed(self) -> frames_pb2.Committed:
        if self.state is State.MADE:
            return frames_pb2.COMMITTED_YES
        if self.state in (State.COMMITTING, State.LOST):
            return frames_pb2.COMMITTED_UNKNOWN
        return frames_pb2.COMMITTED_NO

    async def wait(self) -> R:
        if self.state in (State.WAITING, State.COMMITTING):
            if self._waiter is not None:
                raise RuntimeError("a change is awaited by one task")
            self._waiter = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        return self.outcome()

    def outcome(self) -> R:
        """What `wait` returns or raises, once it is settled."""
        if self._error is not None:
            raise self._error
        result: R = self._result
        return result

    def withdraw(self) -> None:
        """It is not done any more, if its turn has not come."""
        if self.state is State.WAITING:
            self.state = State.WITHDRAWN

    def _abort(self, _: Any) -> trio.lowlevel.Abort:
        self._waiter = None
        self.withdraw()
        return trio.lowlevel.Abort.SUCCEEDED

    def settle(self, outcome: Any) -> None:
        if isinstance(outcome, Exception):
            unknown = isinstance(outcome, OutcomeUnknown)
            self._settle(State.LOST if unknown else State.REFUSED, None, outcome)
        else:
            self._settle(State.MADE, outcome, None)

    def lose(self, error: Exception) -> None:
        """Nobody will tell what has become of it."""
        self._settle(State.LOST, None, error)

    def _settle(self, state: State, result: Any, error: Exception | None) -> None:
        self.state, self._result, self._error = state, result, error
        if self._waiter is not None:
            trio.lowlevel.reschedule(self._waiter)
            self._waiter = None
        if self._told is not None:
            self._told(self)


class PendingChange(Awaited[R]):
    """A change on its way (see `rpc.context.Pending` for what it promises)."""

    __slots__ = ("change",)

    def __init__(
        self, change: Change[R], told: Callable[[PendingChange[R]], None] | None = None
    ) -> None:
        super().__init__(told)
        self.change = change


class Batcher:
    """Commits changes in groups, in the order in which they were submitted.

    `on_commit` is called, without waiting, after each commit and before its callers hear of
    it. The queue holds at most `max_waiting` changes: past that `submit` raises `Overloaded`.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        on_commit: Callable[[Batch], None],
        *,
        max_waiting: int = 20_000,
        max_batch: int = 1_000,
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_commit = on_commit
        self._max_waiting = max_waiting
        self._max_batch = max_batch
        self._queue: deque[PendingChange[Any]] = deque()
        self._wake = trio.Event()
        self._closing = False
        self.batches = 0
        self.changes = 0

    def submit(
        self, change: Change[R], told: Callable[[PendingChange[R]], None] | None = None
    ) -> PendingChange[R]:
        """Queues a change. `told` is called once when it is settled, instead of a task that
        waits for it; not for one that was withdrawn."""
        if self._closing:
            raise Unavailable("the server is stopping")
        if len(self._queue) >= self._max_waiting:
            raise Overloaded("too many changes wait")
        pending = PendingChange(change, told)
        self._queue.append(pending)
        self._wake.set()
        return pending

    def waiting(self) -> int:
        """How many changes are queued."""
        return len(self._queue)

    def close(self) -> None:
        """No more changes: `run` ends when what is queued has been committed."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Commits until `close`. Cancelled, it finishes the batch under way, whose callers
        would otherwise not know, and refuses what still waits."""
        try:
            while True:
                if not self._queue:
                    if self._closing:
                        return
                    self._wake = trio.Event()
                    await self._wake.wait()
                    continue
                batch = self._take()
                if batch:
                    with trio.CancelScope(shield=True):
                        await self._commit(batch)
                await trio.lowlevel.checkpoint_if_cancelled()
        finally:
            self._closing = True
            while self._queue:
                pending = self._queue.popleft()
                if pending.state is State.WAITING:
                    pending.settle(Unavailable("the server is stopping"))

    def _take(self) -> list[PendingChange[Any]]:
        batch: list[PendingChange[Any]] = []
        while self._queue and len(batch) < self._max_batch:
            pending = self._queue.popleft()
            if pending.state is State.WAITING:  # not withdrawn
                pending.state = State.COMMITTING
                batch.append(pending)
        return batch

    async def _commit(self, batch: Sequence[PendingChange[Any]]) -> None:
        try:
            done = await self._try([pending.change for pending in batch])
        except Exception as error:
            if isinstance(error, StoreError) or len(batch) == 1:
                if not isinstance(error, StoreError):
                    log.error("change failed", kind=type(batch[0].change).__name__, exc_info=error)
                for pending in batch:
                    pending.settle(error)
                return
            # One of them fails on its data: halve until the offender stands alone.
            middle = len(batch) // 2
            await self._commit(batch[:middle])
            await self._commit(batch[middle:])
            return
        self.batches += 1
        self.changes += len(batch)
        self._on_commit(done)
        for pending, outcome in zip(batch, done.outcomes, strict=True):
            pending.settle(outcome)

    async def _try(self, changes: list[Change[Any]]) -> Batch:
        for delay in RETRIES:
            try:
                return await self._store.commit(changes, self._clock.now_ms())
            except OutcomeUnknown:
                raise  # again might be twice
            except Unavailable as error:
                log.warning("commit will be tried again", delay=delay, error=str(error))
                await trio.sleep(delay)
        return await self._store.commit(changes, self._clock.now_ms())
