"""Videos, moving images and voice through the application: from the upload to what a player is
given, in public and in private, and through failures."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
import trio
import trio.testing
from PIL import Image

from media import motion
from media.app import MediaDeps, preparer_of
from media.errors import Busy, WorkerDied
from media.motion.facts import PEAKS, Encoding
from media.preparing import ATTEMPTS, Preparer
from media.settings import conversions
from media.workers.scratch import Scratch
from media.workers.slots import Priority
from store.blobs import MemoryBlobs
from store.collect import BLOB_GRACE_MS, collect
from store.errors import Corrupt, Unavailable
from store.queries.motion import claim_work
from store.records import FileKind, MediaFile, MediaRecord, MotionState, Purpose
from tests.media import films, samples
from tests.media.host import NOW, OTHER, OWNER, Clock, Host, InlinePool, open_host

QUICK = Encoding(rungs=(60, 120), preset="ultrafast", segment_seconds=0.5)
FILM = films.film()


def preparer(host: Host, folder: Path, told: list[tuple[int, str, int]] | None = None) -> Preparer:
    news = [] if told is None else told
    deps = MediaDeps(
        settings=host.settings,
        reads=host.store,
        committer=host.batcher,
        blobs=host.blobs,
        signer=host.signer,
        clock=host.clock,
        metrics=host.metrics,
        on_prepared=lambda *values: news.append(values),
    )
    return preparer_of(deps, host.workers, Scratch(folder / "scratch"))


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Host]:
    async with open_host(folder, encoding=QUICK) as host:
        yield host


async def state(host: Host, media: MediaRecord) -> MotionState:
    found = (await host.row(media.id)).motion
    assert found is not None
    return found.state


# The upload.


async def test_a_video_is_described_and_has_a_poster_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as host:
        media = await host.reserve(films.turned(FILM, 90))
        reply = await host.put(host.ticket(media), films.turned(FILM, 90))
        assert reply.status == 201
        assert (reply.json["mime"], reply.json["width"], reply.json["height"]) == (
            "video/mp4",
            120,
            160,
        )
        assert reply.json["url"] == f"/m/{media.id}/medium.jpg"
        assert reply.json["motion"] == {
            "durationMs": reply.json["motion"]["durationMs"],
            "videoCodec": "h264",
            "audioCodec": "aac",
            "state": "MOTION_PREPARING",
            "stream": f"/m/{media.id}/hls/index.m3u8",
        }
        assert 990 < int(reply.json["motion"]["durationMs"]) < 1050
        poster = await host.get(reply.json["url"])
        assert poster.status == 200
        assert Image.open(BytesIO(poster.body)).size == (120, 160)
        early = await host.get(reply.json["motion"]["stream"])
        assert (early.status, early.code) == (503, "OVERLOADED")
        assert int(early.headers["retry-after"]) > 0


async def test_voice_has_its_waveform_and_is_heard_in_both_forms(tmp_path: Path) -> None:
    async with opened(tmp_path) as host:
        media = await host.stored(films.film(form="ogg"), Purpose.CHAT)
        assert (media.mime, media.width) == ("audio/ogg", 0)
        assert media.motion is not None
        assert len(media.motion.waveform) == PEAKS
        assert media.motion.state is MotionState.NONE
        for name, codec in (("voice.m4a", "aac"), ("voice.ogg", "opus")):
            reply = await host.get(host.link(media, OWNER, name))
            assert reply.status == 200
            with av.open(BytesIO(reply.body), "r") as file:
                assert file.streams.audio[0].codec.canonical_name == codec
        for name in ("large", "preview.gif", "motion.mp4", "hls"):
            assert (await host.get(host.link(media, OWNER, name))).status == 404
        assert not await preparer(host, tmp_path).step()


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
async def test_a_moving_image_is_served_as_video_in_ranges(tmp_path: Path, kind: str) -> None:
    async with opened(tmp_path) as host:
        media = await host.stored(films.moving(kind=kind))
        reply = await host.get(f"/m/{media.id}/motion.mp4")
        assert (reply.status, reply.headers["content-type"]) == (200, "video/mp4")
        assert reply.headers["content-disposition"] == "inline"
        part = await host.get(f"/m/{media.id}/motion.mp4", Range="bytes=10-19")
        assert (part.status, part.body) == (206, reply.body[10:20])
        assert (await host.get(f"/m/{media.id}/motion.webm")).status == 200
        assert host.jobs.count("clip") == 2
        assert (await host.get(f"/m/{media.id}/voice.ogg")).status == 404


async def test_an_image_that_does_not_move_has_no_video(tmp_path: Path) -> None:
    async with opened(tmp_path) as host:
        media = await host.stored(samples.encoded("GIF"))
        reply = await host.get(f"/m/{media.id}/motion.mp4")
        assert (reply.status, reply.code) == (422, "MOTION_REFUSED")


@pytest.mark.parametrize("data", [FILM[:-3000], films.swollen(films.film(form="webm"), 9999, 9999)])
async def test_a_video_that_is_refused_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    async with opened(tmp_path) as host:
        media = await host.reserve(data)
        reply = await host.put(host.ticket(media), data)
        assert (reply.status, reply.code) == (422, "MOTION_REFUSED")
        assert not await host.holds(data)
        assert not (await host.row(media.id)).stored


async def test_a_video_is_no_avatar(tmp_path: Path) -> None:
    async with opened(tmp_path) as host:
        media = await host.reserve(FILM, Purpose.AVATAR)
        assert (await host.put(host.ticket(media), FILM)).status == 415


async def test_without_pyav_a_video_is_served_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(motion, "AVAILABLE", False)
    async with opened(tmp_path) as host:
        media = await host.stored(FILM)
        assert (media.mime, media.motion, media.is_opaque) == ("video/mp4", None, True)
        url = host.signer.public_url(media)
        reply = await host.get(url)
        assert (reply.status, reply.body, reply.headers["content-type"]) == (
            200,
            FILM,
            "video/mp4",
        )
        for name in ("medium.jpg", "preview.gif", "hls/index.m3u8"):
            assert (await host.get(f"/m/{media.id}/{name}")).status == 404
        talk = await host.stored(films.film(form="ogg"), Purpose.CHAT)
        assert talk.mime == "audio/ogg"
        assert (await host.get(host.link(talk, OTHER))).status == 404  # he may not see it
        assert not host.jobs


# The adaptive stream.


async def play(host: Host, url: str) -> tuple[list[str], bytes]:
    """Everything that a player fetches of the last rendition, following what playlists name."""
    index = await host.get(url)
    assert index.status == 200
    assert index.headers["content-type"] == "application/vnd.apple.mpegurl"
    folder = url.rpartition("/")[0]
    names = re.findall(r"^[0-9a-f]+\.m3u8$", index.body.decode(), re.M)
    playlist = await host.get(f"{folder}/{names[-1]}")
    text = playlist.body.decode()
    files = [*re.findall(r'URI="([^"]+)"', text), *re.findall(r"^[0-9a-f]+\.m4s$", text, re.M)]
    replies = [await host.get(f"{folder}/{name}") for name in files]
    assert {reply.status for reply in replies} == {200}
    return names, b"".join(reply.body for reply in replies)


async def test_a_public_video_is_prepared_and_played(tmp_path: Path) -> None:
    told: list[tuple[int, str, int]] = []
    async with opened(tmp_path) as host:
        media = await host.stored(FILM)
        assert await preparer(host, tmp_path, told).step()
        assert not await preparer(host, tmp_path).step()
        assert await state(host, media) is MotionState.READY
        url = host.signer.stream_url(media)
        names, data = await play(host, url)
        assert len(names) == 2
        with av.open(BytesIO(data), "r") as file:
            assert (file.streams.video[0].width, file.streams.video[0].height) == (160, 120)
            assert sum(1 for _ in file.decode(video=0)) == 10
        assert [(one, media_id) for one, media_id, _ in told] == [(OWNER, media.id)] * 2
        percents = [percent for _, _, percent in told]
        assert percents == sorted(percents)
        index = (await host.get(url)).body.decode()
        assert 'CODECS="avc1.' in index
        assert ",mp4a.40.2" in index
        (sound,) = re.findall(r'AUDIO,.*URI="([^"]+)"', index)
        assert (await host.get(f"{url.rpartition('/')[0]}/{sound}")).status == 200
        gif = await host.get(f"/m/{media.id}/preview.gif")
        assert (gif.status, gif.headers["content-type"]) == (200, "image/gif")


async def test_a_private_stream_is_its_viewers_and_so_is_each_of_its_segments(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as host:
        media = await host.stored(FILM, Purpose.CHAT)
        await preparer(host, tmp_path).step()
        assert host.signer.stream_url(media) == ""
        link = host.link(media, OWNER, "hls")
        await play(host, link)
        index = (await host.get(link)).body.decode()
        (name, *_) = re.findall(r"^[0-9a-f]+\.m3u8$", index, re.M)
        folder = link.rpartition("/")[0]
        reply = await host.get(f"{folder}/{name}")
        assert reply.headers["cache-control"].startswith("private")
        # Without the grant, with another's, with a changed one, and when it has expired.
        assert (await host.get(f"/m/{media.id}/hls/{name}")).status == 404
        assert (await host.get(host.link(media, OTHER, "hls"))).status == 404
        stolen = folder.replace(f"/{OWNER}.", f"/{OTHER}.")
        assert (await host.get(f"{stolen}/{name}")).status == 403
        assert (await host.get(f"{folder}/{name}?v=1")).status == 404
        host.clock.ms = NOW + 60_001
        assert (await host.get(f"{folder}/{name}")).status == 403


async def test_a_stream_has_the_files_of_its_own_object_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as host:
        mine = await host.stored(FILM)
        secret = await host.stored(films.film(0.5), Purpose.CHAT)
        for _ in range(2):
            await preparer(host, tmp_path).step()
        index = (await host.get(host.link(secret, OWNER, "hls"))).body.decode()
        (name, *_) = re.findall(r"^[0-9a-f]+\.m3u8$", index, re.M)
        assert (await host.get(f"/m/{mine.id}/hls/{name}")).status == 404
        assert mine.motion is not None
        for digest in (secret.blob_hash, mine.motion.poster):  # nor an original, or a poster
            for ext in ("m4s", "mp4", "m3u8"):
                assert (await host.get(f"/m/{mine.id}/hls/{digest.hex()}.{ext}")).status == 404


# Failures.


class Dying(Preparer):
    """Its worker is killed at each job of a name, so often."""

    times = 0

    async def _files(self, owners: Any) -> Any:
        if self.times:
            type(self).times -= 1
            raise WorkerDied("killed")
        return await super()._files(owners)


def dying(host: Host, folder: Path, times: int) -> Preparer:
    made = preparer(host, folder)
    made.__class__ = type("Dying", (Dying,), {"times": times})
    return made


async def test_a_worker_that_dies_costs_an_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.preparing.RETRY_SECONDS", 0.0)
    async with opened(tmp_path) as host:
        media = await host.stored(FILM)
        again = dying(host, tmp_path, 1)
        assert await again.step()
        assert await state(host, media) is MotionState.PREPARING
        assert await again.step()
        assert await state(host, media) is MotionState.READY


async def test_one_that_kills_every_worker_fails_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.preparing.RETRY_SECONDS", 0.0)
    async with opened(tmp_path) as host:
        media = await host.stored(FILM)
        always = dying(host, tmp_path, ATTEMPTS)
        for _ in range(ATTEMPTS):
            assert await always.step()
        assert await state(host, media) is MotionState.FAILED
        assert not await always.step()
        assert (await host.get(host.signer.stream_url(media))).status == 404
        assert (await host.get(f"/m/{media.id}/medium.jpg")).status == 200


async def test_what_a_dead_node_had_is_taken_up_by_another(tmp_path: Path) -> None:
    async with opened(tmp_path) as host:
        media = await host.stored(FILM)
        claimed = host.store.write(claim_work, media.blob_hash, b"d" * 16, 60_000)
        assert await claimed is not None
        assert not await preparer(host, tmp_path).step()  # it may be alive
        await host.store.write(_forget_lease)
        assert await preparer(host, tmp_path).step()
        assert await state(host, media) is MotionState.READY


async def test_a_node_without_the_original_leaves_it_to_one_that_has_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as host:
        media = await host.stored(FILM)
        elsewhere = preparer(host, tmp_path)
        elsewhere._blobs = MemoryBlobs()
        for _ in range(ATTEMPTS + 1):
            assert not await elsewhere.step()
        assert await preparer(host, tmp_path).step()
        assert await state(host, media) is MotionState.READY


async def _forget_lease(tx: Any) -> None:
    await tx.run("UPDATE media_work SET until_ms = 0")


async def test_what_is_collected_while_a_video_is_prepared_takes_none_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even those that a dead node has put long ago, and that are put once more."""
    time = Clock()
    blobs = MemoryBlobs(now_ms=time.now_ms)
    async with open_host(tmp_path, encoding=QUICK, blobs=blobs) as host:
        media = await host.stored(FILM)
        left = await preparer(host, tmp_path)._files([media])
        time.ms += BLOB_GRACE_MS + 1
        whole = Preparer._put
        gone = 0

        async def put(self: Preparer, data: bytes, kind: FileKind, files: list[MediaFile]) -> str:
            nonlocal gone
            name = await whole(self, data, kind, files)
            found = await collect(host.store, blobs, time.ms)
            gone += found.blobs
            return name

        monkeypatch.setattr(Preparer, "_put", put)
        assert await preparer(host, tmp_path).step()
        assert len(left) - 3 <= gone < len(left)  # all but what had been put again by then
        await play(host, host.signer.stream_url(media))
        time.ms += 2 * BLOB_GRACE_MS
        assert (await collect(host.store, blobs, time.ms)).blobs == 0
        await play(host, host.signer.stream_url(media))


