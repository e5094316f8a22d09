"""One measurement: a fresh server process, a load process, and the figures of both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import trio

from realtime.bench.load import Figures, Task
from realtime.bench.population import Person, populate

STARTUP = 30.0  # seconds
GRACE = 15.0
# What a measurement must not meet: the limits that protect a server from its clients.
FLAGS = ("--calls-per-second", "10000000", "--calls-burst", "10000000", "--log-level", "info")


class BenchError(Exception):
    """The server or the load generator failed: there are no figures."""


class Server(NamedTuple):
    pid: int
    host: str
    port: int


@contextmanager
def server(data: Path, cpu: int, flags: Sequence[str] = ()) -> Iterator[Server]:
    """Runs `serve` on free loopback ports, pinned to a core (-1: not pinned)."""
    log = data / "server.log"
    command = [
        *(sys.executable, "-m", "realtime", "serve", "--data", str(data)),
        *("--listen", "127.0.0.1:0", "--media", "127.0.0.1:0", "--ops", "127.0.0.1:0"),
        *(*FLAGS, *flags),
    ]
    with log.open("wb") as sink, pinned(cpu):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=sink, stdout=sink)
    try:
        yield _wait_until_serving(process, log)
    finally:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def pinned(cpu: int) -> Iterator[None]:
    """What starts a process in here gives it one core."""
    before = os.sched_getaffinity(0)
    if cpu >= 0:
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _wait_until_serving(process: subprocess.Popen[bytes], log: Path) -> Server:
    until = time.monotonic() + STARTUP
    while process.poll() is None and time.monotonic() < until:
        for line in log.read_bytes().splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if said.get("event") == "serving":
                host, port = said["websocket"]
                return Server(process.pid, host, port)
        time.sleep(0.05)
    raise BenchError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")


def measure(
    kind: str,
    *,
    people: int,
    rooms: str,
    server_cpu: int,
    load_cpu: int,
    flags: Sequence[str] = (),
    **wanted: Any,
) -> Figures:
    """Runs one measurement in a folder of its own. Raises `BenchError`."""
    with tempfile.TemporaryDirectory(prefix="sunwire-bench-") as folder:
        data = Path(folder)
        population: list[Person] = trio.run(partial(populate, data / "sunwire.db", people, rooms))
        with server(data, server_cpu, flags) as where:
            task = Task(
                kind=kind,
                host=where.host,
                port=where.port,
                server_pid=where.pid,
                people=population,
                cpu=load_cpu,
                **wanted,
            )
            done = subprocess.run(
                [sys.executable, "-m", "realtime.bench.load"],
                input=msgspec.json.encode(task),
                capture_output=True,
                check=False,
            )
    if done.returncode:
        raise BenchError(f"the load generator failed: {done.stderr.decode()[-2000:]}")
    sys.stderr.write(done.stderr.decode())
    return msgspec.json.decode(done.stdout, type=Figures)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
