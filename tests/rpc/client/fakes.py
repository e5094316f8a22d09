"""The other end of a client under test: connections over memory channels, played by hand."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import trio
from google.protobuf.message import Message

from rpc.client import Client, ClientOptions, DialError, StateStore, open_client
from rpc.client.events import Connected, CursorMoved, Event
from rpc.proto import frames_pb2, models_pb2
from rpc.proto.frames_pb2 import Call, ClientFrame, Hello, ServerBatch, ServerFrame, Update, Welcome
from rpc.transport import Transport, TransportClosed
from rpc.wire import decode_client

USER = 7


class Pipe:
    """One direction: whole messages, then the end with a close code."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[bytes](math.inf)
        self.closed: tuple[int, str] | None = None

    def close(self, code: int, reason: str = "") -> None:
        if self.closed is None:
            self.closed = (code, reason)
            self._send.close()

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise TransportClosed(*self.closed)
        self._send.send_nowait(data)

    async def receive(self) -> bytes:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            assert self.closed is not None
            raise TransportClosed(*self.closed) from None


class MemoryTransport:
    """A `Transport` over two pipes."""

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self.peer = "memory"

    async def receive(self) -> bytes:
        return await self._incoming.receive()

    async def send(self, data: bytes) -> None:
        if self._incoming.closed:
            raise TransportClosed(*self._incoming.closed)
        await self._outgoing.send(data)

    async def close(self, code: int, reason: str = "") -> None:
        await trio.lowlevel.checkpoint()
        self._outgoing.close(code, reason)

    def abort(self) -> None:
        self._outgoing.close(1006)
        self._incoming.close(1006)


class ServerEnd:
    """What a test does as the server of one connection."""

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._frames: list[ClientFrame] = []
        self.pings = 0
        self.largest = 0  # bytes, of the messages received

    async def next_frame(self) -> ClientFrame:
        """The client's next frame."""
        while not self._frames:
            data = await self._incoming.receive()
            self.largest = max(self.largest, len(data))
            self._frames = [frame for _, frame in decode_client(data)]
        return self._frames.pop(0)

    async def expect(self, kind: str) -> Any:
        """The next frame, which must be of a kind; pings are answered on the way."""
        while True:
            frame = await self.next_frame()
            found = frame.WhichOneof("frame")
            if found == "ping" and kind != "ping":
                self.pings += 1
                await self.send(pong=frames_pb2.Pong(nonce=frame.ping.nonce))
                continue
            assert found == kind, f"{found} instead of {kind}: {frame}"
            return getattr(frame, kind)

    async def hello(self, cursor: bytes = b"c0", **fields: Any) -> Hello:
        """Takes the hello and welcomes it."""
        hello: Hello = await self.expect("hello")
        defaults: dict[str, Any] = {
            "user_id": USER if hello.token else 0,
            "session_id": 1 if hello.token else 0,
            "cursor": hello.cursor or cursor,
            "heartbeat_ms": 30_000,
        }
        await self.send(welcome=Welcome(**{**defaults, **fields}))
        return hello

    async def call(self) -> Call:
        call: Call = await self.expect("call")
        return call

    async def answer(self, call: Call, message: Message) -> None:
        await self.send(result=frames_pb2.Result(id=call.id, payload=message.SerializeToString()))

    async def fail(self, call: Call, code: frames_pb2.Code, **fields: Any) -> None:
        await self.send(failure=frames_pb2.Failure(id=call.id, code=code, **fields))

    async def send(self, **frame: Any) -> None:
        await self.send_frames(ServerFrame(**frame))

    async def send_frames(self, *frames: ServerFrame) -> None:
        await self._outgoing.send(ServerBatch(frames=frames).SerializeToString())

    async def checkpoint(self, cursor: bytes) -> None:
        await self.send(checkpoint=frames_pb2.Checkpoint(cursor=cursor))

    def close(self, code: int, reason: str = "") -> None:
        self._outgoing.close(code, reason)

    def cut(self) -> None:
        """The line breaks."""
        self._outgoing.close(1006)
        self._incoming.close(1006)

    async def wait_closed(self) -> int:
        """The code with which the client ended; what it sent before is dropped."""
        while True:
            try:
                await self._incoming.receive()
            except TransportClosed as error:
                return error.code


class Net:
    """A dialer whose other end the test holds."""

    def __init__(self) -> None:
        self._send, self._accept = trio.open_memory_channel[ServerEnd](math.inf)
        self.down = False
        self.dials: list[float] = []  # when the client dialed

    async def dial(self, nursery: trio.Nursery) -> Transport:
        await trio.lowlevel.checkpoint()
        self.dials.append(trio.current_time())
        if self.down:
            raise DialError("the network is down")
        up, down = Pipe(), Pipe()
        self._send.send_nowait(ServerEnd(up, down))
        return MemoryTransport(down, up)

    async def accept(self) -> ServerEnd:
        return await self._accept.receive()

    async def welcome(self, **fields: Any) -> ServerEnd:
        """Accepts a connection and welcomes it."""
        end = await self.accept()
        await end.hello(**fields)
        return end


@asynccontextmanager
async def client_of(
    net: Net, *, token: str = "secret", state: StateStore | None = None, **options: Any
) -> AsyncIterator[Client]:
    options.setdefault("random", Random(1))
    options.setdefault("now_ms", lambda: int(trio.current_time() * 1000))
    async with open_client(
        net.dial, token=token, state=state, options=ClientOptions(**options)
    ) as client:
        yield client


class InOrder(Random):
    """Shuffles nothing."""

    def shuffle(self, x: object) -> None:
        pass


class Inbox:
    """Takes a client's events in the background."""

    def __init__(self, client: Client, nursery: trio.Nursery) -> None:
        self.events: list[Event] = []
        self._client = client
        self._new = trio.lowlevel.ParkingLot()
        nursery.start_soon(self._take)

    async def _take(self) -> None:
        async for event in self._client.events:
            self.events.append(event)
            self._new.unpark_all()

    async def wait(self, kind: type[Any], count: int = 1) -> Any:
        """The count-th event of a kind."""
        while True:
            found = [event for event in self.events if isinstance(event, kind)]
            if len(found) >= count:
                return found[count - 1]
            await self._new.park()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits for events until the condition holds."""
        while not condition():
            await self._new.park()

    def sequences(self) -> list[int]:
        return [e.update.sequence for e in self.events if hasattr(e, "update")]


def message_update(sequence: int, *, room: int = 1, position: int = 0) -> Update:
    return Update(
        stream=frames_pb2.Stream(kind=frames_pb2.STREAM_ROOM, id=room),
        sequence=sequence,
        position=position or 100 + sequence,
        message=models_pb2.Message(id=100 + sequence, room_id=room, text=f"message {sequence}"),
    )


__all__ = [
    "USER",
    "Connected",
    "CursorMoved",
    "InOrder",
    "Inbox",
    "MemoryTransport",
    "Net",
    "Pipe",
    "ServerEnd",
    "client_of",
    "message_update",
]
