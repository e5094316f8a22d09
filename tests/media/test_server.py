"""The media host's sockets, met by peers of every kind over the loopback.

The first two sections are the regression tests of hypercorn's two faults: bytes behind an
upgrade that end the server, and a peer that stops reading and keeps it from ending.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
import pytest
import structlog.testing
import trio
import trio.testing
from hypercorn.protocol.h11 import H11Protocol

from media.server import MediaServer
from store.blobs import CHUNK, LocalBlobs, MemoryBlobs
from store.errors import Corrupt
from store.records import MediaRecord
from tests.media import samples
from tests.media.host import OWNER, Host, open_host

pytestmark = pytest.mark.real

JPEG = samples.jpeg()
LARGE = samples.noise(1600, 1400)  # some 6.7 MB: more than sockets buffer
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


async def read_all(stream: trio.SocketStream) -> bytes:
    data = bytearray()
    with trio.fail_after(SOON):
        try:
            async for piece in stream:
                data += piece
        except trio.BrokenResourceError:
            pass
    return bytes(data)


async def read_answer(stream: trio.SocketStream) -> tuple[int, dict[str, str], bytes]:
    """One answer with a Content-Length, on a connection that stays open."""
    data = b""
    with trio.fail_after(SOON):
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
        server = MediaServer(host.app, host.settings, host.metrics)
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


# Fault one: bytes behind an upgrade.

WEBSOCKET = get(
    "/m/x",
    Connection="Upgrade",
    Upgrade="websocket",
    Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
    Sec_WebSocket_Version="13",
)
H2C = get("/m/x", Connection="Upgrade, HTTP2-Settings", Upgrade="h2c", HTTP2_Settings="AAMAAABk")


@pytest.mark.parametrize(
    "trailing", [b"", b"\0", b"trailing", b"\x81\x85\0\0\0\0hello", bytes(9999)]
)
@pytest.mark.parametrize("upgrade", [WEBSOCKET, H2C], ids=["websocket", "h2c"])
async def test_bytes_behind_an_upgrade_end_their_own_connection_alone(
    tmp_path: Path, upgrade: bytes, trailing: bytes
) -> None:
    async with serving(tmp_path, header_seconds=0.3) as serve:
        answer = await serve.exchange(upgrade + trailing)
        assert answer.startswith(b"HTTP/1.1 404 "), answer  # nothing is upgraded
        await serve.is_alive()
        await serve.none_left()


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(50),
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\ntrailing",
        b"GET ? HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://media.test/m/x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"PUT /u/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /m/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n" * 100,
        b"\0" * 1000,
        os.urandom(3000),
    ],
)
async def test_what_is_no_request_is_answered_or_closed(tmp_path: Path, data: bytes) -> None:
    async with serving(tmp_path, header_seconds=0.2) as serve:
        with structlog.testing.capture_logs() as logs:
            answer = await serve.exchange(data)
        assert re.match(rb"HTTP/1.1 4\d\d ", answer) or answer == b""
        assert [entry for entry in logs if entry["log_level"] == "error"] == []
        await serve.is_alive()
        await serve.none_left()


@pytest.mark.parametrize(
    ("error", "level"),
    [(h11.LocalProtocolError("out of order"), "info"), (RuntimeError("a bug"), "error")],
)
async def test_whatever_a_connection_raises_ends_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, level: str
) -> None:
    async def fail(*args: object) -> None:
        raise error

    async with serving(tmp_path) as serve:
        with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
            patched.setattr(H11Protocol, "_create_stream", fail)
            assert await serve.exchange(get("/m/x")) == b""
        assert [entry["log_level"] for entry in logs] == [level]
        await serve.is_alive()
        await serve.none_left()


# Fault two: a peer that does not read.


async def stalled_reader(serve: Serving, media: MediaRecord) -> trio.SocketStream:
    """Asks for something large and reads the beginning of it."""
    stream = await serve.connect(receive_buffer=4096)
    await stream.send_all(get(serve.host.link(media, OWNER)))
    assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 200 ")
    return stream


async def test_a_reader_that_stalls_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    async with serving(tmp_path, send_seconds=3600.0, grace_seconds=0.2) as serve:
        media = await serve.host.stored(LARGE)
        async with await stalled_reader(serve, media):
            await trio.sleep(0.05)
            serve.shutdown.set()
            with trio.fail_after(SOON):
                await serve.ended.wait()


async def test_a_reader_that_stalls_is_dropped_in_time(tmp_path: Path) -> None:
    async with serving(tmp_path, send_seconds=0.2) as serve:
        media = await serve.host.stored(LARGE)
        async with await stalled_reader(serve, media) as stream:
            await serve.none_left()
            assert len(await read_all(stream)) < len(LARGE)
        await serve.is_alive()


async def test_a_slow_reader_is_served_to_the_end(tmp_path: Path) -> None:
    """Slower than the deadline as a whole, though never for 64 KiB."""
    async with serving(tmp_path, send_seconds=0.3) as serve:
        media = await serve.host.stored(LARGE)
        taken = hashlib.sha256()
        size = 0
        async with await serve.connect(receive_buffer=65536) as stream:
            await stream.send_all(get(serve.host.link(media, OWNER), close=True))
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some(1000)
            body = head.partition(b"\r\n\r\n")[2]
            started = trio.current_time()
            while size + len(body) < len(LARGE):
                taken.update(body)
                size += len(body)
                if trio.current_time() - started < 0.7:
                    await trio.sleep(0.01)
                body = await stream.receive_some(65536)
                assert body
            taken.update(body)
            size += len(body)
            assert trio.current_time() - started > 0.6
        assert (size, taken.digest()) == (len(LARGE), media.blob_hash)


async def test_what_is_under_way_is_finished_within_the_grace(tmp_path: Path) -> None:
    async with serving(tmp_path, grace_seconds=3.0) as serve:
        media = await serve.host.stored(LARGE)
        async with await stalled_reader(serve, media) as stream, await serve.connect() as idle:
            await trio.sleep(0.05)
            serve.shutdown.set()
            assert await read_all(idle) == b""
            assert not serve.ended.is_set()
            rest = await read_all(stream)
            assert rest.endswith(LARGE[-1000:])
            with trio.fail_after(1):
                await serve.ended.wait()
        with pytest.raises(OSError, match="refused"):
            await serve.connect()


async def test_idle_connections_do_not_delay_the_end(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, grace_seconds=60.0) as serve,
        await serve.connect(),
        await serve.connect() as used,
    ):
        await used.send_all(get("/m/nothing"))
        assert (await read_answer(used))[0] == 404
        serve.shutdown.set()
        with trio.fail_after(SOON):
            await serve.ended.wait()


# Heads.


async def test_endless_headers_end(tmp_path: Path) -> None:
    async with serving(tmp_path, header_seconds=30.0) as serve, await serve.connect() as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
        sent = 0
        with trio.fail_after(SOON):
            try:
                while True:
                    await stream.send_all(b"X-Endless: yes\r\n" * 100)
                    sent += 1600
            except trio.BrokenResourceError:
                pass
        answer = await read_all(stream)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
        # The sockets' own buffers and what is read while lingering; not without end.
        assert sent < 16 * 1024 * 1024
        await serve.none_left()


async def test_one_endless_header_line_ends(tmp_path: Path) -> None:
    async with serving(tmp_path, header_seconds=30.0) as serve:
        answer = await serve.exchange(b"GET /" + b"x" * 200_000)
        assert answer.startswith(b"HTTP/1.1 431 ")
        await serve.none_left()


async def test_many_headers_are_refused(tmp_path: Path) -> None:
    many = {f"X_{number}": "v" for number in range(150)}
    async with serving(tmp_path) as serve:
        answer = await serve.exchange(get("/m/x", close=True, **many))
        assert answer.startswith(b"HTTP/1.1 431 ")


async def test_headers_that_trickle_are_given_up(tmp_path: Path) -> None:
    async with serving(tmp_path, header_seconds=0.3) as serve, await serve.connect() as stream:
        started = trio.current_time()
        with trio.fail_after(SOON):
            try:
                for byte in b"GET /m/x HTTP/1.1\r\n" + b"X: y\r\n" * 1000:
                    await stream.send_all(bytes([byte]))
                    await trio.sleep(0.02)
            except trio.BrokenResourceError:
                pass
        assert 0.2 < trio.current_time() - started < 3
        await serve.none_left()


async def test_a_connection_that_says_nothing_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, header_seconds=0.1) as serve:
        assert await serve.exchange(b"") == b""
        async with await serve.connect() as stream:
            await stream.send_all(get("/m/x"))
            assert (await read_answer(stream))[0] == 404
            assert await read_all(stream) == b""


async def test_connections_are_bounded(tmp_path: Path) -> None:
    async with serving(tmp_path, max_connections=1) as serve:
        async with await serve.connect() as first:
            await first.send_all(get("/m/x"))
            await read_answer(first)
            assert await serve.exchange(get("/m/x")) == b""
        await serve.none_left()
        await serve.is_alive()


# Bodies.


async def test_a_body_that_stalls_is_answered_and_leaves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, stall_seconds=0.2) as serve:
        media = await serve.host.reserve(LARGE)
        answer = await serve.exchange(put(serve.host.ticket(media), LARGE[:200_000], len(LARGE)))
        assert answer.startswith(b"HTTP/1.1 408 ")
        blobs = serve.host.blobs
        assert isinstance(blobs, MemoryBlobs)
        assert blobs.staged == 0
        await serve.none_left()


async def test_a_stalled_body_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    async with serving(tmp_path, stall_seconds=3600.0) as serve, await serve.connect() as stream:
        media = await serve.host.reserve(LARGE)
        await stream.send_all(put(serve.host.ticket(media), LARGE[:200_000], len(LARGE)))
        await trio.sleep(0.05)
        serve.shutdown.set()
        with trio.fail_after(SOON):
            await serve.ended.wait()


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve:
        media = await serve.host.reserve(LARGE)
        async with await serve.connect() as stream:
            await stream.send_all(put(serve.host.ticket(media), LARGE[:500_000], len(LARGE)))
            with trio.fail_after(SOON):
                while not serve.host.progress:  # noqa: ASYNC110
                    await trio.sleep(0.002)
        await serve.none_left()
        blobs = serve.host.blobs
        assert isinstance(blobs, MemoryBlobs)
        assert blobs.staged == 0
        assert not (await serve.host.row(media.id)).stored
        await serve.is_alive()


@pytest.mark.parametrize("where", ["nowhere", "wrong type"])
async def test_a_refusal_is_heard_by_who_still_sends(tmp_path: Path, where: str) -> None:
    """And neither memory nor a task is held for the megabytes behind it."""
    data = samples.HTML + bytes(3_000_000)
    async with serving(tmp_path) as serve:
        media = await serve.host.reserve(data)
        path = "/u/nowhere" if where == "nowhere" else serve.host.ticket(media)
        async with await serve.connect() as stream, trio.open_nursery() as nursery:

            async def send() -> None:
                try:
                    await stream.send_all(put(path, data))
                except trio.BrokenResourceError:
                    pass

            nursery.start_soon(send)
            answer = await read_all(stream)
            status = 404 if where == "nowhere" else 415
            assert answer.startswith(f"HTTP/1.1 {status} ".encode())
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
            nursery.cancel_scope.cancel()
        await serve.none_left()


async def test_an_upload_without_a_length(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve:
        media = await serve.host.reserve(JPEG)
        head = get(serve.host.ticket(media), method="PUT", close=True, Transfer_Encoding="chunked")
        chunks = b"".join(
            b"%x\r\n%b\r\n" % (len(piece), piece)
            for piece in (JPEG[at : at + 700] for at in range(0, len(JPEG), 700))
        )
        answer = await serve.exchange(head + chunks + b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 201 ")
        over = await serve.host.reserve(JPEG)
        head = head.replace(serve.host.ticket(media).encode(), serve.host.ticket(over).encode())
        answer = await serve.exchange(head + chunks + b"5\r\nextra\r\n0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")


async def test_expect_continue(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve, await serve.connect() as stream:
        media = await serve.host.reserve(JPEG)
        request = put(serve.host.ticket(media), JPEG, Expect="100-continue")
        head, _, body = request.partition(b"\r\n\r\n")
        await stream.send_all(head + b"\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 ")
        await stream.send_all(body)
        assert (await read_answer(stream))[0] == 201


# Answers as they are on the wire.


async def test_uploads_and_downloads_on_one_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve, await serve.connect() as stream:
        media = await serve.host.reserve(LARGE)
        sizes: list[int] = []

        async def ask(request: bytes) -> tuple[int, dict[str, str], bytes]:
            await stream.send_all(request)
            return await read_answer(stream)

        status, headers, _ = await ask(put(serve.host.ticket(media), LARGE))
        assert (status, headers["content-type"]) == (201, "application/json")
        link = serve.host.link(await serve.host.row(media.id), OWNER)
        status, headers, body = await ask(get(link))
        assert (status, body) == (200, LARGE)
        etag = headers["etag"]
        status, headers, body = await ask(get(link, Range=f"bytes={CHUNK - 5}-{CHUNK + 4}"))
        assert (status, body) == (206, LARGE[CHUNK - 5 : CHUNK + 5])
        status, headers, body = await ask(get(link, Range="bytes=0-9,-10"))
        assert (status, len(body)) == (206, int(headers["content-length"]))
        assert LARGE[:10] in body
        assert body.endswith(b"--\r\n")
        for status, headers, body in [
            await ask(get(link, If_None_Match=etag)),
            await ask(get(link, Range="bytes=99999999-")),
        ]:
            assert status in (304, 416)
            assert body == b""
            sizes.append(int(headers.get("content-length", -1)))
        assert sizes == [-1, 0]
        assert "server" not in headers

        # The length of what HEAD does not send, and the next answer follows at once.
        await stream.send_all(get(link, method="HEAD") + get("/m/x"))
        data = b""
        while data.count(b"\r\n\r\n") < 2:
            data += await stream.receive_some()
        head, _, rest = data.partition(b"\r\n\r\n")
        assert f"content-length: {len(LARGE)}".encode() in head.lower()
        assert rest.startswith(b"HTTP/1.1 404 ")


async def test_escaped_paths_are_no_paths_of_ours(tmp_path: Path) -> None:
    async with serving(tmp_path) as serve:
        media = await serve.host.stored(JPEG)
        for path in (
            f"/m/{media.id}/%6dedium.jpg",
            f"/%6d/{media.id}/medium.jpg",
            f"/m/{media.id}%2fmedium.jpg",
            f"/x/../m/{media.id}/medium.jpg",
            f"/m/{media.id}/medium.jpg%00",
        ):
            answer = await serve.exchange(get(path, close=True))
            assert answer.startswith(b"HTTP/1.1 404 "), path
        good = await serve.exchange(get(f"/m/{media.id}/medium.jpg", close=True))
        assert good.startswith(b"HTTP/1.1 200 ")


async def test_damage_found_in_the_middle_breaks_the_answer_off(tmp_path: Path) -> None:
    """Short by its Content-Length: no client takes it for the whole."""
    async with serving(tmp_path, blobs=LocalBlobs(tmp_path / "blobs")) as serve:
        media = await serve.host.stored(LARGE)
        name = media.blob_hash.hex()
        path = tmp_path / "blobs" / "blobs" / name[:2] / name
        with path.open("r+b") as file:
            file.seek(3 * CHUNK)
            file.write(b"damage")
        with structlog.testing.capture_logs() as logs:
            answer = await serve.exchange(get(serve.host.link(media, OWNER)))
        body = answer.partition(b"\r\n\r\n")[2]
        assert body == LARGE[: 3 * CHUNK]
        (entry,) = (entry for entry in logs if entry["log_level"] == "error")
        assert entry["event"] == "media answer broke off"
        assert _holds(entry["exc_info"], Corrupt)
        await serve.is_alive()
        await serve.none_left()


def _holds(error: BaseException, kind: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_holds(one, kind) for one in error.exceptions)
    return isinstance(error, kind)
