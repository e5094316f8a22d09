"""Runs rows: a fresh server with empty caches and a fresh load generator for each figure."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy
from PIL import Image
from skimage.metrics import structural_similarity

from bench.photos.load import Figures, Task
from bench.photos.rows import BUSY, CACHED, CONNECTIONS, RATE, TOLERANCE, Row
from bench.photos.servers import Running, Server, ServerFailed, Sunwire, Thumbor, Variant, fetch
from bench.pictures import camera_jpeg

similarity: Any = structural_similarity

SETTLED = 3.0  # seconds for what a server does once after its start: processes, imports
WARM = 4  # photographs that are asked for before it counts
SEEN = 6  # photographs whose answers are looked at
LIMIT = 300.0  # seconds that a load generator may take


class Seen(msgspec.Struct):
    """What was answered, looked at."""

    size: tuple[int, int]
    bytes: float  # mean of a file
    ssim: float  # mean, to the photograph resized without loss
    quality: int  # that thumbor was asked for; 0: as configured


@dataclass
class Bench:
    """`folder` is for everything that is written."""

    folder: Path
    photographs: int
    seconds: float
    cores: int = 2
    sources: dict[str, list[Path]] = field(default_factory=dict)

    def prepare(self) -> None:
        made = self.folder / "photographs"
        many = self.photographs + WARM
        made.mkdir()
        for name, count, (width, height) in (
            ("12mp", many, (4000, 3000)),
            ("2mp", many, (1600, 1200)),
            ("cached", 8, (1600, 560)),
        ):
            self.sources[name] = [made / f"{name}{number}.jpg" for number in range(count)]
            for number, path in enumerate(self.sources[name]):
                path.write_bytes(camera_jpeg(width, height, number))
        self.thumbor = Thumbor(made)
        data = self.folder / "data"
        data.mkdir()
        self.sunwire = Sunwire(data)
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            self.sunwire.take([one for many in self.sources.values() for one in many], Path(folder))

    @contextmanager
    def fresh(
        self, server: Server, cpu: int, processes: int, uploaded: bool = True
    ) -> Iterator[Running]:
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as folder,
            server.running(Path(folder), cpu, processes, uploaded) as running,
        ):
            yield running

    def measure(self, row: Row, server: Server, quality: int) -> Figures:
        variant = row.variant._replace(quality=quality)
        paths = [server.path(one, variant) for one in self.sources[row.source]]
        if row.kind == "first":
            with self.fresh(server, -1, self.cores, row.uploaded) as running:
                warm, once = paths[:WARM], paths[WARM:]
                _load(Task(port=running.port, paths=warm, connections=WARM, fresh=True))
                task = Task(
                    port=running.port, paths=once, connections=CONNECTIONS["first"], fresh=True
                )
                time.sleep(SETTLED)
                before = running.processor_seconds()
                figures = _load(task)
                figures.server = running.processor_seconds() - before
                return figures
        with self.fresh(server, 0, 1) as running:
            for path in paths:
                fetch(running.port, path)
            time.sleep(SETTLED)
            return _load(
                Task(
                    port=running.port,
                    paths=paths,
                    connections=CONNECTIONS["cached"],
                    seconds=self.seconds,
                    warm_up=1.0,
                    cpu=1,
                )
            )

    def behind_encodes(self) -> tuple[Figures, Figures]:
        """Cached variants of Sunwire at a fixed rate: alone, and while all workers encode."""
        with self.fresh(self.sunwire, -1, self.cores) as running:
            hot = [self.sunwire.path(one, CACHED) for one in self.sources["cached"]]
            for path in hot:
                fetch(running.port, path)
            time.sleep(SETTLED)
            asked = Task(
                port=running.port,
                paths=hot,
                connections=CONNECTIONS["cached"],
                rate=RATE,
                seconds=self.seconds,
                warm_up=1.0,
            )
            idle = _load(asked)
            encodes = [
                self.sunwire.path(one, variant)
                for variant in BUSY
                for one in (*self.sources["12mp"], *self.sources["2mp"])
            ]
            busy = Task(
                port=running.port,
                paths=encodes,
                connections=2 * self.cores,
            )
            with _started(busy) as encoding:
                behind = _load(asked)
                if encoding.poll() is not None:
                    raise ServerFailed("the workers were done before the time was over")
            return idle, behind

    def look(self, row: Row) -> dict[str, Seen]:
        """Raises `ServerFailed` where the answers are not of one size."""
        with self.fresh(self.sunwire, -1, self.cores, row.uploaded) as running:
            own = self._seen(row, self.sunwire, running, row.variant)
        with self.fresh(self.thumbor, -1, self.cores) as running:
            if not row.equal_size:
                other = self._seen(row, self.thumbor, running, row.variant)
            else:
                other = self._of_equal_size(row, running, own)
        if own.size != other.size:
            raise ServerFailed(f"{row.key}: {own.size} is not {other.size}")
        return {"Sunwire": own, "thumbor": other}

    def _of_equal_size(self, row: Row, running: Running, own: Seen) -> Seen:
        """At the best quality that makes its files no larger than ours."""
        low, high = 10, 101  # qualities; files grow with them
        best: Seen | None = None
        while low < high:
            middle = (low + high) // 2
            seen = self._seen(row, self.thumbor, running, row.variant._replace(quality=middle))
            if seen.bytes <= own.bytes:
                best, low = seen, middle + 1
            else:
                high = middle
        if best is None or 1 - best.bytes / own.bytes > TOLERANCE:
            raise ServerFailed(f"{row.key}: no quality of thumbor's gives files of our size")
        return best

    def _seen(self, row: Row, server: Server, running: Running, variant: Variant) -> Seen:
        sizes, found, dimensions = [], [], set()
        for photograph in self.sources[row.source][:SEEN]:
            data = fetch(running.port, server.path(photograph, variant))
            image = Image.open(BytesIO(data)).convert("RGB")
            sizes.append(len(data))
            dimensions.add(image.size)
            plain = Image.open(photograph).convert("RGB")
            plain = plain.resize(image.size, Image.Resampling.LANCZOS)
            grey = [numpy.asarray(one.convert("L")) for one in (plain, image)]
            found.append(similarity(*grey))
        if len(dimensions) != 1:
            raise ServerFailed(f"{row.key}: answers of several sizes")
        return Seen(dimensions.pop(), _mean(sizes), _mean(found), variant.quality)


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))


COMMAND = [sys.executable, "-m", "bench.photos.load"]


def _load(task: Task) -> Figures:
    done = subprocess.run(
        COMMAND, input=msgspec.json.encode(task), capture_output=True, check=False, timeout=LIMIT
    )
    if done.returncode:
        raise ServerFailed(done.stderr.decode(errors="replace")[-2000:])
    return msgspec.json.decode(done.stdout, type=Figures)


@contextmanager
def _started(task: Task) -> Iterator[subprocess.Popen[bytes]]:
    """A load that goes on meanwhile, and is broken off."""
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    with process.stdin as into:
        into.write(msgspec.json.encode(task))
    try:
        yield process
    finally:
        process.kill()
        process.wait()