async def test_a_blob_store_that_fails_half_way_shows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long: it is not the video's fault."""
    monkeypatch.setattr("media.preparing.RETRY_SECONDS", 0.0)
    async with opened(tmp_path) as host:
        media = await host.stored(FILM)
        whole = host.blobs.stage
        puts = 0

        def failing() -> Any:
            nonlocal puts
            puts += 1
            if puts % 4 == 0:
                raise Unavailable("the disk is full")
            return whole()

        monkeypatch.setattr(host.blobs, "stage", failing)
        for _ in range(ATTEMPTS + 1):
            with pytest.raises(Unavailable):
                await preparer(host, tmp_path).step()
            assert (await host.get(host.signer.stream_url(media))).status == 503
        monkeypatch.setattr(host.blobs, "stage", whole)
        assert await preparer(host, tmp_path).step()
        await play(host, host.signer.stream_url(media))


@pytest.mark.parametrize("error", [OSError("the disk is full"), Busy("too many jobs wait already")])
async def test_a_machine_that_has_no_room_costs_no_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("media.preparing.RETRY_SECONDS", 0.0)
    async with opened(tmp_path) as host:
        media = await host.stored(FILM)
        whole = host.workers.conversions.slot

        def full(priority: Priority) -> Any:
            raise error

        monkeypatch.setattr(host.workers.conversions, "slot", full)
        for _ in range(ATTEMPTS + 1):
            with suppress(OSError):
                assert await preparer(host, tmp_path).step()
        assert await state(host, media) is MotionState.PREPARING
        monkeypatch.setattr(host.workers.conversions, "slot", whole)
        assert await preparer(host, tmp_path).step()
        await play(host, host.signer.stream_url(media))


