"""Videos that are being prepared while the server, or its media process, gets kill -9."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from rpc.proto import models_pb2
from store.queries.media import referenced_blobs
from store.queries.motion import FIRST, due_work
from store.sqlite import SqliteStore
from tests.media import films
from tests.real.hasty import STAGES
from tests.real.process import ServerProcess, server_process
from tests.real.witness import POST, Person, sign_up
from tests.real.workers import two_workers, wait_up

pytestmark = pytest.mark.real

PATIENCE = 60.0  # seconds, on a busy machine
HASTY = ("tests.real.hasty", "serve")


class Marks:
    """Which stage is the next server's last."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self._marks = {stage: folder / stage for stage in STAGES}
        for mark in self._marks.values():
            mark.touch()
        patch.setenv("HASTY_STAGES", ":".join(map(str, self._marks.values())))

    def arm(self, stage: str) -> None:
        self._marks[stage].unlink()

    def struck(self, stage: str) -> bool:
        return self._marks[stage].exists()


async def watch(server: ServerProcess, media_id: str, clap: float) -> None:
    """Asks for the playlist until it is there: until then there is nothing, then all of it."""
    url = f"http://127.0.0.1:{server.media_port}/m/{media_id}/hls/index.m3u8"
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        with trio.fail_after(PATIENCE):
            while (answer := await http.get(url)).status_code != 200:
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
                await trio.sleep(0.05)
    for stream in (0, 1):
        shown = await trio.to_thread.run_sync(partial(films.flashes, url, stream))
        assert shown == pytest.approx([clap], abs=0.001)
    heard = await trio.to_thread.run_sync(partial(films.bangs, url))
    assert heard == pytest.approx([clap], abs=0.045)


async def upload(person: Person, data: bytes, purpose: int = POST) -> str:
    """To a host whose workers may have yet to start, on a busy machine."""
    media_id, path = await person.ticket(len(data), purpose)
    url = f"http://127.0.0.1:{person.server.media_port}{path}"
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        assert (await http.put(url, content=data)).status_code == 201
    return media_id


async def told_once(person: Person, media_id: str) -> None:
    """The update that it is ready has come, and no other."""

    def told() -> list[models_pb2.MotionState]:
        # By position: what came after the last checkpoint comes again with a new connection.
        of_it = {u.position: u.media for u in person.client.updates if u.media.id == media_id}
        return [of_it[position].motion.state for position in sorted(of_it)]

    with trio.fail_after(PATIENCE):
        while models_pb2.MOTION_READY not in told():  # noqa: ASYNC110 - real time
            await trio.sleep(0.02)
    # Who was away for long hears only how it is in the end.
    assert told() in (
        [models_pb2.MOTION_PREPARING, models_pb2.MOTION_READY],
        [models_pb2.MOTION_READY],
    )


def film(number: int) -> tuple[bytes, float]:
    """One of its own, and when it claps."""
    clap = 0.2 + number * 0.12
    return films.clapped(1.2, (clap,), size=(640, 480)), clap


async def nothing_is_left(data: Path) -> None:
    """No work, and no bytes that nobody refers to."""
    store = SqliteStore.open(data / "sunwire.db")
    try:
        assert await store.read(due_work, FIRST, 1) == []
        kept = {path.name for path in (data / "blobs" / "blobs").rglob("*") if path.is_file()}
        digests = [bytes.fromhex(name) for name in kept]
        assert len(digests) > 10
        assert await store.read(referenced_blobs, digests) == set(digests)
    finally:
        await store.aclose()


async def test_a_server_killed_at_any_stage_prepares_each_video_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = Marks(tmp_path / "marks", monkeypatch)
    data = tmp_path / "data"
    async with server_process(data, program=HASTY) as server:
        ann = await sign_up(server)
        for number, stage in enumerate(STAGES):
            marks.arm(stage)
            shown, clap = film(number)
            media_id = await upload(ann, shown)
            assert server.process is not None
            with trio.fail_after(PATIENCE):
                await server.process.wait()
            assert marks.struck(stage)
            await server.start()
            await ann.client.reconnect()
            await watch(server, media_id, clap)
            await told_once(ann, media_id)
        assert await server.stop(10) == 0
    await nothing_is_left(data)


async def test_a_media_process_killed_at_a_stage_does_so_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to start anything, and the websockets do not notice."""
    marks = Marks(tmp_path / "marks", monkeypatch)
    data = tmp_path / "data"
    async with two_workers(data, program=HASTY) as server:
        ann = await sign_up(server)
        for number, stage in enumerate(("put", "settled")):
            marks.arm(stage)
            shown, clap = film(number)
            media_id = await upload(ann, shown)
            with trio.fail_after(PATIENCE):
                while not marks.struck(stage):  # noqa: ASYNC110 - real time
                    await trio.sleep(0.02)
            await wait_up(server, "media", PATIENCE)
            await watch(server, media_id, clap)
            await told_once(ann, media_id)
        assert await server.stop(15) == 0
    await nothing_is_left(data)
