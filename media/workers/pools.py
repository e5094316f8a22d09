"""Worker processes for media: bounded, killable, and of no account when they die.

Each kind of work is a lane with processes, a queue and limits of its own, so that what is
quick never waits behind what is slow: an upload is checked while all encoders are busy. What
comes from the disk cache passes through no lane at all.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar

import structlog
import trio
import trio_parallel

from media.errors import Busy, MediaError, MediaRefused, WorkerDied
from media.metrics import MediaMetrics
from media.workers import confined
from media.workers.confined import WorkerLimits
from media.workers.slots import Priority, Slots

P = ParamSpec("P")
T = TypeVar("T")

IDLE_SECONDS = 300.0  # after which a process that nothing was asked of ends
WARM_AFTER = 1.0  # seconds from the start: a server that starts has enough to do

log = structlog.get_logger("media")


@dataclass(frozen=True)
class Lane:
    """One kind of work and what it may take."""

    name: str
    workers: int = 1  # processes at most; they start at need
    max_waiting: int = 64  # jobs of each priority; more are refused with `Busy`
    job_seconds: float = 20.0  # by the clock; then the process is killed
    limits: WorkerLimits = field(default_factory=WorkerLimits)


class Pool:
    """Runs the jobs of one lane in other processes.

    A job whose process was killed from outside is done again, as often as there are processes:
    who kills one of them, for want of memory, may kill them all, and the next to have the job
    may be dying already.

    A job that outlives its time, or whose process dies of it, raises `WorkerDied` and leaves no
    trace on others; the next job gets a fresh process. A cancelled job is killed.
    """

    def __init__(
        self, lane: Lane, context: trio_parallel.WorkerContext, metrics: MediaMetrics
    ) -> None:
        self.lane = lane
        self._context = context
        self._metrics = metrics
        self._slots = Slots(lane.workers, max_waiting=lane.max_waiting)
        self._inner = trio.CapacityLimiter(lane.workers)  # never waited for: the slots come first
        metrics.jobs_waiting.labels(lane.name).set_function(lambda: self._slots.waiting)
        metrics.jobs_running.labels(lane.name).set_function(lambda: self._slots.held)

    @asynccontextmanager
    async def slot(self, priority: Priority) -> AsyncIterator[Slot]:
        """A place at the workers. Take it before a job's bytes are in memory: those of at most
        `lane.workers` jobs are then. Raises `Busy`."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._slots.hold(priority))
            except Busy:
                self._metrics.jobs_refused.labels(self.lane.name).inc()
                raise
            yield Slot(self)

    async def keep_warm(self, job: Callable[[], object]) -> None:
        """Until it is cancelled, one process is there before it is needed, in which `job` has
        been done: to start one takes longer than most jobs."""
        await trio.sleep(WARM_AFTER)
        while True:
            with suppress(MediaError):  # it died, or there is more to do than that
                async with self.slot(Priority.UPLOAD) as slot:
                    await slot.run("warm", job)
            await trio.sleep(IDLE_SECONDS / 2)

    async def _run(self, name: str, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        job = partial(confined.job, fn, *args, **kwargs)
        with self._metrics.encodes.labels(name).time():
            with trio.move_on_after(self.lane.job_seconds):
                for left in range(self.lane.workers, -1, -1):
                    try:
                        return await self._once(job)
                    except _Died as error:
                        if not self._died(name, error) or not left:
                            raise WorkerDied("the media could not be decoded") from error
        self._metrics.worker_deaths.inc()
        log.warning("media worker killed", job=name, seconds=self.lane.job_seconds)
        raise WorkerDied("the media takes too long to decode")

    async def _once(self, job: Callable[[], T | confined.Raised]) -> T:
        try:
            done = await self._context.run_sync(job, kill_on_cancel=True, limiter=self._inner)
        except trio_parallel.BrokenWorkerError as error:
            raise _Died(error.args[-1].exitcode) from error
        except OSError as error:
            # Half of its answer came, so no decoder was at work any more: somebody killed it.
            raise _Died(-signal.SIGKILL) from error
        if isinstance(done, confined.Raised):
            raise done.error
        result: T = done
        return result

    def _died(self, name: str, error: _Died) -> bool:
        """Whether it may have died of something other than its job, which then deserves another
        try: whoever is short of memory, or ends processes by hand, sends SIGKILL. A decoder that
        crashes, or computes for ever, dies of other signals."""
        self._metrics.worker_deaths.inc()
        log.warning("media worker died", job=name, exit_code=error.exit_code)
        return error.exit_code == -signal.SIGKILL


class _Died(Exception):
    """The process of a job."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Slot:
    """One place at the workers; jobs in it run one after the other."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(self, name: str, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Any function that can be pickled. Raises `WorkerDied`; whatever else it raises other
        than a refusal is a refusal. It may run again: see `Pool`. `name` is for the metrics."""
        try:
            return await self._pool._run(name, fn, *args, **kwargs)
        except MediaRefused:
            raise
        except Exception as error:
            log.error("media job failed", job=name, exc_info=error)
            raise MediaRefused("the media could not be decoded") from error


@dataclass(frozen=True)
class Workers:
    """The pools of the media host."""

    decodes: Pool  # what looks at an upload: decodes, measures, hashes
    encodes: Pool  # what makes a variant
    conversions: Pool  # what makes the streams of a video, in the background


@asynccontextmanager
async def open_pool(lane: Lane, metrics: MediaMetrics) -> AsyncIterator[Pool]:
    """The processes end with the context. Jobs still running then are killed with the tasks
    that wait for them, which must not outlive it."""
    context: Any = trio_parallel.open_worker_context(
        init=partial(confined.confine, lane.limits),
        retire=confined.is_spent,
        grace_period=2.0,
        idle_timeout=IDLE_SECONDS,
    )
    processes = await context.__aenter__()
    try:
        yield Pool(lane, processes, metrics)
    finally:
        try:
            await context.__aexit__(None, None, None)
        except trio_parallel.BrokenWorkerError as error:
            # An idle worker that somebody killed, or that did not end in time and was.
            log.warning("media worker did not end well", error=str(error.args[0]))


@asynccontextmanager
async def open_workers(
    metrics: MediaMetrics, decodes: Lane, encodes: Lane, conversions: Lane
) -> AsyncIterator[Workers]:
    """All pools."""
    async with (
        open_pool(decodes, metrics) as decoding,
        open_pool(encodes, metrics) as encoding,
        open_pool(conversions, metrics) as converting,
    ):
        yield Workers(decoding, encoding, converting)
