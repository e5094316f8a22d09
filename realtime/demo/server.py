"""The server of the demo: `python -m realtime serve` as a process of its own."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import trio

ROOT = Path(__file__).resolve().parents[2]  # where `realtime` is imported from
STARTUP = 30.0  # seconds
GRACE = 5.0  # seconds that a stop may take
ATTEMPTS = 3  # to find ports that nobody takes in the meantime
LAST_LINES = 5  # of its log, when it does not start


class ServerError(Exception):
    """The server did not do what a server must."""


class ServerProcess:
    """May be killed and started again, on the same ports and data. It learns the sign-in
    codes from the server's log, where the default code sender puts them."""

    def __init__(self, folder: Path, nursery: trio.Nursery, store: str) -> None:
        self._folder = folder
        self._store = store
        self._nursery = nursery
        self._process: trio.Process | None = None
        self._ended: trio.Process | None = None
        self._stirred = trio.Event()
        self._codes: dict[str, str] = {}
        self._serving = False
        self._last: list[str] = []
        self.port = self.media_port = self.ops_port = 0
        self.kills = 0
        self.errors: list[str] = []  # what it logged as an error

    async def start(self) -> None:
        """Starts it and returns when it listens. Raises `ServerError`."""
        if self.port:
            await self._start()
            return
        for attempt in range(ATTEMPTS):
            self.port, self.media_port, self.ops_port = _free_ports(3)
            try:
                await self._start()
                return
            except ServerError:
                if attempt == ATTEMPTS - 1:
                    raise

    async def _start(self) -> None:
        self._serving = False
        self._last.clear()
        process = self._process = await trio.lowlevel.open_process(
            [
                *(sys.executable, "-m", "realtime", "serve", "--data", str(self._folder / "data")),
                *("--listen", f"127.0.0.1:{self.port}"),
                *("--media", f"127.0.0.1:{self.media_port}"),
                *("--ops", f"127.0.0.1:{self.ops_port}"),
                *("--log-level", "info", "--log-format", "json", "--grace", str(GRACE)),
                # All of the demo's people sign in from one address.
                *("--sensitive-per-minute", "100000"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self._folder,  # where no settings file is
            env=_environment(self._store),
        )
        self._nursery.start_soon(self._read, process)
        with trio.move_on_after(STARTUP):
            while not self._serving:
                if self._ended is process:
                    raise ServerError("the server did not start: " + " ".join(self._last))
                await self._stirred.wait()
            return
        raise ServerError(f"the server did not listen within {STARTUP:g} seconds")

    async def _read(self, process: trio.Process) -> None:
        assert process.stderr is not None
        rest = b""
        path = self._folder / "server.log"
        async with process.stderr, await trio.open_file(path, "ab", buffering=0) as log:
            async for data in process.stderr:
                await log.write(data)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._take(line.decode(errors="replace"))
                self._stir()
        self._ended = process
        self._stir()

    def _take(self, text: str) -> None:
        self._last = [*self._last[1 - LAST_LINES :], text]
        try:
            line: dict[str, Any] = json.loads(text)
        except ValueError:
            return
        event = line.get("event")
        if event == "serving":
            self._serving = True
        elif event == "sign-in code":
            self._codes[line["address"]] = line["code"]
        elif line.get("level") in ("error", "critical"):
            self.errors.append(text)

    def _stir(self) -> None:
        stirred, self._stirred = self._stirred, trio.Event()
        stirred.set()

    @property
    def media_url(self) -> str:
        return f"http://127.0.0.1:{self.media_port}"

    async def code(self, address: str) -> str:
        """The code that was sent to an address; waits for it."""
        while address not in self._codes:
            await self._stirred.wait()
        return self._codes[address]

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self.kills += 1

    async def stop(self) -> None:
        """SIGTERM. Raises `ServerError` when it does not end by itself, with exit code 0,
        within its grace time."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        with trio.move_on_after(GRACE + 10):
            code = await self._process.wait()
            while self._ended is not self._process:  # until its log is read to the end
                await self._stirred.wait()
            if code:
                raise ServerError(f"the server ended with exit code {code}")
            return
        raise ServerError("the server did not end within its grace time")

    async def aclose(self) -> None:
        """Whatever became of it, it is gone afterwards."""
        with trio.CancelScope(shield=True):
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                await self._process.wait()


def _environment(store: str) -> dict[str, str]:
    """Ours, without settings that are meant for another server; and with the store, which no
    list of processes is to show: there may be a password in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SUNWIRE_")}
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "SUNWIRE_STORE": store}


def _free_ports(count: int) -> list[int]:
    """Below the range from which the system takes the ports of clients: while the server is
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
