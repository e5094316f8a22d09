"""The fast transport under an echo, through real sockets: what the Autobahn suite found, and what
it looks at first, kept where every run of the tests sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from rpc.wire import SUBPROTOCOL
from tests.autobahn import fast_echo

pytestmark = pytest.mark.real


class Client:
    """A websocket client on the protocol of `websockets`, which it lets send anything."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        uri = parse_uri("ws://127.0.0.1/")
        self._protocol = ClientProtocol(uri, subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=None)
        self._frames: list[Frame] = []

    async def open(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        await self._stream.send_all(b"".join(self._protocol.data_to_send()))
        while self._protocol.state is not OPEN:
            await self._read()

    async def _read(self) -> None:
        data = await self._stream.receive_some()
        assert data, "the server has left"
        self._protocol.receive_data(data)
        self._frames += [
            event for event in self._protocol.events_received() if isinstance(event, Frame)
        ]

    async def say(self, *frames: Frame) -> None:
        """All frames at once, so that they are likely read at once."""
        await self._stream.send_all(b"".join(frame.serialize(mask=True) for frame in frames))

    async def hear(self, count: int) -> list[Frame]:
        while len(self._frames) < count:
            await self._read()
        heard, self._frames = self._frames[:count], self._frames[count:]
        return heard

    async def ended(self) -> bool:
        """Whether the server closes, within the test's time."""
        return await self._stream.receive_some() == b""


@asynccontextmanager
async def echoing() -> AsyncIterator[Client]:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            port = await nursery.start(fast_echo.serve, 0)
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                client = Client(stream)
                await client.open()
                yield client
            nursery.cancel_scope.cancel()


async def test_every_ping_of_a_few_is_answered_in_order() -> None:
    async with echoing() as client:
        payloads = [b"beat %d" % number for number in range(10)]
        await client.say(*(Frame(Opcode.PING, payload) for payload in payloads))
        assert await client.hear(10) == [Frame(Opcode.PONG, payload) for payload in payloads]


async def test_a_flood_of_pings_is_answered_by_the_latest_at_least() -> None:
    async with echoing() as client:
        pings = [Frame(Opcode.PING, b"%0125d" % number) for number in range(400)]
        await client.say(*pings, Frame(Opcode.BINARY, b"done"))
        heard = await client.hear(1)
        while heard[-1].opcode is Opcode.PONG:
            heard += await client.hear(1)
        answers = [bytes(frame.data) for frame in heard[:-1]]
        assert answers[-1] == b"%0125d" % 399
        assert answers == sorted(set(answers))


async def test_messages_in_fragments_come_back_whole_and_pings_are_answered_between() -> None:
    async with echoing() as client:
        await client.say(
            Frame(Opcode.TEXT, b"gr", fin=False),
            Frame(Opcode.PING, b"still there?"),
            Frame(Opcode.CONT, "ü".encode(), fin=False),
            Frame(Opcode.CONT, b"n"),
            Frame(Opcode.BINARY, b"x" * 3_000_000),
        )
        assert await client.hear(3) == [
            Frame(Opcode.PONG, b"still there?"),
            Frame(Opcode.TEXT, "grün".encode()),
            Frame(Opcode.BINARY, b"x" * 3_000_000),
        ]


async def test_a_breach_is_answered_by_its_code_and_the_end() -> None:
    async with echoing() as client:
        await client.say(Frame(Opcode.BINARY, b"good"), Frame(Opcode.TEXT, b"\xff"))
        good, close = await client.hear(2)
        assert good == Frame(Opcode.BINARY, b"good")
        assert close.opcode is Opcode.CLOSE
        assert bytes(close.data)[:2] == (1007).to_bytes(2, "big")
        assert await client.ended()
