"""Where SQLite's blocking calls run."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import outcome
import trio

from store.errors import Unavailable

T = TypeVar("T")


class Runner(Protocol):
    """Runs one function at a time, in the order asked for."""

    async def run(self, fn: Callable[[], T]) -> T: ...

    async def aclose(self) -> None: ...


class InlineRunner:
    """Runs on the caller's thread. For tests with a virtual clock, which must not move while
    a statement runs: to that clock a thread's work looks like idling."""

    def __init__(self) -> None:
        self._closed = False

    async def run(self, fn: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise Unavailable("the store is closed")
        return fn()

    async def aclose(self) -> None:
        self._closed = True


class ThreadRunner:
    """One dedicated thread: half the cost of a hand-over to a pool.

    A started function is not cancelled: `run` waits for it, so that a commit's answer is
    never lost on the way to its batcher. Cancelled before, it does not run.
    """

    def __init__(self, name: str) -> None:
        # Unbounded, but each waiting item is a task that waits: callers bound those.
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    async def run(self, fn: Callable[[], T]) -> T:
        if self._closed:
            raise Unavailable("the store is closed")
        token = trio.lowlevel.current_trio_token()
        task = trio.lowlevel.current_task()

        begun = threading.Lock()  # taken once: by the thread to run, or by the caller to withdraw

        def job() -> None:
            if not begun.acquire(blocking=False):
                return
            result = outcome.capture(fn)
            try:
                token.run_sync_soon(trio.lowlevel.reschedule, task, result)
            except trio.RunFinishedError:  # pragma: no cover - the loop died under us
                pass

        def abort(_: Any) -> trio.lowlevel.Abort:
            withdrawn = begun.acquire(blocking=False)
            return trio.lowlevel.Abort.SUCCEEDED if withdrawn else trio.lowlevel.Abort.FAILED

        await trio.lowlevel.checkpoint_if_cancelled()
        self._jobs.put(job)
        value: T = await trio.lowlevel.wait_task_rescheduled(abort)
        return value

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._thread.join)
