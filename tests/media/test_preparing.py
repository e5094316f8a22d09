"""Real worker processes that somebody kills at every stage of a video: of the look at the upload,
of its rungs, and of its sound. Who uploads and who looks on do not notice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio

from media.motion import hls, jobs, probing
from media.motion.facts import Encoding
from media.workers.pools import Lane
from store.records import MediaRecord, MotionState
from tests.media import films
from tests.media.host import Host, open_host
from tests.media.test_workers import Answer

pytestmark = pytest.mark.real

PATIENCE = 120.0  # seconds, on a busy machine
WANTED = "KILLED_AT"  # names a file that holds the job and the stage; it goes when that has come
STAGES = (
    *(("probe", stage) for stage in ("opened", "_scan", "_first_frame", "_poster", "answer")),
    *(
        ("picture", stage)
        for stage in ("opened", "timed_frames", "Upright", "add_video", "split", "answer")
    ),
    *(("sound", stage) for stage in ("opened", "_late", "sound_of", "split", "answer")),
)


def strike(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _killed(job: str, module: Any, fn: Callable[..., Any], *args: Any) -> Any:
    """In a worker: does the job, and is killed where it comes to the stage."""
    file = Path(os.environ[WANTED])
    wanted = file.read_text().split() if file.exists() else ["", ""]
    if wanted[0] != job:
        return fn(*args)
    file.unlink()  # not a byte may be written here
    if wanted[1] == "answer":
        fn(*args)
        return Answer(b"")
    setattr(module, wanted[1], strike)
    return fn(*args)


def probe(*args: Any) -> Any:
    return _killed("probe", probing, probing.probe, *args)


def picture(*args: Any) -> Any:
    return _killed("picture", hls, hls.encode_picture, *args)


def sound(*args: Any) -> Any:
    return _killed("sound", hls, hls.encode_sound, *args)


async def ready(host: Host, media: MediaRecord) -> None:
    with trio.fail_after(PATIENCE):
        while True:
            motion = (await host.row(media.id)).motion
            assert motion is not None
            if motion.state is not MotionState.PREPARING:
                break
            await trio.sleep(0.02)
    assert motion.state is MotionState.READY
    assert (await host.get(host.signer.stream_url(media))).status == 200


async def test_a_worker_killed_at_any_stage_of_a_video_is_not_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "wanted"
    monkeypatch.setenv(WANTED, str(file))
    for job in (probe, picture, sound):
        monkeypatch.setattr(jobs, job.__name__, job)
    monkeypatch.setattr("media.preparing.LOOK_SECONDS", 0.02)
    quick = Encoding(rungs=(60,), preset="ultrafast", segment_seconds=0.5)
    slow = Lane("decode", job_seconds=PATIENCE)
    async with open_host(tmp_path, real_workers=True, encoding=quick, decodes=slow) as host:
        for number, (name, stage) in enumerate(STAGES, 1):
            file.write_text(f"{name} {stage}")
            with structlog.testing.capture_logs() as logs:
                media = await host.stored(films.film(1.0, 64 + 2 * number, 64))
                await ready(host, media)
            assert not file.exists(), (name, stage)
            died = [(one["job"], one["exit_code"]) for one in logs if "exit_code" in one]
            assert died == [(name, -signal.SIGKILL)]
            assert host.metrics.worker_deaths._value.get() == number
