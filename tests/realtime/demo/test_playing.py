"""What is wrong with a stream, a clip, a voice or a picture is found; of a good one nothing."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import httpx
import pytest
from PIL import Image

from media.motion.facts import Encoding, MotionLimits, Rendition
from media.motion.jobs import picture, sound, voice
from media.motion.kinds import Container
from media.motion.playlists import Listed, media_playlist, multivariant_playlist
from realtime.demo.playing import first_look, play, public_urls
from realtime.demo.sources import FILM, GIF, PHOTOGRAPH
from rpc.proto import models_pb2
from tests.media import films

BASE = "http://media.test"
SECONDS = 1.0
PLAYLIST, INIT, SEGMENT = "application/vnd.apple.mpegurl", "video/mp4", "video/iso.segment"

Site = dict[str, tuple[str, bytes]]
"""MIME types and bytes, by path."""


def made() -> Site:
    """A film's stream, its poster, a clip and a voice."""
    encoding, limits = Encoding(preset="ultrafast", segment_seconds=0.5), MotionLimits()
    with NamedTemporaryFile() as file:
        path = Path(file.name)
        path.write_bytes(films.film(SECONDS))
        rungs = [picture(path, Container.MP4, side, encoding, limits) for side in (60, 120)]
        heard = sound(path, Container.MP4, encoding, limits)
        spoken = voice(path, Container.MP4, "m4a", limits)
    site: Site = {}

    def put(name: str, one: Rendition) -> Listed:
        site[f"/m/f/hls/{name}i.mp4"] = (INIT, one.init)
        names = []
        for number, segment in enumerate(one.segments):
            names.append((f"{name}{number}.m4s", segment.seconds))
            site[f"/m/f/hls/{name}{number}.m4s"] = (SEGMENT, segment.data)
        text = media_playlist(f"{name}i.mp4", names)
        site[f"/m/f/hls/{name}.m3u8"] = (PLAYLIST, text.encode())
        return Listed(f"{name}.m3u8", one)

    text = multivariant_playlist(
        [put("small", rungs[0]), put("large", rungs[1])], put("sound", heard)
    )
    site["/m/f/hls/index.m3u8"] = (PLAYLIST, text.encode())
    out = BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    site["/m/f/medium.jpg"] = ("image/jpeg", out.getvalue())
    site["/m/f/motion.mp4"] = ("video/mp4", films.indexed())
    site["/m/f/voice.m4a"] = ("audio/mp4", spoken)
    return site


@pytest.fixture(name="whole", scope="module")
def _whole() -> Site:
    return made()


def http_of(site: Site, status: int = 404) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path not in site:
            headers = {"Retry-After": "1"} if status == 503 else {}
            return httpx.Response(status, headers=headers)
        mime, data = site[request.url.path]
        return httpx.Response(200, headers={"Content-Type": mime}, content=data)

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def said_of(site: Site, path: str, seconds: float) -> str:
    async with http_of(site) as http:
        return await play(http, f"{BASE}{path}", seconds)


INDEX = "/m/f/hls/index.m3u8"


@pytest.mark.parametrize(
    ("path", "seconds"),
    [(INDEX, 1.0), ("/m/f/medium.jpg", 0), ("/m/f/motion.mp4", 0.48), ("/m/f/voice.m4a", 1.0)],
)
async def test_what_plays_makes_no_difference(whole: Site, path: str, seconds: float) -> None:
    assert await said_of(whole, path, seconds) == ""
    assert await said_of({**whole, path: ("text/plain", whole[path][1])}, path, seconds)
    half = (whole[path][0], whole[path][1][: len(whole[path][1]) // 3])
    assert await said_of({**whole, path: half}, path, seconds)
    if seconds:
        assert "seconds" in await said_of(whole, path, seconds + 0.5)


async def test_each_file_of_a_stream_that_is_missing_is_found(whole: Site) -> None:
    files = [path for path in whole if path.startswith("/m/f/hls/")]
    assert len(files) > 10
    for path in files:
        site = {one: content for one, content in whole.items() if one != path}
        assert "status 404" in await said_of(site, INDEX, SECONDS), path


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda text: text.replace(b"160x120", b"320x240"), "320x240 has 160x120"),
        (lambda text: text.split(b"#EXT-X-STREAM-INF")[0], "0 rungs"),
        (lambda text: text.replace(b"TYPE=AUDIO", b"TYPE=VIDEO"), "0 sounds"),
    ],
)
async def test_a_playlist_that_says_what_is_not_so(
    whole: Site, change: Callable[[bytes], bytes], word: str
) -> None:
    text = change(whole[INDEX][1])
    assert word in await said_of({**whole, INDEX: (PLAYLIST, text)}, INDEX, SECONDS)


def film(**fields: Any) -> models_pb2.MediaObject:
    motion = models_pb2.Motion(stream="/m/f/hls/index.m3u8")
    values: dict[str, Any] = {
        "url": "/m/f/medium.jpg",
        "color": "#aa0022",
        "thumbhash": b"hash",
        "motion": motion,
    }
    return models_pb2.MediaObject(**(values | fields))


async def test_a_film_is_shown_at_once(whole: Site) -> None:
    poster = {"/m/f/medium.jpg": whole["/m/f/medium.jpg"]}
    for site, status in ((whole, 404), (poster, 503)):
        async with http_of(site, status) as http:
            assert await first_look(http, BASE, film()) == ""
    async with http_of(poster) as http:
        assert "status 404" in await first_look(http, BASE, film())
        assert "colour" in await first_look(http, BASE, film(color=""))
        assert "hash" in await first_look(http, BASE, film(thumbhash=b""))
    async with http_of({}, 503) as http:
        assert "poster" in await first_look(http, BASE, film())


def test_where_anybody_sees_it() -> None:
    assert public_urls(film(), FILM) == ["/m/f/medium.jpg", "/m/f/hls/index.m3u8"]
    assert public_urls(film(), PHOTOGRAPH) == ["/m/f/medium.jpg"]
    assert public_urls(film(), GIF)[1:] == ["/m/f/motion.mp4", "/m/f/motion.webm"]
