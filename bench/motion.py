"""Measures conversions of moving images, video and voice: the jobs alone, and through a server.

`python -m bench.motion` makes its material of a photograph that scikit-image ships: a 50-frame GIF
of 480×360 pixels with a palette, and 10 seconds of 1080p with a camera's noise at a phone's bit
rate. Jobs run in this process, on the second core. Each round starts a server of its own on the
first core, so that the first conversion finds no worker process; the last asks when nothing is
left to do for the video.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urljoin

import httpx
import trio

from media.images.rendering import ImageLimits
from media.images.sniff import ImageType
from media.motion import jobs
from media.motion.facts import Encoding, MotionLimits
from media.motion.kinds import Container
from realtime.demo import films
from realtime.demo.photos import photographs
from realtime.testing.process import ServerProcess
from rpc.client import Client, ClientOptions, dial_url, open_client
from rpc.client.events import UpdateReceived
from rpc.client.media import upload
from rpc.proto import auth_pb2, media_pb2, models_pb2
from rpc.proto.stubs import AuthClient, MediaClient

T = TypeVar("T")

GIF = (50, (480, 360))  # frames, size
FILM = (10.0, (1920, 1080))  # seconds, size
GRAIN = 3.0  # levels of noise
VOICE = 30.0  # seconds
PATIENCE = 300.0  # seconds
SETTLED = 4.0  # seconds after a server's start
SERVER, LOAD = 0, 1  # cores

Figures = dict[str, list[float]]  # by what they are of, one of each round


class Material(NamedTuple):
    gifs: Sequence[bytes]  # of different photographs: bytes that are known are converted once
    film: bytes
    voice: bytes


def material() -> Material:
    photos = photographs()
    return Material(
        [films.gif(photo, *GIF) for photo in (photos[2], photos[1])],
        films.film(photos[2], *FILM, grain=GRAIN),
        films.voice(VOICE),
    )


def alone(given: Material, folder: Path, found: Figures) -> None:
    """Each job by itself, where PyAV is imported already."""
    limits, encoding = MotionLimits(), Encoding()

    def timed(what: str, plays: float, job: Callable[..., T], *args: object) -> T:
        started = time.perf_counter()
        done = job(*args)
        took = time.perf_counter() - started
        _keep(found, f"{what}, s", took)
        if plays:
            _keep(found, f"{what}, times as fast as it plays", plays / took)
        return done

    gif = _file(folder, "gif", given.gifs[0])
    for form in ("mp4", "webm"):
        made = timed(f"GIF to {form}", 0, jobs.clip, gif, ImageType.GIF, form, ImageLimits())
        _keep(found, f"GIF to {form}, share of its bytes", len(made) / len(given.gifs[0]))
    film, kind = _file(folder, "film", given.film), Container.MP4
    timed("video, read to its end, and a poster", 0, jobs.probe, film, kind, limits)
    for side in encoding.rungs:
        what = f"video at {side}p"
        rung = timed(what, FILM[0], jobs.picture, film, kind, side, encoding, limits)
        _keep(found, f"{what}, Mbit/s", rung.average / 1e6)
    timed("its sound", FILM[0], jobs.sound, film, kind, encoding, limits)
    timed("GIF preview of it", 0, jobs.preview, film, kind, limits)
    voice, kind = _file(folder, "voice", given.voice), Container.OGG
    timed("voice, waveform", 0, jobs.probe, voice, kind, limits)
    for form in ("m4a", "ogg"):
        timed(f"voice to {form}", VOICE, jobs.voice, voice, kind, form, limits)


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _keep(found: Figures, what: str, value: float) -> None:
    found.setdefault(what, []).append(value)


async def through_a_server(given: Material, folder: Path, found: Figures) -> None:
    """As a user waits for it: uploads, first requests, and the update that a video is ready."""
    async with trio.open_nursery() as nursery:
        within = ("taskset", "--cpu-list", str(SERVER))
        server = ServerProcess(folder, nursery, within=within)
        await server.start()
        try:
            options = ClientOptions(device="bench")
            url = f"ws://127.0.0.1:{server.port}"
            async with (
                open_client(dial_url(url), options=options) as client,
                httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http,
            ):
                await _sign_up(client, server)
                await trio.sleep(SETTLED)
                await _measure(given, client, http, f"http://127.0.0.1:{server.media_port}", found)
        finally:
            await server.aclose()
            nursery.cancel_scope.cancel()


async def _measure(
    given: Material, client: Client, http: httpx.AsyncClient, base: str, found: Figures
) -> None:
    post, chat = models_pb2.PURPOSE_POST, models_pb2.PURPOSE_CHAT

    async def get(what: str, path: str) -> bytes:
        started = trio.current_time()
        answer = (await http.get(urljoin(base, path))).raise_for_status()
        _keep(found, f"{what}, s", trio.current_time() - started)
        return answer.content

    async def put(what: str, data: bytes, purpose: models_pb2.Purpose) -> models_pb2.MediaObject:
        started = trio.current_time()
        media = await upload(client, data, purpose)
        _keep(found, f"{what}, its upload, s", trio.current_time() - started)
        return media

    for data, which in zip(given.gifs, ("a GIF", "another"), strict=True):
        media = await put(which, data, post)
        folder = media.url.rpartition("/")[0]
        await get(f"{which}, as mp4", f"{folder}/motion.mp4")
        await get(f"{which}, as mp4 once more", f"{folder}/motion.mp4")
        await get(f"{which}, as webm", f"{folder}/motion.webm")
        await get(f"{which}, its first frame", media.url)
    voice = await put("voice", given.voice, chat)
    link = media_pb2.LinkMediaRequest(media_ids=[voice.id], preset="voice.m4a")
    links = await MediaClient(client).link_media(link)
    await get("voice, as m4a", links.links[0].url)
    started = trio.current_time()
    film = await put("video", given.film, post)
    await get("video, its poster", film.url)
    with trio.fail_after(PATIENCE):
        await _prepared(client, film.id)
    _keep(
        found,
        "video, from the beginning of its upload to the update that it is ready, s",
        trio.current_time() - started,
    )
    await get("video, its playlist", film.motion.stream)


async def _prepared(client: Client, media_id: str) -> None:
    async for event in client.events:
        if isinstance(event, UpdateReceived) and event.update.media.id == media_id:
            state = event.update.media.motion.state
            if state == models_pb2.MOTION_READY:
                return
            if state == models_pb2.MOTION_FAILED:
                raise RuntimeError("the video could not be prepared")


async def _sign_up(client: Client, server: ServerProcess) -> None:
    auth, address = AuthClient(client), "ann@example.org"
    await auth.request_code(auth_pb2.RequestCodeRequest(address=address))
    code = await server.code(address)
    answer = await auth.sign_in_with_code(
        auth_pb2.SignInWithCodeRequest(address=address, code=code)
    )
    ticket = answer.sign_up_ticket
    await auth.sign_up(auth_pb2.SignUpRequest(ticket=ticket, username="ann", name="Ann"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    given = material()
    found: Figures = {}
    os.sched_setaffinity(0, {LOAD})
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            alone(given, Path(name), found)
            trio.run(through_a_server, given, Path(name) / "data", found)
    sizes = [len(given.gifs[0]), len(given.film), len(given.voice)]
    print("GIF, video, voice: {:,}, {:,} and {:,} bytes\n".format(*sizes))
    print("| measure | median | least–most |\n|---|---|---|")
    for what, values in found.items():
        middle = statistics.median(values)
        print(f"| {what} | {_number(middle)} | {_number(min(values))}–{_number(max(values))} |")


def _number(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


if __name__ == "__main__":
    main()
