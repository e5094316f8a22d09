"""Both servers: how each is started with an empty cache, where its variants are, and that it is
ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import trio

from bench.compare import builds
from media.images.formats import JPEG
from realtime.bench.population import populate
from realtime.bench.run import pinned
from realtime.testing.process import free_ports
from rpc.client import ClientOptions, dial_urls, open_client
from rpc.client.media import upload
from rpc.proto import models_pb2

HERE = Path(__file__).resolve().parent
VENV = builds.BUILD / "thumbor"
STARTUP, GRACE = 60.0, 10.0  # seconds


class ServerFailed(Exception):
    """There are no figures of it."""


class Variant(NamedTuple):
    """What is asked for: an image whose longer side is `side` pixels."""

    preset: str
    side: int
    ext: str
    quality: int = 0
    """thumbor's, for the formats where it is chosen to give files of our size; 0: as configured."""


class Running(NamedTuple):
    pid: int
    port: int

    def processor_seconds(self) -> float:
        """That it and its processes have used, those that have ended aside."""
        pids = [self.pid]
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
        return sum(map(_processor_seconds, pids))


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server(Protocol):
    name: str

    def running(
        self, folder: Path, cpu: int, processes: int, uploaded: bool = True
    ) -> AbstractContextManager[Running]:
        """Runs it with its caches in the folder, which is empty; `processes` convert.
        `uploaded`: the cache has what uploads leave in it."""
        ...

    def path(self, photograph: Path, variant: Variant) -> str: ...


@dataclass
class Thumbor:
    photographs: Path
    name: str = "thumbor"

    def path(self, photograph: Path, variant: Variant) -> str:
        filters = [f"format({variant.ext})"] if variant.ext != "jpg" else []
        filters += [f"quality({variant.quality})"] if variant.quality else []
        more = f"filters:{':'.join(filters)}/" if filters else ""
        return f"/unsafe/fit-in/{variant.side}x{variant.side}/{more}{photograph.name}"

    @contextmanager
    def running(
        self, folder: Path, cpu: int, processes: int, uploaded: bool = True
    ) -> Iterator[Running]:
        (port,) = free_ports(1)
        config = folder / "thumbor.conf"
        config.write_text(
            f"FILE_LOADER_ROOT_PATH = {str(self.photographs)!r}\n"
            "LOADER = 'thumbor.loaders.file_loader'\n"
            "STORAGE = 'thumbor.storages.no_storage'\n"  # the originals are files already
            "RESULT_STORAGE = 'thumbor.result_storages.file_storage'\n"
            "RESULT_STORAGE_STORES_UNSAFE = True\n"
            f"RESULT_STORAGE_FILE_STORAGE_ROOT_PATH = {str(folder / 'results')!r}\n"
            f"QUALITY = {JPEG.quality}\n"
        )
        command = [
            str(VENV / "bin/thumbor"),
            *("--port", str(port), "--ip", "127.0.0.1", "--conf", str(config)),
            *("--log-level", "error", "--processes", str(processes)),
        ]
        with _process(command, folder / "thumbor.log", cpu) as process:
            yield _wait(process, port, folder / "thumbor.log")


@dataclass
class Sunwire:
    """One whole server, as `serve` starts it: the websockets are there, too."""

    data: Path
    ids: dict[str, str] = field(default_factory=dict)
    name: str = "Sunwire"
    flags: Sequence[str] = ()

    def path(self, photograph: Path, variant: Variant) -> str:
        return f"/m/{self.ids[photograph.name]}/{variant.preset}.{variant.ext}"

    @contextmanager
    def running(
        self, folder: Path, cpu: int, processes: int, uploaded: bool = True
    ) -> Iterator[Running]:
        if uploaded:
            shutil.copytree(self.data / "uploaded", folder / "cache")
        with self._serving(folder, cpu, processes) as (running, _):
            yield running

    @contextmanager
    def _serving(self, folder: Path, cpu: int, processes: int) -> Iterator[tuple[Running, int]]:
        port, websocket, ops = free_ports(3)
        log = folder / "sunwire.log"
        command = [
            *(sys.executable, "-m", "realtime", "serve", "--data", str(self.data)),
            *("--media", f"127.0.0.1:{port}", "--listen", f"127.0.0.1:{websocket}"),
            *("--ops", f"127.0.0.1:{ops}", "--cache", str(folder / "cache")),
            *("--image-workers", str(processes), "--requests-per-second", "0"),
            *("--log-level", "warning", *self.flags),
        ]
        with _process(command, log, cpu) as process:
            yield _wait(process, port, log), websocket

    def take(self, photographs: Sequence[Path], folder: Path) -> None:
        """Uploads what is to be converted, as public photographs."""
        (person,) = trio.run(partial(populate, self.data / "sunwire.db", 1, "alone"))

        async def send(url: str) -> None:
            options = ClientOptions(device="bench", events=0)
            async with open_client(dial_urls([url]), token=person.token, options=options) as client:
                for one in photographs:
                    media = await upload(client, one, models_pb2.PURPOSE_POST)
                    self.ids[one.name] = media.id

        with self._serving(folder, -1, 2) as (_, websocket):
            trio.run(send, f"ws://127.0.0.1:{websocket}")
        shutil.copytree(folder / "cache", self.data / "uploaded")


def build() -> None:
    """thumbor in a virtual environment of its own, locked with hashes. Raises as
    `builds.build`."""
    builds.venv(VENV, HERE / "requirements.txt")


@contextmanager
def _process(command: Sequence[str], log: Path, cpu: int) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as sink, pinned(cpu):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=builds.ROOT,
            process_group=0,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
        # Whatever it has forked: thumbor's processes outlive the one that started them.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> Running:
    """Until it answers anything at all."""
    until = time.monotonic() + STARTUP
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=5):
                return Running(process.pid, port)
        except urllib.error.HTTPError:
            return Running(process.pid, port)
        except OSError:
            time.sleep(0.05)
    raise ServerFailed(log.read_text(errors="replace")[-2000:] or "it said nothing")


def fetch(port: int, path: str, fields: Mapping[str, str] | None = None) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=dict(fields or {}))
    with urllib.request.urlopen(request, timeout=120) as answer:
        data: bytes = answer.read()
    return data
