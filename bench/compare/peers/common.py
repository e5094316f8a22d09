"""What the Python peers do with a message: decode, dispatch by name, answer, encode.

Each server has its own way of sending; the rest is the same code for all.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from google.protobuf.message import Message

from bench.compare.proto.payload_pb2 import (
    EchoRequest,
    EchoResponse,
    PublishRequest,
    PublishResponse,
)
from rpc.proto.frames_pb2 import (
    UNKNOWN_METHOD,
    Broadcast,
    Call,
    CaughtUp,
    ClientBatch,
    Failure,
    Hello,
    Result,
    ServerBatch,
    ServerFrame,
    Signal,
    Welcome,
)

SUBPROTOCOL = "sunwire.v1"

S = TypeVar("S")
"""What a server sends to: its library's connection."""


class Member(Generic[S]):
    """A connection, with what its hello said."""

    __slots__ = ("rooms", "socket", "user_id")

    def __init__(self, socket: S) -> None:
        self.socket = socket
        self.user_id = 0
        self.rooms: list[int] = []


class Method(NamedTuple):
    request: type[Message]
    handler: Callable[..., Any]
    awaits: bool


class Node(Generic[S]):
    """The members and rooms of one server. `send` gives one message to one member, `tell` the
    same one to many; neither waits."""

    def __init__(
        self,
        send: Callable[[Member[S], bytes], None],
        tell: Callable[[Iterable[Member[S]], bytes], None],
        *,
        batch: bool,
    ) -> None:
        """With `batch` what a member gets in one turn of the event loop goes as one message:
        its answers, and the publications of each room, joined once for all members."""
        self._batch = batch
        self._send = self._keep if batch else send
        self._send_now, self._tell_now = send, tell
        self._answers: dict[Member[S], list[bytes]] = {}
        self._news: dict[int, list[bytes]] = {}
        self._flushing = False
        self._rooms: dict[int, set[Member[S]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._methods = {
            "Bench.Echo": Method(EchoRequest, self._echo, False),
            "Bench.EchoAwait": Method(EchoRequest, self._echo_await, True),
            "Bench.Publish": Method(PublishRequest, self._publish, False),
        }

    def received(self, member: Member[S], data: bytes) -> None:
        for frame in ClientBatch.FromString(data).frames:
            kind = frame.WhichOneof("frame")
            if kind == "call":
                self._call(member, frame.call)
            elif kind == "hello":
                self._hello(member, frame.hello)

    def left(self, member: Member[S]) -> None:
        for room in member.rooms:
            self._rooms[room].discard(member)

    def _hello(self, member: Member[S], hello: Hello) -> None:
        user, _, rooms = hello.token.partition(":")
        member.user_id = int(user)
        member.rooms = [int(room) for room in rooms.split(",") if room]
        for room in member.rooms:
            self._rooms.setdefault(room, set()).add(member)
        welcome = Welcome(user_id=member.user_id, session_id=member.user_id)
        self._send(member, _encode(ServerFrame(welcome=welcome)))
        if hello.cursor:
            self._send(member, _encode(ServerFrame(caught_up=CaughtUp())))

    def _call(self, member: Member[S], call: Call) -> None:
        method = self._methods.get(call.method)
        if method is None:
            failure = Failure(id=call.id, code=UNKNOWN_METHOD, message="no such method")
            self._send(member, _encode(ServerFrame(failure=failure)))
            return
        request = method.request.FromString(call.payload)
        if method.awaits:
            task = asyncio.get_running_loop().create_task(
                self._run(member, call.id, method.handler(member, request))
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._answer(member, call.id, method.handler(member, request))

    async def _run(
        self, member: Member[S], call_id: int, handler: Coroutine[Any, Any, Message]
    ) -> None:
        self._answer(member, call_id, await handler)

    def _answer(self, member: Member[S], call_id: int, answer: Message) -> None:
        result = Result(id=call_id, payload=answer.SerializeToString())
        self._send(member, _encode(ServerFrame(result=result)))

    # The handlers

    def _echo(self, _: Member[S], request: EchoRequest) -> EchoResponse:
        return EchoResponse(number=request.number, text=request.text)

    async def _echo_await(self, _: Member[S], request: EchoRequest) -> EchoResponse:
        await asyncio.sleep(0)
        return EchoResponse(number=request.number, text=request.text)

    def _publish(self, member: Member[S], request: PublishRequest) -> PublishResponse:
        broadcast = Broadcast(
            room_id=request.room_id, user_id=member.user_id, payload=request.payload
        )
        data = _encode(ServerFrame(signal=Signal(broadcast=broadcast)))
        if self._batch:
            self._news.setdefault(request.room_id, []).append(data)
            self._flush_soon()
        else:
            self._tell_now(self._rooms.get(request.room_id, ()), data)
        return PublishResponse()

    # Batching

    def _keep(self, member: Member[S], data: bytes) -> None:
        self._answers.setdefault(member, []).append(data)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        news, self._news = self._news, {}
        for room, publications in news.items():
            self._tell_now(self._rooms.get(room, ()), b"".join(publications))
        answers, self._answers = self._answers, {}
        for member, waiting in answers.items():
            self._send_now(member, b"".join(waiting))


def _encode(frame: ServerFrame) -> bytes:
    return ServerBatch(frames=[frame]).SerializeToString()


Serve = Callable[[bool], Awaitable[int]]
"""Listens on a free port of the loopback and returns it; is told whether to batch."""


def run(serve: Serve) -> None:
    """The main program of a peer: says on stdout where it serves, and serves until killed."""
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", action="store_true")
    batch = parser.parse_args().batch

    async def main() -> None:
        port = await serve(batch)
        # As a server does that holds many connections: the start is not looked at again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        print(json.dumps({"event": "serving", "port": port}), flush=True)
        await asyncio.Event().wait()

    uvloop.run(main())