async def test_an_original_that_is_damaged_fails_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.preparing.RETRY_SECONDS", 0.0)
    async with opened(tmp_path) as host:
        media = await host.stored(FILM)

        def damaged(digest: bytes) -> Any:
            raise Corrupt("not the digest")

        monkeypatch.setattr(host.blobs, "open", damaged)
        for _ in range(ATTEMPTS):
            assert await preparer(host, tmp_path).step()
        assert await state(host, media) is MotionState.FAILED


@pytest.mark.parametrize(("workers", "at_once"), [(1, 1), (2, 2), (8, 3)])
async def test_renditions_are_made_at_once_as_far_as_workers_are_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, at_once: int
) -> None:
    """Two rungs and the sound."""
    running = most = 0
    whole = InlinePool._run

    async def run(pool: Any, name: str, fn: Any, *args: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.testing.wait_all_tasks_blocked()
        done = await whole(pool, name, fn, *args)
        running -= 1
        return done

    async with open_host(tmp_path, encoding=QUICK, conversions=conversions(workers)) as host:
        media = await host.stored(FILM)
        monkeypatch.setattr(InlinePool, "_run", run)
        assert await preparer(host, tmp_path).step()
        assert most == at_once
        names, _ = await play(host, host.signer.stream_url(media))
        assert len(names) == 2
