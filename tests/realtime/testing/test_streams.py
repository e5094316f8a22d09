"""The harness's streams: sockets in memory, and their faults."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime.testing import FaultyStream, MemorySocket, socket_pair


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    got = b""
    while data := await stream.receive_some():
        got += bytes(data)
    return got


async def read_into(got: list[bytes], stream: trio.abc.ReceiveStream) -> None:
    while True:
        got.append(bytes(await stream.receive_some(3)))


async def send_parts(stream: trio.abc.SendStream) -> None:
    for part in (b"abc", b"def", b"ghi"):
        await stream.send_all(part)


async def test_a_memory_socket_is_a_stream(autojump_clock: trio.testing.MockClock) -> None:
    async def make() -> tuple[MemorySocket, MemorySocket]:
        return socket_pair(window=100)

    async def clogged() -> tuple[MemorySocket, MemorySocket]:
        one, other = socket_pair(window=100)
        for end in (one, other):
            await end.send_all(b"x" * 100)
        return one, other

    await trio.testing.check_half_closeable_stream(make, clogged)


async def test_a_faultless_stream_is_a_stream(autojump_clock: trio.testing.MockClock) -> None:
    async def make() -> tuple[FaultyStream, FaultyStream]:
        one, other = socket_pair()
        return FaultyStream(one), FaultyStream(other)

    await trio.testing.check_half_closeable_stream(make, None)


async def test_a_sender_waits_while_nobody_reads(autojump_clock: trio.testing.MockClock) -> None:
    one, other = socket_pair(window=10)
    await one.send_all(b"x" * 10)
    with trio.move_on_after(60) as blocked:
        await one.send_all(b"y")
    assert blocked.cancelled_caught
    assert await other.receive_some(4) == b"xxxx"
    await one.send_all(b"z")
    assert await other.receive_some() == b"xxxxxxyz"


async def test_stall_holds_both_directions(autojump_clock: trio.testing.MockClock) -> None:
    one, other = socket_pair()
    stream = FaultyStream(one)
    stream.stall()
    stream.stall()  # twice is once
    await other.send_all(b"to you")
    for action in (stream.receive_some(), stream.send_all(b"to me")):
        with trio.move_on_after(1000) as held:
            await action
        assert held.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, b"now")
        await trio.testing.wait_all_tasks_blocked()
        stream.resume()
        assert await other.receive_some() == b"now"
    assert await stream.receive_some() == b"to you"


@pytest.mark.parametrize("at", [0, 1, 5, 6])
async def test_cut_after_so_many_bytes_sent(
    autojump_clock: trio.testing.MockClock, at: int
) -> None:
    one, other = socket_pair()
    stream = FaultyStream(one, cut_after=at)
    with pytest.raises(trio.BrokenResourceError):
        await send_parts(stream)
    assert await read_all(other) == b"abcdef"[:at]
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()


@pytest.mark.parametrize("at", [0, 1, 5, 6])
async def test_cut_after_so_many_bytes_received(
    autojump_clock: trio.testing.MockClock, at: int
) -> None:
    one, other = socket_pair()
    stream = FaultyStream(one)
    stream.cut_after_received = at
    await send_parts(other)
    got: list[bytes] = []
    with pytest.raises(trio.BrokenResourceError):
        await read_into(got, stream)
    assert b"".join(got) == b"abcdef"[:at]
    with pytest.raises(trio.BrokenResourceError):
        await other.send_all(b"late")


async def test_delays_are_exact(autojump_clock: trio.testing.MockClock) -> None:
    one, other = socket_pair()
    stream = FaultyStream(one, delay=2.0, delay_received=0.5)
    began = trio.current_time()
    await stream.send_all(b"question")
    assert trio.current_time() - began == 2.0
    assert await other.receive_some() == b"question"
    await other.send_all(b"answer")
    assert await stream.receive_some() == b"answer"
    assert trio.current_time() - began == 2.5
    stream.delay = 0
    await stream.send_all(b"again")
    assert trio.current_time() - began == 2.5


async def test_cut_wakes_whoever_waits(autojump_clock: trio.testing.MockClock) -> None:
    one, other = socket_pair(window=1)
    stream = FaultyStream(one)

    async def broken_send() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"more than the window")

    async def broken_receive() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(broken_send)
        nursery.start_soon(broken_receive)
        await trio.testing.wait_all_tasks_blocked()
        await stream.cut()
    assert await other.receive_some() == b"more than the window"
    assert await other.receive_some() == b""
