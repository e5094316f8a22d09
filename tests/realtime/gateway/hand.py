"""A connection whose client is played by hand: no websocket, every frame in plain sight."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from realtime.core import CoreLimits
from realtime.gateway.portable import PortableSocket
from realtime.testing import TestServer, open_test_server
from rpc.context import CallContext
from rpc.errors import ProtocolError
from rpc.proto.frames_pb2 import Call, Cancel, ClientFrame, Hello, Ping, ServerFrame
from rpc.transport import TransportClosed
from rpc.wire import decode_server, encode_client
from store.interface import Store
from tests.rpc.probe import Ask, Behaviour, Probe, Told
from tests.store.notes import Note


class Hand:
    """A `Transport`, and the client at its other end.

    While `stuck` is set, a send does not return: the socket is full. `frames` are those
    received and not taken by `next`; `closed` is what the server closed with.
    """

    def __init__(self, peer: str = "192.0.2.1") -> None:
        self.peer = peer
        self.token = ""
        self.user_id = 0
        self.stuck = False
        self.stuck_close = False
        self.frames: list[ServerFrame] = []
        self.messages: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.aborted = False
        self.received = 0  # messages that the server has taken
        self.over = trio.Event()  # the session has ended
        self.scope = trio.CancelScope()  # of what runs it
        self._send, self._receive = trio.open_memory_channel[bytes | Exception](1000)
        self._changed = trio.lowlevel.ParkingLot()
        self._unstuck = trio.Event()

    # The server's side

    async def receive(self) -> bytes:
        message = await self._receive.receive()
        if isinstance(message, Exception):
            raise message
        self.received += 1
        return message

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        while self.stuck:
            await self._unstuck.wait()
        self.messages.append(data)
        self.frames += decode_server(data)
        self._changed.unpark_all()

    async def close(self, code: int, reason: str = "") -> None:
        await trio.lowlevel.checkpoint()
        self.closed = (code, reason)
        if self.stuck_close:
            await trio.sleep_forever()

    def abort(self) -> None:
        self.aborted = True
        self.scope.cancel()

    # The client's side

    def say(self, *frames: ClientFrame) -> None:
        """Sends the frames as one message."""
        self._send.send_nowait(encode_client(frames))

    def call(self, call_id: int, method: str, request: Ask | None = None, **fields: Any) -> None:
        self.say(call_frame(call_id, method, request, **fields))

    def cancel(self, call_id: int) -> None:
        self.say(ClientFrame(cancel=Cancel(id=call_id)))

    def ping(self, nonce: int = 1) -> None:
        self.say(ClientFrame(ping=Ping(nonce=nonce)))

    def break_rules(self, error: ProtocolError) -> None:
        """The transport refuses a message."""
        self._send.send_nowait(error)

    def break_off(self) -> None:
        self._send.send_nowait(TransportClosed(1006, "broken"))

    def unstick(self) -> None:
        self.stuck = False
        self._unstuck.set()
        self._unstuck = trio.Event()

    async def next(self, kind: str, within: float = 30.0) -> ServerFrame:
        """The next frame of a kind; those before it stay."""
        with trio.fail_after(within):
            while True:
                for index, frame in enumerate(self.frames):
                    if frame.WhichOneof("frame") == kind:
                        return self.frames.pop(index)
                await self._changed.park()

    async def answer(self, call_id: int, within: float = 30.0) -> ServerFrame:
        """The Result or Failure of a call."""
        with trio.fail_after(within):
            while True:
                for index, frame in enumerate(self.frames):
                    kind = frame.WhichOneof("frame")
                    if kind in ("result", "failure") and getattr(frame, kind).id == call_id:
                        return self.frames.pop(index)
                await self._changed.park()

    def kinds(self) -> list[str]:
        """What has been received and not taken."""
        return [frame.WhichOneof("frame") or "" for frame in self.frames]

    async def end(self, within: float = 30.0) -> tuple[int, str]:
        """How the server ended the session."""
        with trio.fail_after(within):
            await self.over.wait()
        return self.closed or (0, "")


def call_frame(call_id: int, method: str, request: Ask | None = None, **fields: Any) -> ClientFrame:
    payload = (request or Ask()).SerializeToString()
    return ClientFrame(call=Call(id=call_id, method=f"Probe.{method}", payload=payload, **fields))


def hello_frame(token: str = "", **fields: Any) -> ClientFrame:
    fields = {"device_id": b"d" * 16, "client": "hand", **fields}
    return ClientFrame(hello=Hello(token=token, **fields))


class Hands:
    """A server with the probe service, and connections to it by hand."""

    def __init__(self, server: TestServer, probe: Probe, nursery: trio.Nursery) -> None:
        self.server = server
        self.core = server.core
        self.probe = probe
        self._nursery = nursery
        self._hands: list[Hand] = []

    def open(self, *, peer: str = "192.0.2.1") -> Hand:
        """A connection that has not said hello."""
        hand = Hand(peer)
        self._hands.append(hand)

        async def serve() -> None:
            with hand.scope:
                await PortableSocket(self.core.gateway.sessions, hand).run()
            hand.over.set()

        self._nursery.start_soon(serve)
        return hand

    async def hello(self, token: str = "", **fields: Any) -> Hand:
        """A connection that has been welcomed."""
        hand = self.open()
        hand.say(hello_frame(token, **fields))
        await hand.next("welcome")
        return hand

    async def user(self, name: str = "ann") -> Hand:
        """A new user on a connection of his own, and no other."""
        client = await self.server.sign_up(name)
        await client.disconnect()
        hand = await self.hello(client.token)
        hand.token, hand.user_id = client.token, client.user_id
        return hand

    def sample(self, name: str, **labels: str) -> float:
        return self.core.metrics.get_sample_value(name, labels) or 0.0

    def unstick_all(self) -> None:
        for hand in self._hands:
            hand.stuck_close = False
            hand.unstick()


@asynccontextmanager
async def by_hand(
    limits: CoreLimits | None = None, store: Store | None = None
) -> AsyncIterator[Hands]:
    probe = Probe()
    async with (
        open_test_server(limits=limits, services=[probe], store=store) as server,
        trio.open_nursery() as nursery,
    ):
        hands = Hands(server, probe, nursery)
        try:
            yield hands
        finally:
            hands.unstick_all()
            nursery.cancel_scope.cancel()


async def news(hands: Hands, user_id: int, subject: int = 0) -> int:
    """Commits an entry in the user's stream, and returns when it has been delivered."""
    position = await hands.core.batcher.submit(
        Note(user_id=user_id, subject=subject or user_id)
    ).wait()
    await hands.core.delivery.wait_for(position)
    return position


def waiting(opened: trio.Event) -> Behaviour:
    """A handler that waits for the event."""

    async def behave(_: CallContext, request: Ask) -> Told:
        await opened.wait()
        return Told(number=request.count)

    return behave
