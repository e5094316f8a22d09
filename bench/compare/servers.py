"""The servers that are compared: how each is started, and that it is ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.compare import builds
from realtime.bench.run import pinned

STARTUP = 30.0  # seconds
GRACE = 5.0  # for the end; what is left then is killed
SAID = 2000  # characters of what a failed server said that are shown


class ServerFailed(Exception):
    """A server did not start: there are no figures of it."""


class Running(NamedTuple):
    pid: int
    port: int


@dataclass(frozen=True)
class Server:
    """One of the compared. `command` is given the folder of its data."""

    name: str
    title: str
    command: Callable[[Path], Sequence[str]]
    dialect: str = "sunwire"
    needs: str = ""
    """What `builds.build` has to make for it."""


def _python(module: str, *flags: str) -> Callable[[Path], list[str]]:
    return lambda _: [
        str(builds.VENV / "bin/python"),
        "-m",
        f"bench.compare.peers.{module}",
        *flags,
    ]


def _node(*flags: str) -> Callable[[Path], list[str]]:
    return lambda _: ["node", str(builds.HERE / "peers/node/server.js"), *flags]


def _go(*flags: str) -> Callable[[Path], list[str]]:
    return lambda _: [str(builds.CENTRIFUGE), *flags]


def sunwire(flags: Sequence[str] = ()) -> Server:
    """Sunwire, with further settings (`--transport portable`)."""

    def command(data: Path) -> list[str]:
        own = [sys.executable, "-m", "bench.compare.sunwire_server"]
        return [*own, "--data", str(data), "--log-level", "warning", *flags]

    return Server("sunwire", "Sunwire", command)


PEERS = (
    Server("picows", "picows + uvloop", _python("picows_server"), needs="venv"),
    Server("picows-batch", "picows, batching", _python("picows_server", "--batch"), needs="venv"),
    Server("websockets", "websockets + uvloop", _python("websockets_server"), needs="venv"),
    Server("aiohttp", "aiohttp + uvloop", _python("aiohttp_server"), needs="venv"),
    Server("node", "Node ws", _node(), needs="node"),
    Server("node-batch", "Node ws, batching", _node("--batch"), needs="node"),
    Server("centrifuge", "centrifuge (Go)", _go(), "centrifuge", needs="centrifuge"),
    Server(
        "centrifuge-batch",
        "centrifuge, tuned batching",
        _go("--batch"),
        "centrifuge",
        needs="centrifuge",
    ),
)


@contextmanager
def running(server: Server, data: Path, cpu: int) -> Iterator[Running]:
    """Runs a server with all its threads on one core (-1: any). Raises `ServerFailed`."""
    environment = {**os.environ, "NODE_PATH": str(builds.NODE / "node_modules")}
    errors = data / "stderr"
    with errors.open("wb") as sink, pinned(cpu):
        process = subprocess.Popen(
            server.command(data),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            cwd=builds.ROOT,
            env=environment,
        )
    try:
        yield Running(process.pid, _port(process, errors))
    finally:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _port(process: subprocess.Popen[bytes], errors: Path) -> int:
    """Waits for the line that says where it serves."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    said = b""
    until = time.monotonic() + STARTUP
    while time.monotonic() < until:
        said += process.stdout.read() or b""
        for line in said.splitlines(keepends=True):
            if line.startswith(b"{") and line.endswith(b"\n"):
                return int(json.loads(line)["port"])
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise ServerFailed(errors.read_text(errors="replace")[-SAID:] or "it said nothing")
