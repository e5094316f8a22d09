"""websockets on uvloop, without compression, with its own `broadcast`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, cast

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed

from bench.compare.peers.common import SUBPROTOCOL, Member, Node, run


def _send(member: Member[ServerConnection], data: bytes) -> None:
    # To one as to many: `send` would await, and take a lock.
    broadcast((member.socket,), data)


def _tell(members: Iterable[Member[ServerConnection]], data: bytes) -> None:
    broadcast([member.socket for member in members], data)


class Server:
    def __init__(self, batch: bool) -> None:
        self._node: Node[ServerConnection] = Node(_send, _tell, batch=batch)

    async def handle(self, socket: ServerConnection) -> None:
        member = Member(socket)
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                if isinstance(message, bytes):
                    self._node.received(member, message)
        self._node.left(member)


async def serve(batch: bool) -> int:
    server = await listen(
        Server(batch).handle,
        "127.0.0.1",
        0,
        compression=None,
        subprotocols=cast(Any, [SUBPROTOCOL]),
        backlog=4096,
    )
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


if __name__ == "__main__":
    run(serve)
