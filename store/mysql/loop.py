"""An event loop of asyncio in a thread of its own, for a driver that knows no Trio.

A whole transaction is one hand-over, however many statements it has: its query runs in this
thread. The alternative, trio-asyncio, runs the driver on Trio's own loop. Measured on 2 cores
with asyncmy 0.2.18 and MariaDB 10.11 on the same machine, a transaction of six round trips:

    Trio's loop is     this thread             trio-asyncio
    idle               p50 0.24 ms, 3,460/s    p50 0.50 ms, 1,900/s
    busy for half      p50 0.32 ms, 1,560/s    p50 0.51 ms, 1,070/s
    busy for 9/10      p50 2.1 ms,    450/s    p50 6.0 ms,    180/s

at 160 µs of CPU against 400 µs. So a writer that holds the lock on the head of the log does
not wait for the fan-out at each of its statements.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

import outcome
import trio

from store.errors import Unavailable

T = TypeVar("T")


class Turn(Generic[T]):
    """One call, as its work in the thread sees it."""

    def __init__(self, tell: Callable[[outcome.Outcome[T]], None]) -> None:
        self._begun = threading.Lock()  # taken once: to begin, or to withdraw
        self._tell = tell
        self._told = False

    def begin(self) -> None:
        """To be called before anything that leaves a trace: ends the work here when its caller
        has gone."""
        if not self._begun.acquire(blocking=False):
            raise asyncio.CancelledError

    def withdraw(self) -> bool:
        """Whether it was not begun, and so never will be."""
        return self._begun.acquire(blocking=False)

    def answer(self, result: outcome.Outcome[T]) -> None:
        """Tells the caller, before what is left to tidy up. Only the first one counts."""
        if not self._told:
            self._told = True
            self._tell(result)


class LoopThread:
    """Runs work for callers under Trio."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        # Bounded by the callers: each is a task that waits, or has left its work to be ended.
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    async def run(
        self, work: Callable[[Turn[T]], Coroutine[Any, Any, T]], *, finish: bool = True
    ) -> T:
        """The result of `work`. Cancelled before it has begun, it is withdrawn. Later it is
        waited for with `finish`; without, it is cancelled too, and ends on its own."""
        if self._closing:
            raise Unavailable("the store is closed")
        await trio.lowlevel.checkpoint_if_cancelled()
        token = trio.lowlevel.current_trio_token()
        waiter = trio.lowlevel.current_task()
        waits = True  # read and changed on Trio's side alone
        task: asyncio.Task[None] | None = None  # on the other

        def told(result: outcome.Outcome[T]) -> None:
            nonlocal waits
            if waits:
                waits = False
                trio.lowlevel.reschedule(waiter, result)

        def tell(result: outcome.Outcome[T]) -> None:
            try:
                token.run_sync_soon(told, result)
            except trio.RunFinishedError:  # pragma: no cover - the loop died under us
                pass

        turn = Turn(tell)

        async def perform() -> None:
            turn.answer(await outcome.acapture(work, turn))

        def start() -> None:
            nonlocal task
            task = self._loop.create_task(perform())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        def stop() -> None:
            if task is not None:
                task.cancel()

        def abort(_: Any) -> trio.lowlevel.Abort:
            nonlocal waits
            if not turn.withdraw() and finish:
                return trio.lowlevel.Abort.FAILED
            waits = False
            self._loop.call_soon_threadsafe(stop)
            return trio.lowlevel.Abort.SUCCEEDED

        self._loop.call_soon_threadsafe(start)
        value: T = await trio.lowlevel.wait_task_rescheduled(abort)
        return value

    async def aclose(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Finishes what was taken on, does `last`, and ends the thread."""
        if self._closing:
            return
        self._closing = True

        async def finish() -> None:
            while self._tasks:
                await asyncio.wait(self._tasks)
            await last()

        done = asyncio.run_coroutine_threadsafe(finish(), self._loop)

        def end() -> None:
            try:
                done.result()
            finally:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()

        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(end)
