"""What a server makes of video, moving images and voice, as a player that we did not write finds
it: FFmpeg, which follows the playlists over HTTP by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import av
import httpx
import pytest
import trio
from PIL import Image

from realtime.testing.client import TestClient
from rpc.proto import models_pb2
from tests.media import films
from tests.real.process import ServerProcess, server_process
from tests.real.test_preparing import upload
from tests.real.witness import CHAT, Person, sign_up

pytestmark = pytest.mark.real

T = TypeVar("T")

PATIENCE = 60.0  # seconds, on a busy machine
CLAPS = (0.52, 2.0, 4.6)
FILM = films.clapped(5.2, CLAPS, size=(640, 480))


async def in_thread(fn: Callable[[], T]) -> T:
    with trio.fail_after(PATIENCE):
        return await trio.to_thread.run_sync(fn, abandon_on_cancel=True)


async def prepared(client: TestClient, media_id: str) -> models_pb2.MediaObject:
    """The object in the update that its stream is ready."""
    while True:
        media = (await client.expect_update("media", PATIENCE)).media
        if media.id == media_id and media.motion.state != models_pb2.MOTION_PREPARING:
            assert media.motion.state == models_pb2.MOTION_READY
            return media


async def link(person: Person, media_id: str, preset: str) -> str:
    answer = await person.client.call("Media.LinkMedia", media_ids=[media_id], preset=preset)
    url: str = answer.links[0].url
    return url


def base(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.media_port}"


async def test_streams_clips_and_voice_are_played_over_http(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http,
    ):
        ann = await sign_up(server)
        public = await upload(ann, FILM)
        told = (await ann.client.expect_signal("prepare_progress", PATIENCE)).prepare_progress
        assert told.media_id == public
        assert 0 < told.percent < 100
        media = await prepared(ann.client, public)
        url = base(server) + media.motion.stream
        await plays(url, streams=2)
        await says_what_it_is(http, url)

        private = await upload(ann, FILM, CHAT)
        await plays(await link(ann, private, "hls"), streams=2)

        await a_moving_image(ann, http, base(server))
        talk = await upload(ann, films.clapped(form="webm"), CHAT)
        assert (await http.get(await link(ann, talk, "preview.gif"))).status_code == 200
        voice = await upload(ann, films.film(2.0, form="ogg"), CHAT)
        for name in ("voice.m4a", "voice.ogg"):
            begins = await in_thread(partial(films.bangs, await link(ann, voice, name)))
            assert begins == pytest.approx([1.0], abs=0.05)
        assert await server.stop(10) == 0


async def plays(url: str, streams: int) -> None:
    """Picture and sound come together, on every rung."""
    for stream in range(streams):
        shown = await in_thread(partial(films.flashes, url, stream))
        assert shown == pytest.approx(CLAPS, abs=0.001)
    heard = await in_thread(partial(films.bangs, url))
    assert heard == pytest.approx(CLAPS, abs=0.045)


async def says_what_it_is(http: httpx.AsyncClient, url: str) -> None:
    """The multivariant playlist against what a player downloads."""
    folder = url.rpartition("/")[0]

    async def bits(playlist: str) -> tuple[bytes, list[tuple[float, float]]]:
        """The initialization section, and of each segment its bits and its seconds."""
        text = (await http.get(f"{folder}/{playlist}")).text
        seconds = [float(one) for one in re.findall(r"#EXTINF:([\d.]+),", text)]
        names = re.findall(r"^\w+\.m4s$", text, re.M)
        target = int(re.findall(r"TARGETDURATION:(\d+)", text)[0])
        assert max(round(one) for one in seconds) <= target
        sizes = [8 * len((await http.get(f"{folder}/{name}")).content) for name in names]
        (init,) = re.findall(r'MAP:URI="(\w+\.mp4)"', text)
        section = (await http.get(f"{folder}/{init}")).content
        return section, list(zip(sizes, seconds, strict=True))

    index = (await http.get(url)).text
    (sound,) = re.findall(r'TYPE=AUDIO.*URI="(\w+\.m3u8)"', index)
    section, spoken = await bits(sound)
    assert b"mp4a" in section
    rungs = re.findall(
        r"BANDWIDTH=(\d+),AVERAGE-BANDWIDTH=(\d+),CODECS=\"avc1\.(\w+),mp4a\.40\.2\","
        r"RESOLUTION=(\d+)x(\d+),FRAME-RATE=([\d.]+),.*\n(\w+\.m3u8)",
        index,
    )
    assert [one[3:6] for one in rungs] == [("480", "360", "25.000"), ("640", "480", "25.000")]
    for bandwidth, average, profile, _, _, _, playlist in rungs:
        section, shown = await bits(playlist)
        assert bytes.fromhex(profile) in section
        assert len(shown) == 2
        both = (shown, spoken)
        peak = sum(max(size / seconds for size, seconds in one) for one in both)
        mean = sum(sum(size for size, _ in one) / sum(s for _, s in one) for one in both)
        assert int(bandwidth) == pytest.approx(peak, rel=0.001)
        assert int(average) == pytest.approx(mean, rel=0.001)


async def a_moving_image(ann: Person, http: httpx.AsyncClient, base: str) -> None:
    for kind in ("GIF", "WEBP"):
        media_id = await upload(ann, films.moving(8, (120, 90), kind))
        poster = await http.get(f"{base}/m/{media_id}/medium.jpg")
        assert Image.open(BytesIO(poster.content)).size == (120, 90)
        for form, codec in (("mp4", "h264"), ("webm", "vp9")):
            found = await in_thread(partial(_played, f"{base}/m/{media_id}/motion.{form}"))
            assert found == (codec, 8, 280)


def _played(url: str) -> tuple[str, int, int]:
    """Codec, frames, and after how many milliseconds the last is shown."""
    with av.open(url, "r") as file:
        video = file.streams.video[0]
        times = [frame.time for frame in file.decode(video)]
        assert times[-1] is not None
        return video.codec.canonical_name, len(times), round(times[-1] * 1000)
