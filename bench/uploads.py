"""Measures uploads of 100 MB, and reads of 1 MB out of 1 GB, on both stores of blobs.

`python -m bench.uploads --cassandra HOST:PORT` starts a server on the folder and one on a new
keyspace of that node in turn (`scripts/backends/cassandra` starts one), each on one core and the
client on another. An upload is a film with bytes behind it that its decoder skips: by PUT, and by
tus in pieces of 1 MB on one connection. Without `--cassandra` it is the folder alone. What is
made is removed again. With `--out FILE` the table is written there too.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import trio

from realtime.bench.run import percentile
from realtime.testing.client import TestClient
from realtime.testing.process import ServerProcess
from rpc.proto.models_pb2 import MOTION_PREPARING
from store.blobs import CHUNK, BlobStore, LocalBlobs
from store.blobs.cassandra.address import parse
from store.blobs.cassandra.blobs import CassandraBlobs
from tests.media.films import film
from tests.real.process import server_process

MB = 1000 * 1000
SIZE = 100 * MB
LARGE = 1000 * MB
PIECE = MB
READS = 200
PATIENCE = 120.0  # seconds for a film to be prepared
KEYSPACE = "sunwire_bench_uploads"
FLAGS = ("--max-upload", str(2 * LARGE))


class Upload(NamedTuple):
    """Of one upload."""

    speed: float  # MB a second, until it is answered
    cpu: float  # seconds of the server's processor
    memory: float  # MB by which the server's resident memory grew, at most
    client: float  # share of its core that the client used


class Read(NamedTuple):
    """Of many reads of one range each."""

    seconds: list[float]
    chunks: list[int]


class Watch:
    """What a process uses, beside this one."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # begins the peak anew
        self._memory = self._status("VmRSS")
        self._cpu = self._seconds()

    def _status(self, name: str) -> float:
        for line in Path(f"/proc/{self._pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024 / MB
        raise LookupError(name)

    def _seconds(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def growth(self) -> float:
        return self._status("VmHWM") - self._memory

    def cpu(self) -> float:
        return self._seconds() - self._cpu


def video(size: int) -> bytearray:
    """A film, and a box that nobody reads up to the size."""
    begin = film(seconds=1, width=320, height=240)
    lack = size - len(begin)
    data = bytearray(begin)
    data += lack.to_bytes(4, "big") + b"free"
    data += os.urandom(lack - 8)
    return data


class Client:
    """Blocks: it has a thread and a core of its own."""

    def __init__(self, port: int, core: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=600)
        self._core = core

    def _ask(self, method: str, path: str, body: Any, wanted: int, **headers: str) -> HTTPResponse:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with suppress(BrokenPipeError, ConnectionResetError):  # it says why, and hangs up
            self._connection.request(method, path, body, names)
        answer = self._connection.getresponse()
        if answer.status != wanted:
            raise RuntimeError(f"{method}: {answer.status} {answer.read()[:500]!r}")
        return answer

    def put(self, path: str, data: bytearray) -> None:
        self._connection.close()  # the next request makes it anew: the server waits for none
        self._ask("PUT", path, data, 201, Content_Length=str(len(data))).read()

    def tus(self, path: str, data: bytearray) -> None:
        self._connection.close()
        with memoryview(data) as view:
            for at in range(0, len(data), PIECE):
                self._ask(
                    "PATCH",
                    path,
                    view[at : at + PIECE],
                    204,
                    Tus_Resumable="1.0.0",
                    Upload_Offset=str(at),
                    Content_Type="application/offset+octet-stream",
                    Content_Length=str(min(PIECE, len(data) - at)),
                ).read()

    def range(self, path: str, start: int) -> bytes:
        answer = self._ask("GET", path, None, 206, Range=f"bytes={start}-{start + MB - 1}")
        return answer.read()

    async def run(self, what: Any, *args: Any) -> tuple[float, float]:
        """The seconds that it takes, and those of this side's core."""

        def timed() -> tuple[float, float]:
            os.sched_setaffinity(0, {self._core})  # of this thread
            began, used = time.perf_counter(), time.thread_time()
            what(*args)
            return time.perf_counter() - began, time.thread_time() - used

        return await trio.to_thread.run_sync(timed)


class Bench:
    """A server on one core, and a client of it on the other."""

    def __init__(self, server: ServerProcess, owner: TestClient, core: int) -> None:
        self._server = server
        self._owner = owner
        self._client = Client(server.media_port, core)

    async def _ticket(self, size: int) -> tuple[str, str]:
        made = await self._owner.call("Media.CreateUpload", purpose=1, size=size)
        parts = urlsplit(made.url)
        return made.media_id, f"{parts.path}?{parts.query}"

    async def upload(self, way: str, data: bytearray) -> tuple[str, Upload]:
        media_id, path = await self._ticket(len(data))
        assert self._server.process is not None
        watch = Watch(self._server.process.pid)
        seconds, used = await self._client.run(getattr(self._client, way), path, data)
        found = Upload(len(data) / MB / seconds, watch.cpu(), watch.growth(), used / seconds)
        with trio.fail_after(PATIENCE):  # what is made of it is not to be measured with the next
            while await self._is_preparing(media_id):  # noqa: ASYNC110 - real time
                await trio.sleep(0.1)
        return media_id, found

    async def _is_preparing(self, media_id: str) -> bool:
        """Whether something is still being made of it."""
        media = await self._owner.call("Media.GetMedia", media_id=media_id)
        return bool(media.motion.state == MOTION_PREPARING)

    async def ranges(self, media_id: str, data: bytearray) -> list[float]:
        """Reads through the server, each compared with what was sent."""
        links = await self._owner.call("Media.LinkMedia", media_ids=[media_id])
        parts = urlsplit(links.links[0].url)
        path = f"{parts.path}?{parts.query}"
        found = []
        for start in starts(len(data)):

            def read(start: int = start) -> None:
                assert self._client.range(path, start) == data[start : start + MB]

            found.append((await self._client.run(read))[0])
        return found


def starts(size: int) -> list[int]:
    chance = random.Random(1)
    return [chance.randrange(size - MB) for _ in range(READS)]


async def counted(blobs: BlobStore, size: int) -> Read:
    """Reads from the store itself, with the chunks that each takes from the disk or a node."""
    touched = 0

    def count(inner: Any, name: str) -> None:
        method = getattr(inner, name)

        def counting(*args: Any) -> Any:
            nonlocal touched
            touched += 1
            return method(*args)

        setattr(inner, name, counting)

    digest = None
    async for found in blobs.put_before(1 << 60):
        for one in found:
            info = await blobs.stat(one)
            if info is not None and info.size == size:
                digest = one
    assert digest is not None
    if isinstance(blobs, CassandraBlobs):
        count(blobs, "read_chunk")
    seconds, chunks = [], []
    for start in starts(size):
        touched = 0
        began = time.perf_counter()
        async with blobs.open(digest) as blob:
            if isinstance(blobs, LocalBlobs):
                count(blob, "_read")
            got = 0
            async for piece in blob.chunks(start, start + MB):
                got += len(piece)
        seconds.append(time.perf_counter() - began)
        chunks.append(touched)
        assert got == MB
        assert touched <= (start + MB - 1) // CHUNK - start // CHUNK + 1
    return Read(seconds, chunks)


class Found(NamedTuple):
    put: list[Upload]
    tus: list[Upload]
    large: list[Upload]
    served: list[float]
    read: list[Read]


class Place(NamedTuple):
    """A store of blobs: what tells the server of it, and the store itself."""

    flags: tuple[str, ...]
    data: Path
    url: str = ""

    def open(self) -> AbstractAsyncContextManager[BlobStore]:
        return self._cassandra() if self.url else self._local()

    @asynccontextmanager
    async def _local(self) -> AsyncIterator[BlobStore]:
        yield LocalBlobs(self.data / "blobs")

    @asynccontextmanager
    async def _cassandra(self) -> AsyncIterator[BlobStore]:
        blobs = await CassandraBlobs.connect(parse(self.url), create=True)
        try:
            yield blobs
        finally:
            await blobs.aclose()

    async def remove(self) -> None:
        if self.url:
            async with self._cassandra() as blobs:
                assert isinstance(blobs, CassandraBlobs)
                await blobs._cluster.run(f"DROP KEYSPACE {KEYSPACE}")


async def measure(place: Place, times: int, cores: Sequence[int]) -> Found:
    within = ("taskset", "-c", str(cores[0]))
    found = Found([], [], [], [], [])
    try:
        async with server_process(place.data, *FLAGS, *place.flags, within=within) as server:
            bench = Bench(server, await server.sign_up("bench"), cores[1])
            await bench.upload("put", video(10 * MB))  # what is imported and connected once
            for _ in range(times):
                for way, runs in (("put", found.put), ("tus", found.tus)):
                    runs.append((await bench.upload(way, video(SIZE)))[1])
            data = video(LARGE)
            media_id, upload = await bench.upload("put", data)
            found.large.append(upload)
            found.served.extend(await bench.ranges(media_id, data))
        async with place.open() as blobs:
            found.read.append(await counted(blobs, LARGE))
    finally:
        await place.remove()
    return found


def _spread(values: Sequence[float], form: str) -> str:
    middle = format(statistics.median(values), form)
    if len(values) == 1:
        return middle
    return f"{middle} ({format(min(values), form)}–{format(max(values), form)})"


def _times(seconds: Sequence[float]) -> str:
    return " / ".join(f"{percentile(seconds, share) * 1000:.1f}" for share in (0.5, 0.99))


def rows(found: Found) -> Iterator[tuple[str, str]]:
    for name, runs in (
        ("PUT of 100 MB", found.put),
        ("tus, 100 MB in pieces of 1 MB", found.tus),
        ("PUT of 1 GB", found.large),
    ):
        yield f"{name}: MB/s", _spread([one.speed for one in runs], ".0f")
        yield f"{name}: seconds of the server's core", _spread([one.cpu for one in runs], ".2f")
        yield (
            f"{name}: share of its core that the client used",
            _spread([one.client for one in runs], ".2f"),
        )
        yield f"{name}: growth of its memory, MB", _spread([one.memory for one in runs], ".1f")
    yield "1 MB out of 1 GB, from the server: p50 / p99 ms", _times(found.served)
    (read,) = found.read
    yield "1 MB out of 1 GB, from the store: p50 / p99 ms", _times(read.seconds)
    yield "chunks touched by it, least to most", f"{min(read.chunks)} to {max(read.chunks)}"


def table(found: dict[str, Found]) -> str:
    lines = ["| measure | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    for cells in zip(*(list(rows(one)) for one in found.values()), strict=True):
        lines.append(f"| {cells[0][0]} | " + " | ".join(cell for _, cell in cells) + " |")
    return "\n".join(lines)


HEAD = """\
Uploads of 100 MB, and 1 MB out of 1 GB. The server has one core, the client the other, which a
Cassandra shares where there is one; medians of {times} uploads of each kind (least–most), of
{reads} ranges at random. An upload is a film of one second with bytes behind it that its decoder
skips: read, kept, looked into by a worker, and answered as a finished object. MB is a million
bytes; memory is the server's own, at its peak, beyond what it had before; workers have processes of
their own. Python {python}, {cores} cores.

```
scripts/backends/cassandra run sh -c \\
  'python -m bench.uploads --cassandra $SUNWIRE_TEST_CASSANDRA --out bench/uploads.md'
```

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cassandra", default="", help="HOST:PORT of one node")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    found = {}
    with tempfile.TemporaryDirectory(prefix="sunwire-bench-") as folder:
        places = {"folder": Place((), Path(folder) / "folder")}
        if arguments.cassandra:
            url = f"cassandra://{arguments.cassandra}/{KEYSPACE}?replication=1"
            places["Cassandra, one node"] = Place(("--blobs", url), Path(folder) / "other", url)
        for name, place in places.items():
            found[name] = trio.run(measure, place, arguments.times, (cores[0], cores[-1]))
            print(table(found), flush=True)
    if arguments.out:
        head = HEAD.format(
            times=arguments.times,
            reads=READS,
            python=platform.python_version(),
            cores=len(cores),
        )
        arguments.out.write_text(head + table(found) + "\n")


if __name__ == "__main__":
    main()
