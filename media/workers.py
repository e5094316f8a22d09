"""Worker processes for images: bounded, killable, and of no account when they die."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

import structlog
import trio
import trio_parallel

from media import confined, images
from media.confined import WorkerLimits
from media.errors import Busy, MediaRefused, WorkerDied
from media.images import ImageLimits, Inspection, Source
from media.metrics import MediaMetrics
from media.presets import Preset
from media.sniff import ImageType

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger("media")


class ImageWorkers:
    """Runs jobs on images in other processes, at most `workers` at a time.

    A job that outlives `job_seconds`, or whose process dies, raises `WorkerDied` and leaves
    no trace on others; the next job gets a fresh process. At most `max_waiting` jobs wait:
    the next one is refused with `Busy`. A cancelled job is killed.
    """

    def __init__(
        self,
        context: trio_parallel.WorkerContext,
        metrics: MediaMetrics,
        limits: ImageLimits,
        *,
        workers: int,
        max_waiting: int,
        job_seconds: float,
    ) -> None:
        self._context = context
        self._metrics = metrics
        self._limits = limits
        self._slots = trio.CapacityLimiter(workers)
        self._inner = trio.CapacityLimiter(workers)  # never waited for: the slots come first
        self._max_waiting = max_waiting
        self._job_seconds = job_seconds

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """A place at the workers. Take it before the bytes are in memory: at most `workers`
        images are then. Raises `Busy`."""
        waiting = self._slots.statistics().tasks_waiting
        if self._slots.available_tokens <= 0 and waiting >= self._max_waiting:
            raise Busy("too many images wait to be converted")
        async with self._slots:
            yield Slot(self)

    async def _run(self, name: str, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        started = trio.current_time()
        try:
            with trio.move_on_after(self._job_seconds):
                done: T = await self._context.run_sync(
                    partial(confined.job, fn, **kwargs),
                    *args,
                    kill_on_cancel=True,
                    limiter=self._inner,
                )
                return done
        except trio_parallel.BrokenWorkerError as error:
            self._metrics.worker_deaths.inc()
            log.warning("image worker died", job=name, error=str(error.args[0]))
            raise WorkerDied("the image could not be decoded") from error
        finally:
            self._metrics.encodes.labels(name).observe(trio.current_time() - started)
        self._metrics.worker_deaths.inc()
        log.warning("image worker killed", job=name, seconds=self._job_seconds)
        raise WorkerDied("the image takes too long to decode")


class Slot:
    """One job's place at the workers."""

    def __init__(self, workers: ImageWorkers) -> None:
        self._workers = workers

    async def inspect(self, source: Source, kind: ImageType) -> Inspection:
        """See `media.images.inspect`."""
        return await self.run("inspect", images.inspect, source, kind, self._workers._limits)

    async def render(self, data: bytes, kind: ImageType, preset: Preset, ext: str) -> bytes:
        """See `media.images.render`."""
        limits = self._workers._limits
        return await self.run("render", images.render, data, kind, preset, ext, limits)

    async def run(self, name: str, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Any picklable function. Whatever it raises other than a refusal is a refusal."""
        try:
            return await self._workers._run(name, fn, *args, **kwargs)
        except MediaRefused:
            raise
        except Exception as error:
            log.error("image job failed", job=name, exc_info=error)
            raise MediaRefused("the image could not be decoded") from error


@asynccontextmanager
async def open_workers(
    metrics: MediaMetrics,
    *,
    workers: int = 2,
    max_waiting: int = 64,
    job_seconds: float = 20.0,
    limits: WorkerLimits | None = None,
    image_limits: ImageLimits | None = None,
) -> AsyncIterator[ImageWorkers]:
    """The pool. Processes start at need and end with it; jobs still running then are killed
    with the tasks that wait for them, which must not outlive the context."""
    context: Any = trio_parallel.open_worker_context(
        init=partial(confined.confine, limits or WorkerLimits()),
        retire=confined.is_spent,
        grace_period=2.0,
        idle_timeout=300.0,
    )
    pool = await context.__aenter__()
    try:
        yield ImageWorkers(
            pool,
            metrics,
            image_limits or ImageLimits(),
            workers=workers,
            max_waiting=max_waiting,
            job_seconds=job_seconds,
        )
    finally:
        try:
            await context.__aexit__(None, None, None)
        except trio_parallel.BrokenWorkerError as error:
            # An idle worker that somebody killed, or that did not end in time and was.
            log.warning("image worker did not end well", error=str(error.args[0]))
