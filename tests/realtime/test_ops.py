"""The operations port over memory streams: its answers, and peers that abuse it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing
from prometheus_client import CollectorRegistry, Gauge

from realtime.ops import MAX_CONNECTIONS, REQUEST_TIMEOUT, OpsServer


class World:
    def __init__(self, nursery: trio.Nursery) -> None:
        self.registry = CollectorRegistry()
        self.missing: dict[str, str] = {}
        self.server = OpsServer(self.registry, self._ready)
        self._nursery = nursery

    async def _ready(self) -> dict[str, str]:
        return self.missing

    def connect(self) -> Any:
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self.server.handle, theirs)
        return ours

    async def ask(self, request: bytes) -> tuple[str, bytes]:
        """(status line, body); empty when it closed without an answer."""
        stream = self.connect()
        await stream.send_all(request)
        head, _, body = (await rest(stream)).partition(b"\r\n\r\n")
        return head.partition(b"\r\n")[0].decode(), body

    async def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        status, body = await self.ask(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return int(status.split()[1]), body


async def rest(stream: Any) -> bytes:
    return b"".join([piece async for piece in stream])


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        yield World(nursery)
        nursery.cancel_scope.cancel()


async def test_what_it_answers(autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        Gauge("fish", "In the pond.", registry=here.registry).set(3)
        assert await here.get("/healthz") == (200, b"ok\n")
        status, metrics = await here.get("/metrics?anything")
        assert status == 200
        assert b"fish 3.0" in metrics
        assert await here.get("/healthz", "HEAD") == (200, b"")
        assert (await here.get("/healthz", "POST"))[0] == 405
        assert (await here.get("/"))[0] == 404


async def test_readiness_names_what_is_missing(autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        status, body = await here.get("/readyz")
        assert (status, json.loads(body)) == (200, {"ready": True, "missing": {}})
        here.missing["gateway"] = "draining"
        status, body = await here.get("/readyz")
        assert (status, json.loads(body)["missing"]) == (503, {"gateway": "draining"})
        assert (await here.get("/healthz"))[0] == 200  # it lives all the same


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\0",
        b"GET /healthz\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # without a Host
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000,
        b"\0" * 10_000,
    ],
)
async def test_garbage_ends_its_connection(
    autojump_clock: trio.testing.MockClock, data: bytes
) -> None:
    async with world() as here:
        with structlog.testing.capture_logs() as logs:
            assert await here.ask(data) == ("", b"")
        assert logs == []
        assert trio.current_time() < REQUEST_TIMEOUT
        assert (await here.get("/healthz"))[0] == 200


@pytest.mark.parametrize("data", [b"", b"GET /healthz HTTP/1.1\r\nHost"])
async def test_who_does_not_come_to_the_point_is_dropped(
    autojump_clock: trio.testing.MockClock, data: bytes
) -> None:
    async with world() as here:
        assert await here.ask(data) == ("", b"")
        assert trio.current_time() == pytest.approx(REQUEST_TIMEOUT)


async def test_who_leaves_is_forgotten(autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        stream = here.connect()
        await stream.send_all(b"GET / HT")
        await stream.aclose()
        assert (await here.get("/healthz"))[0] == 200
        assert trio.current_time() < REQUEST_TIMEOUT


async def test_connections_are_bounded(autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        crowd = [here.connect() for _ in range(MAX_CONNECTIONS)]
        await trio.testing.wait_all_tasks_blocked()
        assert await rest(here.connect()) == b""  # at once
        assert trio.current_time() < REQUEST_TIMEOUT
        for stream in crowd:
            await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert (await here.get("/healthz"))[0] == 200


class Broken:
    """A collector with a fault."""

    def describe(self) -> Iterable[Any]:
        return []

    def collect(self) -> Iterable[Any]:
        raise RuntimeError("a bug")


async def test_a_fault_of_ours_ends_one_connection(autojump_clock: trio.testing.MockClock) -> None:
    async with world() as here:
        broken: Any = Broken()
        here.registry.register(broken)
        with structlog.testing.capture_logs() as logs:
            request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
            assert await here.ask(request) == ("", b"")
        assert [line["event"] for line in logs] == ["operations request failed"]
        assert (await here.get("/healthz"))[0] == 200
