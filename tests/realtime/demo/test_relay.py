"""The line that breaks where it is told to, on real sockets."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from realtime.demo.relay import Relay

pytestmark = pytest.mark.real


async def echo(stream: trio.SocketStream) -> None:
    async with stream:
        with contextlib.suppress(trio.BrokenResourceError):
            async for data in stream:
                await stream.send_all(data)


@asynccontextmanager
async def relay_to_echo(least: int, most: int) -> AsyncIterator[Relay]:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, echo, listeners)
        relay = Relay(listeners[0].socket.getsockname()[1], Random(3), least, most)
        await nursery.start(relay.run)
        with trio.fail_after(10):
            yield relay
        nursery.cancel_scope.cancel()


async def exchange(relay: Relay, size: int) -> int:
    """Sends bytes and returns how many have come back: all, or those before the end."""
    async with await trio.open_tcp_stream("127.0.0.1", relay.port) as stream:
        return await echoed(stream, size)


async def echoed(stream: trio.SocketStream, size: int) -> int:
    got = 0
    with contextlib.suppress(trio.BrokenResourceError):
        await stream.send_all(bytes(size))
        while got < size and (data := await stream.receive_some()):
            got += len(data)
    return got


async def test_a_whole_line_forwards_everything() -> None:
    async with relay_to_echo(100, 200) as relay:
        assert await exchange(relay, 50_000) == 50_000
        assert relay.cuts == 0


async def test_an_armed_one_cuts_after_so_many_bytes_so_many_times() -> None:
    async with relay_to_echo(1_000, 1_500) as relay:
        relay.arm(2)
        for _ in range(2):
            assert await exchange(relay, 50_000) < 1_500
        assert await exchange(relay, 50_000) == 50_000
        assert relay.cuts == 2


async def test_a_connection_that_stands_is_cut_too_and_disarming_spares_it() -> None:
    async with relay_to_echo(1_000, 1_500) as relay:
        async with await trio.open_tcp_stream("127.0.0.1", relay.port) as stream:
            assert await echoed(stream, 1) == 1
            relay.arm(1)
            relay.disarm()
            assert await echoed(stream, 5_000) == 5_000
            relay.arm(1)
            assert await echoed(stream, 5_000) < 1_500
        assert relay.cuts == 1


async def test_nobody_behind_it_is_a_closed_connection() -> None:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        await listeners[0].aclose()
        relay = Relay(port, Random(3), 1, 2)
        await nursery.start(relay.run)
        with trio.fail_after(10):
            assert await exchange(relay, 1) == 0
        nursery.cancel_scope.cancel()
