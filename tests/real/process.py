"""A real server process, and clients on real sockets."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from realtime.testing.client import TestClient
from realtime.testing.dial import open_transport
from rpc.registry import methods
from rpc.transport import Transport

ROOT = Path(__file__).resolve().parents[2]
STARTUP = 20.0  # seconds
# trio-websocket does not notice a server that dies during the handshake: give up soon.
HANDSHAKE = 1.0


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


class ServerProcess:
    """`python -m realtime serve` in a folder of its own; it may be killed and started again,
    on the same ports and data."""

    def __init__(
        self,
        data: Path,
        nursery: trio.Nursery,
        *arguments: str,
        program: Sequence[str] = ("realtime", "serve"),
        within: Sequence[str] = (),
    ) -> None:
        """`program` is what `python -m` runs; it takes the flags of `serve`. `within` is a
        command that runs the process, which follows as its arguments."""
        self._within = within
        self._data = data
        self._program = program
        self._nursery = nursery
        self._arguments = arguments
        self._port, self._media_port, self._ops_port = _free_ports(3)
        self._stirred = trio.Event()
        self._ended: trio.Process | None = None
        self.codes: dict[str, str] = {}
        self.lines: list[dict[str, Any]] = []
        self.process: trio.Process | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def ops_port(self) -> int:
        return self._ops_port

    @property
    def media_port(self) -> int:
        return self._media_port

    def line(self, event: str) -> dict[str, Any]:
        """The first line of the log about the event, since the last start."""
        return next(line for line in self.lines if line["event"] == event)

    async def wait_line(self, event: str, within: float = 5) -> dict[str, Any]:
        with trio.fail_after(within):
            while not any(line["event"] == event for line in self.lines):
                await self._stirred.wait()
        return self.line(event)

    async def start(self) -> None:
        """Starts it and returns when it listens."""
        self.lines.clear()
        self.process = await trio.lowlevel.open_process(
            [
                *self._within,
                *(sys.executable, "-m", *self._program, "--data", str(self._data)),
                *("--listen", f"127.0.0.1:{self._port}", "--ops", f"127.0.0.1:{self._ops_port}"),
                *("--media", f"127.0.0.1:{self._media_port}"),
                *self._arguments,
            ],
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        self._nursery.start_soon(self._read, self.process)
        with trio.fail_after(STARTUP):
            while True:
                for line in self.lines:
                    if line["event"] == "serving":
                        return
                if self._ended is self.process:
                    raise RuntimeError(f"the server did not start: {self.lines[-5:]}")
                await self._stirred.wait()

    async def _read(self, process: trio.Process) -> None:
        assert process.stderr is not None
        buffer = b""
        async with process.stderr:
            async for data in process.stderr:
                *lines, buffer = (buffer + data).split(b"\n")
                for raw in lines:
                    self._take(raw)
                self._stir()
        self._ended = process
        self._stir()

    def _stir(self) -> None:
        stirred, self._stirred = self._stirred, trio.Event()
        stirred.set()

    def _take(self, raw: bytes) -> None:
        try:
            line = json.loads(raw)
        except ValueError:
            line = {"event": raw.decode(errors="replace")}
        self.lines.append(line)
        if line.get("event") == "sign-in code":
            self.codes[line["address"]] = line["code"]

    async def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self, within: float) -> int:
        """SIGTERM; returns its exit code."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGTERM)
        with trio.fail_after(within):
            return await self.process.wait()

    async def code(self, address: str, within: float = 5) -> str:
        with trio.fail_after(within):
            while address not in self.codes:
                await self._stirred.wait()
        return self.codes[address]

    def client(self) -> TestClient:
        return TestClient(self._dial, methods(), 10.0)

    async def _dial(self, client: TestClient) -> tuple[Transport, trio.SocketStream]:
        stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        transport = await open_transport(self._nursery, stream, client.read, HANDSHAKE)
        return transport, stream

    async def sign_up(self, username: str) -> TestClient:
        client = self.client()
        await client.connect()
        address = f"{username}@example.org"
        await client.call("Auth.RequestCode", address=address)
        answer = await client.call(
            "Auth.SignInWithCode", address=address, code=await self.code(address)
        )
        fields = {"username": username, "name": username.title()}
        answer = await client.call("Auth.SignUp", ticket=answer.sign_up_ticket, **fields)
        client.token, client.cursor = answer.token, answer.cursor
        client.user_id, client.session_id = answer.user.id, answer.session_id
        return client


@asynccontextmanager
async def server_process(
    data: Path,
    *arguments: str,
    program: Sequence[str] = ("realtime", "serve"),
    within: Sequence[str] = (),
) -> AsyncIterator[ServerProcess]:
    """A running server; whatever became of it, it is gone afterwards."""
    async with trio.open_nursery() as nursery:
        server = ServerProcess(data, nursery, *arguments, program=program, within=within)
        await server.start()
        try:
            yield server
        finally:
            with trio.CancelScope(shield=True):
                if server.process is not None and server.process.poll() is None:
                    await server.kill()
            nursery.cancel_scope.cancel()
