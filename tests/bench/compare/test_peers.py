"""What the Python peers do with a message, without their sockets; and their locks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from bench.compare import builds
from bench.compare.peers.common import Member, Node
from bench.compare.proto.payload_pb2 import EchoRequest, EchoResponse, PublishRequest
from rpc import codegen
from rpc.proto.frames_pb2 import Call, ClientBatch, ClientFrame, Hello, ServerBatch, ServerFrame


class Sent:
    """Keeps what a node sends, in the order in which it leaves."""

    def __init__(self, *, batch: bool = False) -> None:
        self.messages: list[tuple[str, list[ServerFrame]]] = []
        self.node: Node[str] = Node(self._send, self._tell, batch=batch)

    def _send(self, member: Member[str], data: bytes) -> None:
        self.messages.append((member.socket, list(ServerBatch.FromString(data).frames)))

    def _tell(self, members: Iterable[Member[str]], data: bytes) -> None:
        for member in sorted(members, key=lambda one: one.socket):
            self._send(member, data)

    def join(self, name: str, token: str, cursor: bytes = b"") -> Member[str]:
        member = Member(name)
        self.say(member, ClientFrame(hello=Hello(token=token, cursor=cursor)))
        return member

    def say(self, member: Member[str], *frames: ClientFrame) -> None:
        self.node.received(member, ClientBatch(frames=frames).SerializeToString())

    def taken(self) -> list[tuple[str, list[str | None]]]:
        """Who got which kinds of frames, message by message; forgets them."""
        found = [
            (name, [frame.WhichOneof("frame") for frame in frames])
            for name, frames in self.messages
        ]
        self.messages.clear()
        return found


def call(number: int, method: str, request: EchoRequest | PublishRequest) -> ClientFrame:
    payload = request.SerializeToString()
    return ClientFrame(call=Call(id=number, method=f"Bench.{method}", payload=payload))


def test_a_hello_is_welcomed_and_one_with_a_cursor_has_caught_up() -> None:
    sent = Sent()
    assert sent.join("a", "7:1,2").rooms == [1, 2]
    assert sent.messages[0][1][0].welcome.user_id == 7
    sent.messages.clear()
    sent.join("b", "8:", b"cursor")
    assert sent.taken() == [("b", ["welcome"]), ("b", ["caught_up"])]


def test_an_echo_has_what_was_said() -> None:
    sent = Sent()
    member = sent.join("a", "7:")
    sent.messages.clear()
    sent.say(member, call(3, "Echo", EchoRequest(number=5, text="hey")))
    result = sent.messages[0][1][0].result
    assert result.id == 3
    assert EchoResponse.FromString(result.payload) == EchoResponse(number=5, text="hey")


def test_an_unknown_method_fails() -> None:
    sent = Sent()
    sent.say(sent.join("a", "7:"), call(3, "Nothing", EchoRequest()))
    assert sent.taken()[-1] == ("a", ["failure"])


def test_an_echo_that_awaits_comes_later() -> None:
    async def main() -> None:
        sent = Sent()
        member = sent.join("a", "7:")
        sent.messages.clear()
        sent.say(member, call(3, "EchoAwait", EchoRequest(number=5)))
        assert not sent.messages
        for _ in range(3):
            await asyncio.sleep(0)
        assert sent.taken() == [("a", ["result"])]

    asyncio.run(main())


def test_a_publication_goes_to_the_room_alone_and_not_to_who_has_left() -> None:
    sent = Sent()
    publisher, gone = sent.join("a", "7:1"), sent.join("b", "8:1")
    sent.join("c", "9:1"), sent.join("d", "10:2")
    sent.node.left(gone)
    sent.messages.clear()
    sent.say(publisher, call(3, "Publish", PublishRequest(room_id=1, payload=b"news")))
    assert sent.messages[0][1][0].signal.broadcast.payload == b"news"
    assert sent.messages[0][1][0].signal.broadcast.user_id == 7
    assert sent.taken() == [("a", ["signal"]), ("c", ["signal"]), ("a", ["result"])]


def test_in_a_batch_each_gets_one_message_a_turn() -> None:
    async def main() -> None:
        sent = Sent(batch=True)
        publisher = sent.join("a", "7:1")
        sent.join("b", "8:1")
        await asyncio.sleep(0)
        sent.messages.clear()
        for number in range(3):
            sent.say(publisher, call(number, "Publish", PublishRequest(room_id=1)))
        assert not sent.messages
        await asyncio.sleep(0)
        assert sent.taken() == [
            ("a", ["signal"] * 3),
            ("b", ["signal"] * 3),
            ("a", ["result"] * 3),
        ]

    asyncio.run(main())


def test_the_generated_modules_are_what_the_proto_files_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(builds.ROOT)
    assert codegen.main(["--check", "--proto", "bench/compare/proto"]) == 0


@pytest.mark.parametrize(
    "lock", ["requirements.txt", "node/package-lock.json", "centrifuge/go.mod", "centrifuge/go.sum"]
)
def test_locks_name_no_hosts(lock: str) -> None:
    assert "://" not in (builds.HERE / "peers" / lock).read_text()
