"""picows on uvloop."""

from __future__ import annotations

from collections.abc import Iterable

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from bench.compare.peers.common import Member, Node, run


def _send(member: Member[WSTransport], data: bytes) -> None:
    member.socket.send(WSMsgType.BINARY, data)


def _tell(members: Iterable[Member[WSTransport]], data: bytes) -> None:
    for member in members:
        member.socket.send(WSMsgType.BINARY, data)


class Listener(WSListener):
    def __init__(self, node: Node[WSTransport]) -> None:
        super().__init__()
        self._node = node

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._member = Member(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self._node.received(self._member, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._node.left(self._member)


async def serve(batch: bool) -> int:
    node: Node[WSTransport] = Node(_send, _tell, batch=batch)
    server = await ws_create_server(lambda _: Listener(node), "127.0.0.1", 0, backlog=4096)
    port: int = server.sockets[0].getsockname()[1]
    return port


if __name__ == "__main__":
    run(serve)
