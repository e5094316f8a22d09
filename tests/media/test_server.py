"""The media host's sockets, met by peers of every kind over the loopback.

The first two sections are the regression tests of hypercorn's two faults: bytes behind an
upgrade that end the server, and a peer that stops reading and keeps it from ending.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import h11
import pytest
import structlog.testing
import trio
import trio.testing
from hypercorn.protocol.h11 import H11Protocol

from store.records import MediaRecord
from tests.media.host import OWNER
from tests.media.sockets import LARGE, SOON, WAYS, Serving, get, read_all, read_answer, serving

pytestmark = pytest.mark.real


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
            assert await serve.exchange(get("/x")) == b""
        assert [entry["log_level"] for entry in logs] == [level]
        await serve.is_alive()
        await serve.none_left()


# Fault two: a peer that does not read.


ways = pytest.mark.parametrize("way", WAYS, ids=["direct", "hypercorn"])


async def stalled_reader(
    serve: Serving, media: MediaRecord, way: dict[str, str]
) -> trio.SocketStream:
    """Asks for something large and reads the beginning of it."""
    stream = await serve.connect(receive_buffer=4096)
    await stream.send_all(get(serve.host.link(media, OWNER), close=False, **way))
    assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 200 ")
    return stream


@ways
async def test_a_reader_that_stalls_does_not_keep_the_server_from_ending(
    tmp_path: Path, way: dict[str, str]
) -> None:
    async with serving(tmp_path, send_seconds=3600.0, grace_seconds=0.2) as serve:
        media = await serve.host.stored(LARGE)
        async with await stalled_reader(serve, media, way):
            await trio.sleep(0.05)
            serve.shutdown.set()
            with trio.fail_after(SOON):
                await serve.ended.wait()


@ways
async def test_a_reader_that_stalls_is_dropped_in_time(tmp_path: Path, way: dict[str, str]) -> None:
    async with serving(tmp_path, send_seconds=0.2) as serve:
        media = await serve.host.stored(LARGE)
        async with await stalled_reader(serve, media, way) as stream:
            await serve.none_left()
            assert len(await read_all(stream)) < len(LARGE)
        await serve.is_alive()


@ways
async def test_a_slow_reader_is_served_to_the_end(tmp_path: Path, way: dict[str, str]) -> None:
    """Slower than the deadline as a whole, though never for 64 KiB."""
    async with serving(tmp_path, send_seconds=0.3) as serve:
        media = await serve.host.stored(LARGE)
        taken = hashlib.sha256()
        size = 0
        async with await serve.connect(receive_buffer=65536) as stream:
            await stream.send_all(get(serve.host.link(media, OWNER), close=True, **way))
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


@ways
async def test_what_is_under_way_is_finished_within_the_grace(
    tmp_path: Path, way: dict[str, str]
) -> None:
    async with serving(tmp_path, grace_seconds=3.0) as serve:
        media = await serve.host.stored(LARGE)
        async with await stalled_reader(serve, media, way) as stream, await serve.connect() as idle:
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
        assert serve.host.figure("sunwire_media_connections_refused_total") == 1
        await serve.none_left()
        await serve.is_alive()
