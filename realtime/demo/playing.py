"""Whether video, moving images and voice are there to be seen and heard, as a player takes them: it
follows what playlists name, and decodes what comes. Each check answers what is wrong."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from io import BytesIO
from typing import NamedTuple
from urllib.parse import urljoin

import av
import httpx
import trio
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from PIL import Image

from realtime.demo.sources import FILM, GIF, VOICE
from rpc.proto import models_pb2

TIMEOUT = 30.0  # seconds
TOLERANCE = 0.15  # seconds that a piece may play longer or shorter
COLOR = re.compile(r"#[0-9a-f]{6}")

Play = Callable[[httpx.AsyncClient, str, float], Awaitable[str]]


class Decoded(NamedTuple):
    """Of the picture, or where there is none of the sound."""

    width: int
    height: int
    frames: int
    seconds: float


class Wrong(Exception):
    """What is not as it should be."""


def open_http() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)


async def _get(http: httpx.AsyncClient, url: str, mime: str) -> bytes:
    answer = await http.get(url)
    kind = answer.headers.get("content-type", "")
    if (answer.status_code, kind) != (200, mime):
        raise Wrong(f"status {answer.status_code}, {kind}, not {mime}")
    return answer.content


def _decoded(data: bytes) -> Decoded:
    """Raises `Wrong` for what no decoder takes."""
    try:
        with av.open(BytesIO(data), "r") as file:
            width = height = frames = 0
            end = 0.0
            for frame in file.decode(file.streams[0]):
                frames += 1
                if isinstance(frame, VideoFrame):
                    width, height = frame.width, frame.height
                    end = (frame.time or 0.0) + float((frame.duration or 0) * _base(frame))
                elif isinstance(frame, AudioFrame):
                    end = (frame.time or 0.0) + frame.samples / frame.sample_rate
            return Decoded(width, height, frames, end)
    except (av.FFmpegError, IndexError) as error:
        raise Wrong(f"it does not play: {error}") from error


def _base(frame: VideoFrame) -> float:
    return float(frame.time_base or 0)


async def _play(data: bytes, seconds: float, what: str) -> Decoded:
    found = await trio.to_thread.run_sync(_decoded, data)
    if not found.frames or abs(found.seconds - seconds) > TOLERANCE:
        raise Wrong(f"{what} plays {found.seconds:.2f} of {seconds:.2f} seconds")
    return found


async def _stream(http: httpx.AsyncClient, url: str, seconds: float) -> None:
    """Every rung of the ladder, and the sound."""

    async def rendition(name: str) -> bytes:
        text = (await _get(http, urljoin(url, name), PLAYLIST)).decode()
        (init,) = re.findall(r'#EXT-X-MAP:URI="([^"]+)"', text)
        names = re.findall(r"^[^#\n]+$", text, re.M)
        pieces = [await _get(http, urljoin(url, init), "video/mp4")]
        pieces += [await _get(http, urljoin(url, name), "video/iso.segment") for name in names]
        return b"".join(pieces)

    index = (await _get(http, url, PLAYLIST)).decode()
    sounds = re.findall(r'TYPE=AUDIO.*URI="([^"]+)"', index)
    rungs = re.findall(r"BANDWIDTH=\d+.*RESOLUTION=(\d+)x(\d+).*\n([^#\n]+)$", index, re.M)
    if len(rungs) < 2 or len(sounds) != 1:
        raise Wrong(f"{len(rungs)} rungs and {len(sounds)} sounds")
    for width, height, name in rungs:
        found = await _play(await rendition(name), seconds, f"{height}p")
        if (found.width, found.height) != (int(width), int(height)):
            raise Wrong(f"{width}x{height} has {found.width}x{found.height}")
    await _play(await rendition(sounds[0]), seconds, "its sound")


async def _clip(http: httpx.AsyncClient, url: str, seconds: float) -> None:
    await _play(await _get(http, url, f"video/{url.rpartition('.')[2]}"), seconds, "it")


async def _voice(http: httpx.AsyncClient, url: str, seconds: float) -> None:
    await _play(await _get(http, url, "audio/mp4"), seconds, "it")


async def _picture(http: httpx.AsyncClient, url: str, seconds: float) -> None:
    data = await _get(http, url, "image/jpeg")
    try:
        Image.open(BytesIO(data)).load()
    except OSError as error:
        raise Wrong(f"no picture: {error}") from error


async def _said(check: Callable[[], Awaitable[None]]) -> str:
    try:
        await check()
    except Wrong as error:
        return str(error)
    except httpx.HTTPError as error:
        return f"{type(error).__name__} {error}"
    return ""


PLAYLIST = "application/vnd.apple.mpegurl"
CHECKS = {"picture": _picture, "hls": _stream, "clip": _clip, "voice": _voice}
LINKS = {FILM: ("large", "hls"), GIF: ("large", "motion.mp4"), VOICE: ("voice.m4a",)}
"""What is asked for of each kind; a photograph is shown in the size `large`."""


async def play(http: httpx.AsyncClient, url: str, seconds: float) -> str:
    """What is wrong with what a URL leads to, by its name; "" where nothing is."""
    name = url.partition("?")[0]
    kind = {"m3u8": "hls", "mp4": "clip", "webm": "clip", "m4a": "voice"}.get(
        name.rpartition(".")[2], "picture"
    )
    return await _said(partial(CHECKS[kind], http, url, seconds))


def public_urls(media: models_pb2.MediaObject, kind: str) -> list[str]:
    """The paths at which anybody sees it, a picture first."""
    folder = media.url.rpartition("/")[0]
    if kind == FILM:
        return [media.url, media.motion.stream]
    if kind == GIF:
        return [media.url, f"{folder}/motion.mp4", f"{folder}/motion.webm"]
    return [media.url]


async def first_look(http: httpx.AsyncClient, base: str, media: models_pb2.MediaObject) -> str:
    """What is wrong with a public film right after its upload: a colour and a blurred picture for
    its place come with it, its poster is there, and its stream is there or on its way."""
    if not COLOR.fullmatch(media.color):
        return f"the colour {media.color!r}"
    if not media.thumbhash:
        return "no hash of what it looks like"
    said = await play(http, urljoin(base, media.url), 0)
    if said:
        return f"its poster: {said}"
    answer = await http.get(urljoin(base, media.motion.stream))
    if answer.status_code == 503 and "retry-after" in answer.headers:
        return ""
    return "" if answer.status_code == 200 else f"its stream: status {answer.status_code}"
