"""A service that says everything back on the fast transport: its sockets, its loop, its writes.

    python -m tests.autobahn.fast_echo [--port 9001]

What the product does otherwise is put into the transport here: it hands on text messages, and
writes what the session framed, so that text goes back as text and each message as one. All else
is the product's.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Any, cast
from unittest import mock

import trio
from prometheus_client import CollectorRegistry

from realtime.gateway import fast
from realtime.gateway.fast import Connection, FastTransport
from realtime.gateway.limits import GatewayLimits
from realtime.gateway.metrics import GatewayMetrics
from realtime.gateway.socket import Socket
from realtime.gateway.websocket import Message, Text, frame
from realtime.gateway.websocket.encode import text_frame
from realtime.gateway.wheel import Wheel
from realtime.gateway.workers import Workers
from tests.autobahn.echo import MAX_MESSAGE

UNSENT = 1024 * 1024  # bytes that wait before nothing more is read


class EchoSession:
    """As much of a session as a transport asks for."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def wants_more(self) -> bool:
        return self._size <= UNSENT

    updates = 0
    watched = False

    @property
    def outbox(self) -> EchoSession:
        return self

    def received(self, data: bytes) -> None:
        self._say(frame(data))

    def said(self, text: str) -> None:
        self._say(text_frame(text))

    def _say(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        self._socket.wake()

    def take(self) -> list[bytes]:
        parts, self._parts, self._size = self._parts, [], 0
        return parts

    def close(self, code: int, reason: str) -> None:
        self._socket.close(code, reason)

    def heard(self) -> None:
        pass

    def sent(self) -> None:
        pass

    def stuck(self) -> None:
        pass


class EchoTransport(FastTransport):
    def _control(self, connection: Connection, session: Any, message: Message) -> None:
        if isinstance(message, Text):
            session.said(message.text)
        else:
            super()._control(connection, session, message)


class Quiet:
    """Signals of nobody."""

    waiting = False


@dataclass
class EchoNode:
    signals = Quiet()
    metrics: GatewayMetrics = field(default_factory=lambda: GatewayMetrics(CollectorRegistry()))
    limits: GatewayLimits = field(default_factory=lambda: GatewayLimits(max_message=MAX_MESSAGE))
    wheel: Wheel = field(default_factory=Wheel)
    workers: Workers = field(default_factory=Workers)


class EchoSessions:
    """As much of `Sessions` as the transport asks for."""

    def __init__(self) -> None:
        self.node = EchoNode()

    def open(self, socket: Socket) -> EchoSession:
        return EchoSession(socket)

    def leave(self, peer: str) -> None:
        pass

    def end(self, session: EchoSession, code: int, reason: str) -> None:
        pass


def whole(parts: bytes) -> bytes:
    """In the place of `frame`: these are frames already."""
    return parts


async def serve(port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
    """Runs until it is cancelled; starts with the port it listens on."""
    sessions = EchoSessions()
    transport = EchoTransport(cast(Any, sessions))

    async def adopt(stream: trio.SocketStream) -> None:
        transport.adopt(stream, "")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sessions.node.wheel.run)
        nursery.start_soon(transport.run)
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        bound = listeners[0].socket.getsockname()[1]
        print(f"listening on {bound}", flush=True)
        task_status.started(bound)
        with mock.patch.object(fast, "frame", whole):
            await trio.serve_listeners(adopt, listeners)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=0)
    trio.run(serve, parser.parse_args().port)


if __name__ == "__main__":
    main()
