"""Where SQLite's blocking calls run."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import outcome
import trio

from store.errors import Unavailable

T = TypeVar("T")


class Runner(Protocol):
    """Hands connections to functions, which begin in the order asked for."""

    async def run(self, fn: Callable[[sqlite3.Connection], T]) -> T: ...

    async def aclose(self) -> None:
        """Runs what was asked for, and closes the connections."""
        ...


class InlineRunner:
    """Runs on the caller's thread. For tests with a virtual clock, which must not move while
    a statement runs: to that clock a thread's work looks like idling."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._closed = False

    async def run(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise Unavailable("the store is closed")
        return fn(self._connection)

    async def aclose(self) -> None:
        self._closed = True
        self._connection.close()


class ThreadRunner:
    """A thread for each of the connections: half the cost of a hand-over to a pool. A busy
    thread finds its next job without having slept.

    A started function is not cancelled: `run` waits for it, so that a commit's answer is
    never lost on the way to its batcher. Cancelled before, it does not run.
    """

    def __init__(self, name: str, connections: Sequence[sqlite3.Connection]) -> None:
        # Unbounded, but each waiting item is a task that waits: callers bound those.
        self._jobs: queue.SimpleQueue[Callable[[sqlite3.Connection], None] | None] = (
            queue.SimpleQueue()
        )
        self._results: deque[tuple[trio.lowlevel.Task, outcome.Outcome[Any]]] = deque()
        self._announced = False
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(one,), name=f"{name}-{number}", daemon=True)
            for number, one in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self, connection: sqlite3.Connection) -> None:
        while (job := self._jobs.get()) is not None:
            job(connection)
        connection.close()

    async def run(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise Unavailable("the store is closed")
        token = trio.lowlevel.current_trio_token()
        task = trio.lowlevel.current_task()

        begun = threading.Lock()  # taken once: by the thread to run, or by the caller to withdraw

        def job(connection: sqlite3.Connection) -> None:
            if not begun.acquire(blocking=False):
                return
            self._results.append((task, outcome.capture(fn, connection)))
            if not self._announced:  # else the loop is on its way, and will find this too
                self._announced = True
                try:
                    token.run_sync_soon(self._hand_over)
                except trio.RunFinishedError:  # pragma: no cover - the loop died under us
                    pass

        def abort(_: Any) -> trio.lowlevel.Abort:
            withdrawn = begun.acquire(blocking=False)
            return trio.lowlevel.Abort.SUCCEEDED if withdrawn else trio.lowlevel.Abort.FAILED

        await trio.lowlevel.checkpoint_if_cancelled()
        self._jobs.put(job)
        value: T = await trio.lowlevel.wait_task_rescheduled(abort)
        return value

    def post(self, fn: Callable[[sqlite3.Connection], None]) -> None:
        """Runs a function, which must not raise, after what was asked for before. From any
        thread; after `aclose` it does nothing."""
        self._jobs.put(fn)

    def _hand_over(self) -> None:
        """Wakes the tasks whose results are there. In the loop's thread: waking it costs a
        system call, which results that come together share."""
        self._announced = False  # first: what comes from now on is announced again
        while self._results:
            task, result = self._results.popleft()
            trio.lowlevel.reschedule(task, result)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._jobs.put(None)
            with trio.CancelScope(shield=True):
                for thread in self._threads:
                    await trio.to_thread.run_sync(thread.join)
