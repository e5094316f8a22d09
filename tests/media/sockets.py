"""The media host on a real socket, and what its peers say and read."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from media.server import MediaServer
from tests.media import samples
from tests.media.host import Host, open_host

JPEG = samples.jpeg()
LARGE = samples.noise(1600, 1400)  # some 6.7 MB: more than sockets buffer
WAYS: list[dict[str, str]] = [{}, {"Upgrade": "nothing"}]
"""Header fields with which a request is plain, and answered at once at the connection, or is not,
and goes through hypercorn."""
SOON = 5.0  # seconds within which anything must have happened


@dataclass
class Serving:
    host: Host
    server: MediaServer
    port: int
    shutdown: trio.Event
    ended: trio.Event

    async def connect(self, receive_buffer: int = 0) -> trio.SocketStream:
        sock = trio.socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await sock.connect(("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        return trio.SocketStream(sock)

    async def exchange(self, data: bytes) -> bytes:
        """Sends, then reads until the server closes."""
        async with await self.connect() as stream:
            await stream.send_all(data)
            return await read_all(stream)

    async def is_alive(self) -> None:
        """Another client is served as ever."""
        answer = await self.exchange(get("/m/nothing", close=True))
        assert answer.startswith(b"HTTP/1.1 404 "), answer

    async def none_left(self) -> None:
        """Every connection is gone, with the task that held it."""
        with trio.fail_after(SOON):
            while self.server.connections:  # noqa: ASYNC110 - sockets close when they close
                await trio.sleep(0.002)
        assert self.host.figure("sunwire_media_connections") == 0


def get(path: str, *, close: bool = False, method: str = "GET", **headers: str) -> bytes:
    fields = {"Host": "media.test", **({"Connection": "close"} if close else {})}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode()


def put(path: str, data: bytes, length: int | None = None, **headers: str) -> bytes:
    size = str(len(data) if length is None else length)
    return get(path, close=False, method="PUT", Content_Length=size, **headers) + data


async def read_all(stream: trio.SocketStream, within: float = SOON) -> bytes:
    data = bytearray()
    with trio.fail_after(within):
        try:
            async for piece in stream:
                data += piece
        except trio.BrokenResourceError:
            pass
    return bytes(data)


async def read_answer(
    stream: trio.SocketStream, within: float = SOON
) -> tuple[int, dict[str, str], bytes]:
    """One answer with a Content-Length, on a connection that stays open."""
    data = b""
    with trio.fail_after(within):
        while b"\r\n\r\n" not in data:
            piece = await stream.receive_some()
            assert piece, data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
        }
        while len(body) < int(headers.get("content-length", 0)):
            piece = await stream.receive_some()
            assert piece, body
            body += piece
    return int(lines[0].split()[1]), headers, body


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Serving]:
    times: dict[str, Any] = {"grace_seconds": 0.3, "linger_seconds": 0.5}
    async with open_host(folder, **(times | settings)) as host:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server = MediaServer(host.media, host.settings, host.metrics)
        shutdown, ended = trio.Event(), trio.Event()

        async def serve() -> None:
            await server.serve(listeners, shutdown=shutdown)
            ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            port = listeners[0].socket.getsockname()[1]
            yield Serving(host, server, port, shutdown, ended)
            shutdown.set()
            with trio.fail_after(SOON):
                await ended.wait()
        assert server.connections == 0
