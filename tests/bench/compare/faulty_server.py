"""A peer that does wrong now and then, as it is told: `python -m … FAULT`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.compare.peers.common import Member, Node
from rpc.proto.frames_pb2 import ServerBatch

EACH = 20  # messages, of which one is not as it should be


class Faulty:
    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._sent = 0
        self._node: Node[ServerConnection] = Node(self._send, self._tell, batch=False)

    def _send(self, member: Member[ServerConnection], data: bytes) -> None:
        self._sent += 1
        batch = ServerBatch.FromString(data)
        if self._sent % EACH == 0 and batch.frames[0].WhichOneof("frame") != "welcome":
            if self._fault == "lost":
                return
            if self._fault == "doubled":
                broadcast((member.socket,), data)
            if self._fault == "wrong":
                frame = batch.frames[0]
                if frame.WhichOneof("frame") == "result":
                    frame.result.payload += b"\x18\x01"
                else:
                    frame.signal.broadcast.payload += b"x"
                data = batch.SerializeToString()
            if self._fault == "errors":
                member.socket.transport.abort()
                return
        broadcast((member.socket,), data)

    def _tell(self, members: Iterable[Member[ServerConnection]], data: bytes) -> None:
        for member in members:
            self._send(member, data)

    async def handle(self, socket: ServerConnection) -> None:
        member = Member(socket)
        async for message in socket:
            assert isinstance(message, bytes)
            self._node.received(member, message)


async def main() -> None:
    protocols: Any = ["sunwire.v1"]
    faulty = Faulty(sys.argv[1])
    async with serve(faulty.handle, "127.0.0.1", 0, compression=None, subprotocols=protocols) as it:
        port = next(iter(it.sockets)).getsockname()[1]
        print(json.dumps({"event": "serving", "port": port}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
