"""Connections are refused before the files run out, and accepting never fails for want of them."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from realtime.files import LINGERING, PAUSE, REFUSAL, SAY_EVERY, Doors, FileLimit, GuardedListener

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class World:
    """Listeners on a process that may open `files` files, with 10 of them in reserve."""

    def __init__(self, files: int, nursery: trio.Nursery) -> None:
        self.metrics = CollectorRegistry()
        self.nursery = nursery
        self.doors = Doors(FileLimit(files, 10), self.metrics, nursery)
        self.accepted: list[trio.SocketStream] = []

    async def listen(self, *, ops: bool = False) -> int:
        """The port."""
        sockets = await trio.open_tcp_listeners(0, host="127.0.0.1")
        guarded = self.doors.guard_ops(sockets) if ops else self.doors.guard(sockets)
        self.nursery.start_soon(self._accept, guarded[0])
        port: int = sockets[0].socket.getsockname()[1]
        return port

    async def _accept(self, listener: GuardedListener) -> None:
        async with listener:
            while True:
                self.accepted.append(await listener.accept())

    @property
    def refused(self) -> float:
        return self.metrics.get_sample_value("sunwire_refused_total") or 0.0


@asynccontextmanager
async def world(spare: int) -> AsyncIterator[World]:
    """`spare` files may be opened before new connections are refused (those in a row: a client
    of this test takes one, and its accepted end another)."""
    highest = max(map(int, os.listdir("/dev/fd")))
    fillers = []  # of the gaps below: new files are to have numbers in a row
    while (lowest := os.dup(0)) <= highest:
        fillers.append(lowest)
    os.close(lowest)
    async with trio.open_nursery() as nursery:
        made = World(lowest + spare + 10, nursery)
        yield made
        nursery.cancel_scope.cancel()
    for stream in made.accepted:
        await stream.aclose()
    for filler in fillers:
        os.close(filler)


async def answer(stream: trio.SocketStream) -> bytes:
    with trio.fail_after(5):
        return b"".join([part async for part in stream])


async def test_who_finds_files_is_accepted() -> None:
    async with (
        world(100) as here,
        await trio.open_tcp_stream("127.0.0.1", await here.listen()) as stream,
    ):
        await stream.send_all(GET)
        with trio.fail_after(5):
            while not here.accepted:  # noqa: ASYNC110
                await trio.sleep(0.001)
            assert await here.accepted[0].receive_some() == GET
        assert here.refused == 0


async def test_who_finds_none_is_told_so() -> None:
    async with world(0) as here:
        port = await here.listen()
        with structlog.testing.capture_logs() as logs:
            for early in (True, False):
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    if early:
                        await stream.send_all(GET)
                        assert await answer(stream) == REFUSAL
                    else:
                        assert await stream.receive_some() == REFUSAL
                        await stream.send_all(GET)  # no reset, though nobody answers
                        assert await answer(stream) == b""
        assert here.refused == 2
        assert here.accepted == []
        assert [line["event"] for line in logs] == ["too many open files"]  # once


async def test_a_crowd_is_told_so_too() -> None:
    async with world(0) as here:
        port = await here.listen()
        crowd = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(LINGERING + 20)]
        for stream in crowd:
            async with stream:
                assert await answer(stream) == REFUSAL
        assert here.refused == len(crowd)


async def test_the_operations_port_has_some_left() -> None:
    async with world(0) as here:
        public, ops = await here.listen(), await here.listen(ops=True)
        async with await trio.open_tcp_stream("127.0.0.1", public) as stream:
            assert await answer(stream) == REFUSAL
        async with await trio.open_tcp_stream("127.0.0.1", ops) as stream:
            with trio.fail_after(5):
                while not here.accepted:  # noqa: ASYNC110
                    await trio.sleep(0.001)
        assert here.refused == 1


class Poor:
    """A listener of a system that refuses `times` times."""

    def __init__(self, error: int, times: int) -> None:
        self.error = error
        self.times = times

    async def accept(self) -> Any:
        await trio.lowlevel.checkpoint()
        if self.times:
            self.times -= 1
            raise OSError(self.error, os.strerror(self.error))
        return Accepted()


class Accepted:
    """A stream with a low number."""

    @property
    def socket(self) -> Accepted:
        return self

    def fileno(self) -> int:
        return 3


def guarded(nursery: trio.Nursery, inner: Any) -> GuardedListener:
    (listener,) = Doors(FileLimit(1000, 10), CollectorRegistry(), nursery).guard([inner])
    return listener


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_accepting_goes_on_when_the_system_has_nothing_left(
    autojump_clock: trio.testing.MockClock, error: int
) -> None:
    times = int(2 * SAY_EVERY / PAUSE)
    async with trio.open_nursery() as nursery:
        with structlog.testing.capture_logs() as logs:
            stream: Any = await guarded(nursery, Poor(error, times)).accept()
        assert isinstance(stream, Accepted)
    assert trio.current_time() == pytest.approx(times * PAUSE)
    assert 2 <= len(logs) <= 3  # not one for each time
    assert logs[0]["error"] == os.strerror(error)


async def test_another_failure_is_not_hidden() -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(OSError, match="Bad file descriptor"):
            await guarded(nursery, Poor(errno.EBADF, 1)).accept()
