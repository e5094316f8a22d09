"""Tasks that are kept parked, and the deadlines of what they run.

A task, a nursery or a cancel scope a message would cost more than most handlers do. So a
finished task waits for the next job, and one timer watches the deadlines of all.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any

import structlog
import trio

log = structlog.get_logger("gateway")

SPARE = 512  # parked tasks kept; those past it end


class Cut(Enum):
    """Why a job was cancelled."""

    NOT = auto()
    DEADLINE = auto()
    ASKED = auto()


class Worker:
    """A task and its present job. Whoever started the job may cancel it, up to its end."""

    __slots__ = ("_args", "_job", "_scope", "_spent", "_task", "cut", "deadline")

    def __init__(self) -> None:
        self._job: Callable[..., Awaitable[None]] | None = None
        self._args: tuple[Any, ...] = ()
        self._scope: trio.CancelScope | None = None
        self._spent = False  # the scope is cancelled: the task needs another
        self._task: trio.lowlevel.Task | None = None
        self.cut = Cut.NOT
        self.deadline = math.inf

    def _abandon(self, _: Any) -> trio.lowlevel.Abort:
        # Nobody cancels a parked worker: the whole pool is coming down.
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def cancel(self, why: Cut = Cut.ASKED) -> None:
        """Cancels the present job; its first reason stays."""
        if self.cut is Cut.NOT:
            self.cut = why
            self._spent = True
            if self._scope is not None:
                self._scope.cancel()


class Workers:
    """Runs jobs concurrently, each to its end, its cancellation or its deadline. A job that
    raises is told to `on_crash` and harms no other."""

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None
        self._spare: list[Worker] = []
        self._busy: set[Worker] = set()
        self._look_at = math.inf
        self._earlier = trio.Event()

    @property
    def busy(self) -> int:
        return len(self._busy)

    def start(
        self,
        job: Callable[..., Awaitable[None]],
        *args: Any,
        deadline: float = math.inf,
    ) -> Worker:
        """Starts `job(worker, *args)` soon. It is cancelled at `deadline` (Trio's clock)."""
        if self._nursery is None:
            raise RuntimeError("the workers are not running")
        worker = self._spare.pop() if self._spare else Worker()
        worker._job, worker._args = job, args
        worker.cut, worker.deadline = Cut.NOT, deadline
        self._busy.add(worker)
        if deadline < self._look_at:
            self._look_at = deadline
            self._earlier.set()
        task = worker._task
        if task is None:
            self._nursery.start_soon(self._work, worker)
        else:
            worker._task = None
            trio.lowlevel.reschedule(task)
        return worker

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Holds the tasks until cancelled; jobs may be given once it has started."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                await self._watch_deadlines()
            finally:
                self._nursery = None

    async def _work(self, worker: Worker) -> None:
        while True:
            with trio.CancelScope() as worker._scope:
                if worker._spent:  # cancelled before there was a scope
                    worker._scope.cancel()
                while True:
                    job = worker._job
                    if job is None:
                        if len(self._spare) >= SPARE:
                            return
                        self._spare.append(worker)
                        worker._task = trio.lowlevel.current_task()
                        await trio.lowlevel.wait_task_rescheduled(worker._abandon)
                        job = worker._job
                        assert job is not None
                    try:
                        await job(worker, *worker._args)
                    except Exception as error:
                        name = getattr(job, "__qualname__", "")
                        log.error("job crashed", job=name, exc_info=error)
                    finally:
                        worker._job, worker._args, worker.cut = None, (), Cut.NOT
                        self._busy.discard(worker)
                    if worker._spent:
                        break
            worker._spent = False

    async def _watch_deadlines(self) -> None:
        while True:
            # The earliest deadline known now: most jobs end long before theirs, so looking
            # again only then costs next to nothing, however many come and go.
            self._look_at = min((one.deadline for one in self._busy), default=math.inf)
            self._earlier = trio.Event()
            with trio.move_on_at(self._look_at):
                await self._earlier.wait()
            now = trio.current_time()
            for worker in list(self._busy):
                if worker.deadline <= now:
                    worker.cancel(Cut.DEADLINE)
