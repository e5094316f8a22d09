"""Real worker processes: confined, killed, replaced. One pool serves most tests of the module."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest
import structlog.testing
import trio
from PIL import Image, ImageFile
from prometheus_client import CollectorRegistry

from media.errors import MediaRefused, WorkerDied
from media.images.presets import PRESETS
from media.images.rendering import ImageLimits, Inspection, inspect, render
from media.images.sniff import ImageType
from media.metrics import MediaMetrics
from media.workers.confined import WorkerLimits
from media.workers.pools import Lane, Pool, open_pool
from media.workers.slots import Priority
from tests.media import samples
from tests.media.host import open_host

pytestmark = pytest.mark.real

P = ParamSpec("P")
T = TypeVar("T")


def metrics() -> MediaMetrics:
    return MediaMetrics(CollectorRegistry())


# Jobs, which run in the worker.


def die(by: int) -> None:
    os.kill(os.getpid(), by)


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


def describe() -> tuple[int, set[str], int, int]:
    core = resource.getrlimit(resource.RLIMIT_CORE)[1]
    return os.getpid(), set(Image.OPEN), core, os.nice(0)


class Unpicklable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("lost on the way")


def fail_strangely() -> None:
    raise Unpicklable(1, 2)


async def kill(pid: int) -> None:
    """Kills a process and waits until it is dead, if not yet reaped."""
    os.kill(pid, signal.SIGKILL)
    await trio.to_thread.run_sync(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@asynccontextmanager
async def lane_of_one(
    figures: MediaMetrics | None = None, *, job_seconds: float = 60.0, **limits: Any
) -> AsyncIterator[Pool]:
    """A busy machine may give a job little of its processor: time by the clock is ample."""
    lane = Lane("test", job_seconds=job_seconds, limits=WorkerLimits(**limits))
    async with open_pool(lane, figures or metrics()) as pool:
        yield pool


async def one_job(pool: Pool, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    async with pool.slot(Priority.VIEWER) as slot:
        return await slot.run("job", fn, *args, **kwargs)


async def test_a_pool_survives_whatever_a_job_does(tmp_path: Path) -> None:
    """One pool of one process, met by everything in turn: each is an error of its own job, and
    the job after it is done as ever."""
    jpeg, bomb = samples.jpeg(), samples.bomb()
    figures = metrics()
    async with lane_of_one(figures, cpu_seconds=0.5) as pool:

        async def works() -> int:
            async with pool.slot(Priority.UPLOAD) as slot:
                found = await slot.run("inspect", inspect, jpeg, ImageType.JPEG, ImageLimits())
                assert isinstance(found, Inspection)
                assert found[:2] == (400, 300)
                pid, decoders, core, nice = await slot.run("describe", describe)
                assert decoders == {"JPEG", "PNG", "WEBP", "GIF", "AVIF"}
                assert core == 0
                assert nice == min(19, os.nice(0) + 15)
            return pid

        first = await works()
        assert first != os.getpid()
        assert await works() == first  # processes are reused

        with pytest.raises(MediaRefused, match="pixels"):
            await one_job(pool, inspect, bomb, ImageType.PNG, ImageLimits())
        small = PRESETS["small"]
        with pytest.raises(MediaRefused, match="broken"):
            await one_job(pool, render, jpeg[:900], ImageType.JPEG, small, "jpg", ImageLimits())
        assert await works() == first

        for job in (fail, fail_strangely, eat):  # errors that the process survives
            with structlog.testing.capture_logs(), pytest.raises(MediaRefused):
                await one_job(pool, job)
        with structlog.testing.capture_logs(), pytest.raises(MediaRefused):
            await one_job(pool, write, str(tmp_path / "file"))
        assert not (tmp_path / "file").read_bytes()
        await works()

        for code, deadly in ((-signal.SIGSEGV, partial(die, signal.SIGSEGV)), (-24, burn)):
            with structlog.testing.capture_logs() as logs, pytest.raises(WorkerDied):
                await one_job(pool, deadly)
            assert [(entry["event"], entry["exit_code"]) for entry in logs] == [
                ("media worker died", code)
            ]
            assert await works() != first
        assert figures.worker_deaths._value.get() == 2

        # Killed while it is idle: the next job does not notice.
        await kill(await works())
        last = await works()

        with trio.move_on_after(0.1) as scope:
            await one_job(pool, fall_asleep)
        assert scope.cancelled_caught
        with pytest.raises(ProcessLookupError):
            os.kill(last, 0)  # the process of a cancelled job is gone
        await works()


async def test_a_job_that_takes_too_long_is_killed() -> None:
    figures = metrics()
    async with lane_of_one(figures, job_seconds=2.0) as pool, pool.slot(Priority.VIEWER) as slot:
        with structlog.testing.capture_logs() as logs, pytest.raises(WorkerDied):
            await slot.run("job", fall_asleep)
        assert [entry["event"] for entry in logs] == ["media worker killed"]
        assert figures.worker_deaths._value.get() == 1


async def test_a_process_is_replaced_after_its_jobs() -> None:
    async with lane_of_one(jobs=2) as pool:
        pids = [(await one_job(pool, describe))[0] for _ in range(3)]
    assert pids[0] == pids[1] != pids[2]


# Killed by somebody else, at every stage of a conversion.

STAGES = ("open", "decode", "resize", "encode", "answer")


class Answer(bytes):
    """A result that is killed when half of it is on its way."""

    def __reduce__(self) -> Any:
        os.write(_pipe_to_the_server(), b"\0\0")  # the length of what never comes
        os.kill(os.getpid(), signal.SIGKILL)


def _pipe_to_the_server() -> int:
    """The only one that a worker writes to."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            writes = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
            if fd > 2 and writes and os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:"):
                return fd
    raise AssertionError("no pipe")


