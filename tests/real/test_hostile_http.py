"""The real process among peers that abuse its three ports: each meets a defined end, nobody
else notices, and a stop stays within its grace."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.media.sockets import LARGE, get, put, read_all
from tests.real.process import ServerProcess, server_process
from tests.real.witness import CHAT, SOON, Person, sign_up, unharmed

pytestmark = pytest.mark.real

LIMITS = ("--handshake", "0.5", "--stall", "0.5")
TIME = 0.5  # seconds that a peer has, as above
LATE = 8.0  # seconds within which it is over with him, on a busy machine
FOREVER = ("--handshake", "60", "--stall", "60")

UPGRADE = get(
    "/",
    Connection="Upgrade",
    Upgrade="websocket",
    Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
    Sec_WebSocket_Version="13",
    Sec_WebSocket_Protocol="sunwire.v1",
)


async def connect(port: int, receive_buffer: int = 0) -> trio.SocketStream:
    sock = trio.socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await sock.connect(("127.0.0.1", port))
    return trio.SocketStream(sock)


async def exchange(port: int, data: bytes) -> bytes:
    """Sends as much as is taken, and reads to the end, which must come."""
    async with await connect(port) as stream:
        with trio.fail_after(LATE):
            try:
                await stream.send_all(data)
            except trio.BrokenResourceError:
                pass
            return await read_all(stream)


async def drip(port: int) -> None:
    """A head that never ends, a few bytes at a time (slow-loris)."""
    async with await connect(port) as stream:
        started = trio.current_time()
        with trio.fail_after(LATE):
            try:
                await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
                while True:
                    await stream.send_all(b"X: y\r\n")
                    await trio.sleep(0.05)
            except trio.BrokenResourceError:
                pass
        assert trio.current_time() - started > TIME / 2


async def drips(port: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(drip, port)


async def endless_head(port: int) -> None:
    """Header fields without end: refused or dropped after a bounded number."""
    sent = 0
    async with await connect(port) as stream:
        with trio.fail_after(LATE):
            try:
                await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
                while True:
                    await stream.send_all(b"X-Endless: yes\r\n" * 100)
                    sent += 1600
            except trio.BrokenResourceError:
                pass
    assert sent < 16 * 1024 * 1024  # what the sockets buffer, and no more


async def silent(port: int) -> None:
    assert await exchange(port, b"") == b""


async def garbage(port: int) -> None:
    for data in (os.urandom(3000), b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"\0" * 1000):
        answer = await exchange(port, data)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer


def when(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


async def check_quiet(server: ServerProcess) -> None:
    """Nothing went wrong inside: what peers do is no error, and whatever the server wrote is
    a line of its log."""
    assert [line for line in server.lines if line.get("level", "error") == "error"] == []


async def until(condition: Callable[[], bool]) -> None:
    """Real processes and sockets have no event to wait for."""
    with trio.fail_after(LATE):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.02)


async def until_figure(server: ServerProcess, name: str, wanted: float) -> None:
    with trio.fail_after(LATE):
        while await figure(server, name) != wanted:  # noqa: ASYNC110
            await trio.sleep(0.02)


async def figure(server: ServerProcess, name: str) -> float:
    answer = (await exchange(server.ops_port, get("/metrics"))).decode()
    return float(next(x for x in answer.splitlines() if x.startswith(f"{name} ")).split()[1])


async def test_the_media_port(tmp_path: Path) -> None:
    async with server_process(tmp_path, *LIMITS) as server:
        ann = await sign_up(server)
        _, ticket = await ann.ticket(len(LARGE))
        link = await ann.original(await ann.upload(LARGE, CHAT))
        port = server.media_port

        async def bytes_behind_an_upgrade() -> None:
            for behind in (b"\0", b"\x81\x85\0\0\0\0hello", bytes(20_000)):
                answer = await exchange(port, UPGRADE + behind)
                assert answer.startswith(b"HTTP/1.1 404 "), answer

        async def stalled_body() -> None:
            answer = await exchange(port, put(ticket, LARGE[:300_000], len(LARGE)))
            assert answer.startswith(b"HTTP/1.1 408 "), answer

        async def stalled_reader() -> None:
            async with await connect(port, receive_buffer=4096) as stream:
                await stream.send_all(get(link))
                assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 200 ")
                await trio.sleep(3 * TIME)
                assert len(await read_all(stream)) < len(LARGE)

        async with unharmed(ann), trio.open_nursery() as nursery:
            for actor in (bytes_behind_an_upgrade, stalled_body, stalled_reader):
                nursery.start_soon(actor)
            for anywhere in (drips, endless_head, silent, garbage):
                nursery.start_soon(anywhere, port)
        await until_figure(server, "sunwire_media_connections", 0)
        await until_figure(server, "sunwire_media_uploads_open", 0)
        assert list((tmp_path / "blobs" / "staging").iterdir()) == []
        assert b"".join([await ann.http(get(link, close=True))]).endswith(LARGE[-1000:])
        await check_quiet(server)


@pytest.mark.parametrize("transport", ["fast", "portable"])
async def test_the_websocket_port(tmp_path: Path, transport: str) -> None:
    async with server_process(tmp_path, *LIMITS, "--transport", transport) as server:
        ann = await sign_up(server)
        port = server.port

        async def plain_requests() -> None:
            for request in (
                get("/"),
                get("/metrics"),
                put("/u/x", b"hello"),
                UPGRADE.replace(b"sunwire.v1", b"other.v1"),
            ):
                answer = await exchange(port, request)
                assert answer.startswith(b"HTTP/1.1 4"), answer

        async def half_a_handshake() -> None:
            started = trio.current_time()
            assert await exchange(port, UPGRADE[:-10]) == b""
            assert trio.current_time() - started > TIME / 2

        async def no_hello() -> None:
            answer = await exchange(port, UPGRADE)
            assert answer.startswith(b"HTTP/1.1 101 "), answer
            assert b"\x88" in answer.partition(b"\r\n\r\n")[2]  # it ends with a close frame

        async def no_websocket_behind_the_handshake(behind: bytes) -> None:
            answer = await exchange(port, UPGRADE + behind)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 "), answer

        async with unharmed(ann), trio.open_nursery() as nursery:
            for actor in (plain_requests, half_a_handshake, no_hello):
                nursery.start_soon(actor)
            for behind in (os.urandom(3000), b"\xff" * 100, bytes(20_000)):
                nursery.start_soon(no_websocket_behind_the_handshake, behind)
            for anywhere in (drips, endless_head, silent, garbage):
                nursery.start_soon(anywhere, port)
        await until_figure(server, "sunwire_connections", 1)
        await check_quiet(server)


async def test_the_operations_port(tmp_path: Path) -> None:
    async with server_process(tmp_path, *LIMITS) as server:
        ann = await sign_up(server)
        port = server.ops_port

        async def health() -> None:
            for _ in range(20):
                assert b"ok" in await exchange(port, get("/healthz"))
                await trio.sleep(0.02)

        async def does_not_read() -> None:
            async with await connect(port, receive_buffer=4096) as stream:
                await stream.send_all(get("/metrics"))
                await trio.sleep(TIME * 2)

        async with unharmed(ann), trio.open_nursery() as nursery:
            nursery.start_soon(health)
            nursery.start_soon(does_not_read)
            for anywhere in (drips, endless_head, silent, garbage):
                nursery.start_soon(anywhere, port)
        await check_quiet(server)


# A stop among them.


async def everybody(person: Person, stack: AsyncExitStack) -> None:
    """One of each kind that holds on for ever, were it for him."""
    server = person.server
    _, ticket = await person.ticket(len(LARGE))
    link = await person.original(await person.upload(LARGE, CHAT))
    for port, data in (
        (server.media_port, b"GET / HTTP/1.1\r\nX"),
        (server.media_port, put(ticket, LARGE[:300_000], len(LARGE))),
        (server.media_port, get("/m/x")),  # and stays for another request
        (server.port, UPGRADE[:-10]),
        (server.port, UPGRADE),
        (server.ops_port, b"GET /metrics"),
        (server.media_port, b""),
        (server.port, b""),
        (server.ops_port, b""),
    ):
        stream = await stack.enter_async_context(await connect(port))
        await stream.send_all(data)
    reader = await stack.enter_async_context(await connect(server.media_port, 4096))
    await reader.send_all(get(link))
    assert (await reader.receive_some(100)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("transport", ["fast", "portable"])
async def test_a_stop_keeps_to_its_grace(tmp_path: Path, transport: str) -> None:
    grace = 1.0
    flags = ("--grace", str(grace), *FOREVER, "--transport", transport)
    async with (
        server_process(tmp_path, *flags) as server,
        AsyncExitStack() as stack,
    ):
        ann = await sign_up(server)
        await everybody(ann, stack)
        assert await server.stop(within=grace + 10) == 0
        stopping, stopped = (when(server.line(event)) for event in ("stopping", "stopped"))
        assert stopped - stopping < timedelta(seconds=grace + 0.8)  # a busy machine
        assert (await ann.client.expect("go_away")).go_away.reconnect_after_ms > 0
        assert (await ann.client.expect_closed()).code == 1001
        await check_quiet(server)


async def test_a_stop_waits_for_nobody_who_is_idle(tmp_path: Path) -> None:
    async with server_process(tmp_path, "--grace", "60", *FOREVER) as server:
        ann = await sign_up(server)
        async with await connect(server.port) as one, await connect(server.media_port) as two:
            await one.send_all(UPGRADE[:-10])
            await two.send_all(get("/m/x"))
            started = trio.current_time()
            assert await server.stop(within=30) == 0
            assert trio.current_time() - started < LATE  # a close handshake, at most
        assert (await ann.client.expect_closed()).code == 1001


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once(tmp_path: Path, number: signal.Signals) -> None:
    async with (
        server_process(tmp_path, "--grace", "60", *FOREVER) as server,
        AsyncExitStack() as stack,
    ):
        ann = await sign_up(server)
        await everybody(ann, stack)
        process = server.process
        assert process is not None
        workers = children(process.pid)
        assert workers
        os.kill(process.pid, number)
        await server.wait_line("stopping")
        await trio.sleep(0.2)
        assert process.poll() is None  # it waits for the one who reads so slowly
        os.kill(process.pid, number)
        with trio.fail_after(SOON):
            assert await process.wait() == -number
        await gone(workers)
        await stack.aclose()
        await server.start()
        await ann.client.reconnect()
        assert (await ann.client.call("Users.GetMe")).user.username == "ann"


def children(pid: int) -> list[Path]:
    """The processes that a process has started."""
    found = " ".join(one.read_text() for one in Path(f"/proc/{pid}/task").glob("*/children"))
    return [Path("/proc", one) for one in found.split()]


async def gone(processes: list[Path]) -> None:
    """They have ended, all of them: what a dead server leaves behind."""
    await until(lambda: not any(process.exists() for process in processes))
