"""Real worker processes: confined, killed, replaced. One pool serves most tests of the module."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

import pytest
import structlog.testing
import trio
from PIL import Image
from prometheus_client import CollectorRegistry

from media.confined import WorkerLimits
from media.errors import Busy, MediaRefused, WorkerDied
from media.images import Inspection
from media.metrics import MediaMetrics
from media.presets import PRESETS
from media.sniff import ImageType
from media.workers import open_workers
from tests.media import samples
from tests.media.host import open_host

pytestmark = pytest.mark.real


def metrics() -> MediaMetrics:
    return MediaMetrics(CollectorRegistry())


# Jobs, which run in the worker.


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fall_asleep() -> None:
    time.sleep(3600)


def burn() -> None:
    while True:
        pass


def eat() -> int:
    return len(bytearray(4 * 1024**3))


def write(path: str) -> None:
    Path(path).write_bytes(b"x")


def fail() -> None:
    raise KeyError("not of ours")


def describe() -> tuple[int, set[str], int]:
    return os.getpid(), set(Image.OPEN), resource.getrlimit(resource.RLIMIT_CORE)[1]


class Unpicklable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("lost on the way")


def fail_strangely() -> None:
    raise Unpicklable(1, 2)


async def kill(pid: int) -> None:
    """Kills a process and waits until it is dead, if not yet reaped."""
    os.kill(pid, signal.SIGKILL)
    await trio.to_thread.run_sync(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)


async def test_a_pool_survives_whatever_a_job_does(tmp_path: Path) -> None:
    """One pool of one process, met by everything in turn: each is an error of its own job, and
    the job after it is done as ever."""
    jpeg, bomb = samples.jpeg(), samples.bomb()
    figures = metrics()
    limits = WorkerLimits(cpu_seconds=0.5)
    # A busy machine may give a job little of its processor: only its own time ends `burn`.
    async with open_workers(figures, workers=1, job_seconds=60.0, limits=limits) as workers:

        async def works() -> int:
            async with workers.slot() as slot:
                found = await slot.inspect(jpeg, ImageType.JPEG)
                assert isinstance(found, Inspection)
                assert found[:2] == (400, 300)
                pid, decoders, core = await slot.run("describe", describe)
                assert decoders == {"JPEG", "PNG", "WEBP", "GIF", "AVIF"}
                assert core == 0
            return pid

        first = await works()
        assert first != os.getpid()
        assert await works() == first  # processes are reused

        async with workers.slot() as slot:
            with pytest.raises(MediaRefused, match="pixels"):
                await slot.inspect(bomb, ImageType.PNG)
            with pytest.raises(MediaRefused, match="broken"):
                await slot.render(jpeg[:900], ImageType.JPEG, PRESETS["small"], "jpg")
        assert await works() == first

        for job in (fail, fail_strangely, eat):  # errors that the process survives
            with structlog.testing.capture_logs(), pytest.raises(MediaRefused):
                async with workers.slot() as slot:
                    await slot.run("job", job)
        with structlog.testing.capture_logs(), pytest.raises(MediaRefused):
            async with workers.slot() as slot:
                await slot.run("job", write, str(tmp_path / "file"))
        assert not (tmp_path / "file").read_bytes()
        await works()

        for deadly in (die, burn):
            with structlog.testing.capture_logs() as logs, pytest.raises(WorkerDied):
                async with workers.slot() as slot:
                    await slot.run("job", deadly)
            assert [entry["event"] for entry in logs] == ["image worker died"]
            assert await works() != first
        assert figures.worker_deaths._value.get() == 2

        # Killed while it is idle: the next job does not notice.
        await kill(await works())
        last = await works()

        with trio.move_on_after(0.1) as scope:
            async with workers.slot() as slot:
                await slot.run("job", fall_asleep)
        assert scope.cancelled_caught
        with pytest.raises(ProcessLookupError):
            os.kill(last, 0)  # the process of a cancelled job is gone
        await works()


async def test_a_job_that_takes_too_long_is_killed() -> None:
    figures = metrics()
    async with open_workers(figures, workers=1, job_seconds=2.0) as workers, workers.slot() as slot:
        with structlog.testing.capture_logs() as logs, pytest.raises(WorkerDied):
            await slot.run("job", fall_asleep)
        assert [entry["event"] for entry in logs] == ["image worker killed"]
        assert figures.worker_deaths._value.get() == 1
        found = await slot.inspect(samples.jpeg(), ImageType.JPEG)
        assert found[:2] == (400, 300)


async def test_a_process_is_replaced_after_its_jobs() -> None:
    limits = WorkerLimits(jobs=2)
    async with open_workers(metrics(), workers=1, limits=limits) as workers:
        pids = []
        for _ in range(3):
            async with workers.slot() as slot:
                pids.append((await slot.run("describe", describe))[0])
    assert pids[0] == pids[1] != pids[2]


async def test_waiting_jobs_are_bounded() -> None:
    async with (
        open_workers(metrics(), workers=1, max_waiting=1) as workers,
        trio.open_nursery() as nursery,
    ):

        async def occupy(*, task_status: trio.TaskStatus[None]) -> None:
            async with workers.slot():
                task_status.started()
                await trio.sleep_forever()

        async def wait() -> None:
            async with workers.slot():
                pass

        await nursery.start(occupy)
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Busy):
            await wait()
        nursery.cancel_scope.cancel()


async def test_the_whole_way_with_a_hostile_file_between(tmp_path: Path) -> None:
    async with open_host(tmp_path, real_workers=True) as host:
        photo = samples.jpeg()
        for data, status in ((samples.bomb(), 422), (photo[:-200], 422), (photo, 201)):
            media = await host.reserve(data)
            assert (await host.put(host.ticket(media), data)).status == status
        assert (await host.get(f"/m/{media.id}/thumb.webp")).status == 200
