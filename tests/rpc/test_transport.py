"""The transport: however the bytes of a connection are cut, the same frames arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from trio_websocket import wrap_client_stream, wrap_server_stream

from rpc.proto.frames_pb2 import ClientFrame, ServerFrame
from rpc.transport import TransportClosed, WebSocketTransport
from rpc.wire import SUBPROTOCOL, decode_client, decode_server, encode_client, encode_server
from tests.rpc.protos import messages

Memory = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


class InPieces(trio.abc.Stream):
    """Hands on what arrives in pieces of at most these sizes, in turn."""

    def __init__(self, stream: Memory, sizes: list[int]) -> None:
        self._stream = stream
        self._sizes: Iterator[int] = cycle(sizes)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._stream.receive_some(next(self._sizes)))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def connected(
    nursery: trio.Nursery, up: list[int], down: list[int]
) -> tuple[WebSocketTransport, WebSocketTransport]:
    """Client and server, which get what the other sends in pieces of these sizes."""
    one, other = trio.testing.memory_stream_pair()
    ends: dict[str, WebSocketTransport] = {}
    abort: Callable[[], None] = nursery.cancel_scope.cancel

    async def serve() -> None:
        request = await wrap_server_stream(nursery, InPieces(other, up))
        ends["server"] = WebSocketTransport(
            await request.accept(subprotocol=SUBPROTOCOL), abort, "memory"
        )

    async with trio.open_nursery() as opening:
        opening.start_soon(serve)
        socket = await wrap_client_stream(
            nursery,
            InPieces(one, down),  # type: ignore[arg-type]  # any stream will do
            "memory",
            "/",
            subprotocols=[SUBPROTOCOL],
        )
        ends["client"] = WebSocketTransport(socket, abort)
    return ends["client"], ends["server"]


SIZES = st.lists(st.integers(1, 9) | st.integers(1, 5000), min_size=1, max_size=5)


@settings(max_examples=30)
@given(
    st.lists(st.lists(messages(ClientFrame, 1), min_size=1, max_size=3), max_size=4),
    st.lists(messages(ServerFrame, 1), max_size=4),
    SIZES,
    SIZES,
)
def test_frames_arrive_however_the_bytes_are_cut(
    calls: list[list[ClientFrame]], answers: list[ServerFrame], up: list[int], down: list[int]
) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            client, server = await connected(nursery, up, down)
            assert (client.peer, server.peer) == ("", "memory")

            async def send() -> None:
                for batch in calls:
                    await client.send(encode_client(batch))

            async def answer() -> None:
                for frame in answers:
                    await server.send(encode_server(frame))

            nursery.start_soon(send)
            nursery.start_soon(answer)
            assert [
                [frame for _, frame in decode_client(await server.receive())] for _ in calls
            ] == calls
            assert [decode_server(await client.receive()) for _ in answers] == [
                [frame] for frame in answers
            ]
            closed: list[tuple[int, str]] = []

            async def hear() -> None:
                try:
                    await client.receive()
                except TransportClosed as end:
                    closed.append((end.code, end.reason))

            async with trio.open_nursery() as closing:
                closing.start_soon(hear)
                await server.close(4100, "not a batch of frames")
            assert closed == [(4100, "not a batch of frames")]

    trio.run(main)
