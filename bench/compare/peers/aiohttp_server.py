"""aiohttp on uvloop, without compression."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import WSMsgType, web

from bench.compare.peers.common import SUBPROTOCOL, Member, Node, run


def _send(member: Member[web.WebSocketResponse], data: bytes) -> None:
    """Runs `send_bytes` as far as it goes without waiting. Where it would wait the message is
    with the transport already, and nobody waits for that to drain, as with the other peers."""
    sending = member.socket.send_bytes(data)
    try:
        sending.send(None)
    except StopIteration:
        pass
    except ConnectionResetError:  # it is going away
        pass
    else:
        sending.close()


def _tell(members: Iterable[Member[web.WebSocketResponse]], data: bytes) -> None:
    for member in members:
        _send(member, data)


class Server:
    def __init__(self, batch: bool) -> None:
        self._node: Node[web.WebSocketResponse] = Node(_send, _tell, batch=batch)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, protocols=[SUBPROTOCOL])
        await socket.prepare(request)
        member = Member(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    self._node.received(member, message.data)
        finally:
            self._node.left(member)
        return socket


async def serve(batch: bool) -> int:
    app = web.Application()
    app.router.add_get("/", Server(batch).handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    port: int = runner.addresses[0][1]
    return port


if __name__ == "__main__":
    run(serve)
