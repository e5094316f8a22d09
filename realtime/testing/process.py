"""A real server as a process of its own, on the ports of the loopback."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

ROOT = Path(__file__).resolve().parents[2]  # where `realtime` is imported from
STARTUP = 30.0  # seconds
LAST_LINES = 5  # of its log, told when it does not start


class ServerError(Exception):
    """The server did not do what a server must."""


class ServerProcess:
    """`python -m realtime serve`, which may be killed and started again on the same ports and
    data. It learns the sign-in codes from the server's log, where the default sender puts them.

    `lines` is the log since the last start, each line as the object that it is; `process` is
    the last one started.
    """

    def __init__(
        self,
        data: Path,
        nursery: trio.Nursery,
        *flags: str,
        program: Sequence[str] = ("realtime", "serve"),
        within: Sequence[str] = (),
        folder: Path = ROOT,
        variables: Mapping[str, str] | None = None,
        on_output: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """`program` is what `python -m` runs; it takes the flags of `serve`. `within` is a
        command that runs the process, which follows as its arguments. The process works in
        `folder`, with further environment `variables`; settings in ours are not for it.
        `on_output` is called with all that it writes."""
        self._command = [*within, sys.executable, "-m", *program, "--data", str(data)]
        self._nursery = nursery
        self._flags = flags
        self._folder = folder
        self._variables = variables or {}
        self._on_output = on_output
        self._stirred = trio.Event()
        self._ended: trio.Process | None = None
        self.port, self.media_port, self.ops_port = free_ports(3)
        self.codes: dict[str, str] = {}
        self.lines: list[dict[str, Any]] = []
        self.process: trio.Process | None = None

    async def start(self) -> None:
        """Starts it and returns when it listens. Raises `ServerError`."""
        self.lines.clear()
        process = self.process = await trio.lowlevel.open_process(
            [
                *self._command,
                *("--listen", f"127.0.0.1:{self.port}"),
                *("--media", f"127.0.0.1:{self.media_port}"),
                *("--ops", f"127.0.0.1:{self.ops_port}"),
                *self._flags,
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self._folder,
            env={**_environment(), **self._variables},
        )
        self._nursery.start_soon(self._read, process)
        with trio.move_on_after(STARTUP):
            while not self._has("serving"):
                if self._ended is process:
                    await process.wait()
                    said = " ".join(map(str, self.lines[-LAST_LINES:]))
                    raise ServerError(f"the server did not start: {said}")
                await self._stirred.wait()
            return
        raise ServerError(f"the server did not listen within {STARTUP:g} seconds")

    async def _read(self, process: trio.Process) -> None:
        assert process.stderr is not None
        rest = b""
        async with process.stderr:
            async for data in process.stderr:
                self._on_output(bytes(data))
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._take(line)
                self._stir()
        self._ended = process
        self._stir()

    def _take(self, raw: bytes) -> None:
        try:
            line = json.loads(raw)
        except ValueError:
            line = {"event": raw.decode(errors="replace")}
        self.lines.append(line)
        if line.get("event") == "sign-in code":
            self.codes[line["address"]] = line["code"]

    def _stir(self) -> None:
        stirred, self._stirred = self._stirred, trio.Event()
        stirred.set()

    def _has(self, event: str) -> bool:
        return any(line["event"] == event for line in self.lines)

    def line(self, event: str) -> dict[str, Any]:
        """The first line of the log about the event, since the last start."""
        return next(line for line in self.lines if line["event"] == event)

    async def wait_line(self, event: str, within: float = 5) -> dict[str, Any]:
        with trio.fail_after(within):
            while not self._has(event):
                await self._stirred.wait()
        return self.line(event)

    async def code(self, address: str, within: float = 5) -> str:
        """The code that was sent to an address; waits for it."""
        with trio.fail_after(within):
            while address not in self.codes:
                await self._stirred.wait()
        return self.codes[address]

    async def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self, within: float) -> int:
        """SIGTERM; returns its exit code when it has ended and its log is read to the end.
        Raises `trio.TooSlowError`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        with trio.fail_after(within):
            code = await self.process.wait()
            while self._ended is not self.process:
                await self._stirred.wait()
        return code

    async def aclose(self) -> None:
        """Whatever became of it, it is gone afterwards."""
        with trio.CancelScope(shield=True):
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                await self.process.wait()


def _environment() -> dict[str, str]:
    """Ours, without the settings that are meant for another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SUNWIRE_")}
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths)}


def free_ports(count: int) -> list[int]:
    """Below the range from which the system takes the ports of clients: while a server is
    down, no client may come to have its port, least of all by connecting to itself."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
