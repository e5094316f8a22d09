"""That a worker process is there before it is needed."""

from __future__ import annotations

from typing import Any, ParamSpec, TypeVar

import trio
from prometheus_client import CollectorRegistry
from trio.testing import MockClock

from media.errors import WorkerDied
from media.metrics import MediaMetrics
from media.motion import jobs
from media.workers.pools import IDLE_SECONDS, WARM_AFTER, Lane, Pool
from media.workers.slots import Priority

P = ParamSpec("P")
T = TypeVar("T")


class Remembering(Pool):
    """Whose process dies of the second job."""

    def __init__(self) -> None:
        nowhere: Any = None
        super().__init__(Lane("test", max_waiting=0), nowhere, MediaMetrics(CollectorRegistry()))
        self.times: list[float] = []

    async def _run(self, name: str, fn: Any, *args: Any, **kwargs: Any) -> Any:
        await trio.lowlevel.checkpoint()
        self.times.append(trio.current_time())
        if len(self.times) == 2:
            raise WorkerDied("killed")
        return fn(*args, **kwargs)


async def test_a_process_is_kept_warm_whatever_becomes_of_it(autojump_clock: MockClock) -> None:
    pool = Remembering()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pool.keep_warm, jobs.warm)
        await trio.sleep(WARM_AFTER + 1.2 * IDLE_SECONDS)
        async with pool.slot(Priority.VIEWER):  # it is busy, so it is warm
            await trio.sleep(IDLE_SECONDS / 2)
        await trio.sleep(IDLE_SECONDS / 2)
        nursery.cancel_scope.cancel()
    every = IDLE_SECONDS / 2
    assert [at - began for at in pool.times] == [
        WARM_AFTER + every * number for number in (0, 1, 2, 4)
    ]