def render_killed_at(stage: str, mark: str, data: bytes) -> bytes:
    """Renders; in the stage it is killed from outside, but for when the mark stands."""
    path = Path(mark)
    if path.exists():
        return render(data, ImageType.JPEG, PRESETS["small"], "jpg", ImageLimits())
    path.touch()  # not a byte may be written here

    def killed(*args: Any, **kwargs: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    place = {
        "open": (Image, "open"),
        "decode": (ImageFile.ImageFile, "load"),
        "resize": (Image.Image, "resize"),
        "encode": (Image.Image, "save"),
    }
    if stage in place:
        setattr(*place[stage], killed)
    rendered = render(data, ImageType.JPEG, PRESETS["small"], "jpg", ImageLimits())
    assert stage == "answer"
    return Answer(rendered)


async def test_a_worker_killed_at_any_stage_costs_a_second_try(tmp_path: Path) -> None:
    jpeg = samples.jpeg()
    wanted = render(jpeg, ImageType.JPEG, PRESETS["small"], "jpg", ImageLimits())
    figures = metrics()
    async with lane_of_one(figures) as pool:
        for number, stage in enumerate(STAGES, 1):
            with structlog.testing.capture_logs() as logs:
                got = await one_job(pool, render_killed_at, stage, str(tmp_path / stage), jpeg)
            assert got == wanted, stage
            assert [entry["exit_code"] for entry in logs] == [-signal.SIGKILL]
            assert figures.worker_deaths._value.get() == number


async def test_one_killed_twice_is_given_up_and_the_next_works() -> None:
    figures = metrics()
    async with lane_of_one(figures) as pool:
        with structlog.testing.capture_logs() as logs, pytest.raises(WorkerDied):
            await one_job(pool, die, signal.SIGKILL)
        assert len(logs) == figures.worker_deaths._value.get() == 2
        assert (await one_job(pool, describe))[0]


async def test_the_whole_way_with_a_hostile_file_between(tmp_path: Path) -> None:
    async with open_host(tmp_path, real_workers=True) as host:
        photo = samples.jpeg()
        for data, status in ((samples.bomb(), 422), (photo[:-200], 422), (photo, 201)):
            media = await host.reserve(data)
            assert (await host.put(host.ticket(media), data)).status == status
        assert (await host.get(f"/m/{media.id}/thumb.webp")).status == 200
