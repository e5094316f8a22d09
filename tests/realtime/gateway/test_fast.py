"""The fast transport by itself: what it survives, whatever raises, and how it writes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from realtime.core import CoreLimits
from realtime.gateway import fast, outbox, session, sessions, wheel
from realtime.gateway.limits import GatewayLimits
from realtime.gateway.websocket import Decoder, Handshake
from realtime.testing import TestClient, TestServer, open_test_server
from rpc.errors import Close
from rpc.proto.frames_pb2 import Broadcast, ClientFrame, Ping, Signal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it needs epoll")

HEAD = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: sunwire.v1\r\n\r\n"
)


async def answer(stream: trio.abc.ReceiveStream, patience: float = 30) -> bytes:
    """What the server says until it closes its side."""
    said = b""
    with trio.fail_after(patience):
        while data := await stream.receive_some(65536):
            said += data
    return said


async def still_serves(witness: TestClient) -> None:
    await witness.call("Users.GetMe")


Victims = tuple[type, str]

CALLBACKS: list[Victims] = [
    (fast.FastTransport, "_read"),
    (fast.FastTransport, "_take"),
    (fast.FastTransport, "_control"),
    (fast.FastTransport, "_shake_hands"),
    (fast.FastTransport, "_write"),
    (fast.FastTransport, "_write_on"),
    (fast.FastTransport, "_watch"),
    (fast.FastTransport, "_drop"),
    (fast.FastTransport, "adopt"),
    (fast.FastTransport, "close"),
    (fast.Connection, "due"),
    (fast.Connection, "wake"),
    (Decoder, "feed"),
    (Handshake, "feed"),
    (Handshake, "accept"),
    (sessions.Sessions, "open"),
    (sessions.Sessions, "end"),
    (session.Session, "received"),
    (outbox.Outbox, "take"),
    (session.Session, "lost"),
    (session.Session, "due"),
    (session.Session, "checkpoint"),
    (session.Session, "heard"),
]


def raises_once(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, applies: Callable[[Any], bool]
) -> list[bool]:
    """The method raises at its first call that `applies` to, from now on."""
    original = getattr(owner, name)
    raised: list[bool] = []

    def failing(self: Any, *args: Any, **options: Any) -> Any:
        if not raised and applies(self):
            raised.append(True)
            raise RuntimeError(f"{name} failed")
        return original(self, *args, **options)

    monkeypatch.setattr(owner, name, failing)
    return raised


async def provoke(server_: TestServer, first: bytes) -> None:
    """A client that makes every callback run: a handshake, a hello, pings of both kinds, an
    update, silence, a close frame, and a connection that never says anything."""
    with trio.move_on_after(200):
        mute = server_.stream()
        client = server_.client()
        try:
            await client.connect()
            await client.send(ClientFrame(ping=Ping(nonce=1)))
            await client.call("Users.CheckUsername", username="somebody")
            await client.disconnect()
        except Exception:
            pass  # that is what is provoked
        stream = server_.stream()
        try:
            await stream.send_all(first)
            await stream.send_all(b"\x89\x80\0\0\0\0")  # a ping of the websocket
            await trio.sleep(100)  # past every time limit
            await stream.send_all(b"\x88\x80\0\0\0\0")
            await answer(stream)
        except (trio.BrokenResourceError, trio.TooSlowError):
            pass
        await mute.aclose()
        await stream.aclose()


@pytest.mark.parametrize(
    ("owner", "name"), CALLBACKS, ids=lambda one: getattr(one, "__name__", one)
)
async def test_whatever_raises_ends_one_connection_and_nothing_else(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    owner: type,
    name: str,
) -> None:
    limits = CoreLimits(gateway=GatewayLimits(heartbeat=1000))
    async with open_test_server(sockets=True, limits=limits) as running:
        ann = await running.sign_up("ann")
        mine = set(running.core.gateway.sessions)
        kept = {one.socket for one in mine}
        parts = {one.decoder for one in kept} | {one.outbox for one in mine}  # type: ignore[attr-defined]

        def applies(self: Any) -> bool:
            return self not in mine and self not in kept and self not in parts

        raised = raises_once(monkeypatch, owner, name, applies)
        await provoke(running, HEAD)
        await still_serves(ann)
        assert raised, f"{name} was never called"
        await ann.expect_nothing(1)
        # Whoever was hit has left, and the next one is served as ever.
        bob = await running.sign_up("bob")
        await bob.call("Chat.OpenDirect", user_id=ann.user_id)
        await ann.expect("room_joined")
    assert f"{name} failed" in capsys.readouterr().out


async def test_a_hello_in_the_same_piece_as_the_handshake_is_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server(sockets=True) as running:
        stream = running.stream()
        await stream.send_all(HEAD + b"\x82\x84\0\0\0\0" + b"\x0a\x02\x0a\x00")
        said = b""
        with trio.fail_after(5):
            while b"sunwire/" not in said:
                said += await stream.receive_some(65536)
        assert said.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("cut", [1, 7, 60, len(HEAD) - 1])
async def test_a_handshake_in_pieces(autojump_clock: trio.testing.MockClock, cut: int) -> None:
    async with open_test_server(sockets=True) as running:
        stream = running.stream()
        await stream.send_all(HEAD[:cut])
        await trio.sleep(1)
        await stream.send_all(HEAD[cut:])
        with trio.fail_after(5):
            assert (await stream.receive_some(65536)).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", b"426"),
        (HEAD.replace(b"sunwire.v1", b"other.v1"), b"400"),
        (HEAD.replace(b"Version: 13", b"Version: 8"), b"426"),
        (HEAD.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 9000 + b"\r\n\r\n"), b"431"),
    ],
)
async def test_what_is_no_handshake_gets_an_answer_in_http(
    autojump_clock: trio.testing.MockClock, head: bytes, status: bytes
) -> None:
    async with open_test_server(sockets=True) as running:
        stream = running.stream()
        await stream.send_all(head)
        assert (await answer(stream)).split(b" ", 2)[1] == status
        await stream.aclose()
        await trio.sleep(1)
        assert not running.core.gateway.sessions.inside


async def test_who_never_finishes_a_handshake_is_dropped_in_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = CoreLimits(gateway=GatewayLimits(handshake_timeout=3))
    async with open_test_server(sockets=True, limits=limits) as running:
        stream = running.stream()
        await stream.send_all(HEAD[:-2])
        begun = trio.current_time()
        assert await answer(stream) == b""
        assert 3 <= trio.current_time() - begun <= 3 + wheel.TICK
        assert not running.core.gateway.sessions.inside


async def test_a_close_frame_is_answered_and_the_session_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server(sockets=True) as running:
        stream = running.stream()
        await stream.send_all(HEAD + b"\x88\x82\0\0\0\0\x03\xe8" + b"what nobody reads")
        said = await answer(stream)
        assert said.endswith(b"\x88\x02\x03\xe8")
        assert not running.core.gateway.sessions
        assert running.core.gateway.sessions.inside == 1  # until the peer has gone too
        await stream.aclose()
        await trio.sleep(1)
        assert not running.core.gateway.sessions.inside


async def test_who_does_not_leave_after_the_close_is_dropped(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server(sockets=True) as running:
        stream = running.stream()
        await stream.send_all(HEAD + b"\x88\x82\0\0\0\0\x03\xe8")
        await answer(stream)
        await trio.sleep(running.core.limits.gateway.close_timeout + 1)
        assert not running.core.gateway.sessions.inside


async def test_members_who_wait_for_the_same_are_written_the_same_bytes(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    framed: list[bytes] = []

    def counting(payload: bytes) -> bytes:
        framed.append(payload)
        return original(payload)

    original: Callable[[bytes], bytes] = vars(fast)["frame"]
    async with open_test_server(sockets=True) as running:
        people = [await running.sign_up(f"user{n}") for n in range(6)]
        room = await people[0].call(
            "Chat.CreateGroup", title="six", user_ids=[one.user_id for one in people]
        )
        await running.settled()
        for one in people:
            await one.expect("room_joined")
        await trio.sleep(1)
        monkeypatch.setattr(fast, "frame", counting)
        await people[0].call("Chat.SetActivity", room_id=room.room.id, activity=1)
        for one in people[1:]:
            await one.expect("signal")
        # The answer, and one message for all five others.
        assert len(framed) == 2


async def test_who_was_not_read_for_his_many_answers_is_read_again_once_they_are_written(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The socket took them all at once: nothing else will tell that there is room."""
    limits = CoreLimits(gateway=GatewayLimits(outbox_max=10))
    async with open_test_server(sockets=True, limits=limits) as running:
        ann = await running.sign_up("ann")
        for _ in range(3):
            await ann.send(ClientFrame(ping=Ping(nonce=1)))
            await ann.expect("pong", within=5)


async def test_each_message_written_is_counted_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server(sockets=True) as running:
        ann = await running.sign_up("ann")
        await trio.sleep(1)
        metrics = running.core.gateway.node.metrics
        (mine,) = running.core.gateway.sessions
        mine.outbox.watched = True  # as in a catch-up
        before, size = metrics.messages_out, metrics.bytes_out
        await ann.send(ClientFrame(ping=Ping(nonce=1)))
        await ann.expect("checkpoint")
        assert metrics.messages_out == before + 1
        assert metrics.bytes_out > size


async def test_a_broadcast_that_fails_ends_nobody(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with open_test_server(sockets=True) as running:
        ann = await running.sign_up("ann")
        signals = running.core.local

        def fail(*_: Any) -> None:
            raise RuntimeError("a bug")

        with monkeypatch.context() as patch:
            patch.setattr(signals, "deliver", fail)
            signals.to_room(1, Signal(broadcast=Broadcast(room_id=1)))
            await trio.sleep(1)
        await still_serves(ann)
    assert "broadcast failed" in capsys.readouterr().out


async def test_a_server_that_stops_closes_every_socket(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server(sockets=True) as running:
        ann = await running.sign_up("ann")
        silent = running.stream()
        await silent.send_all(HEAD)
        await trio.sleep(1)
    assert ann.closed is None or ann.closed.code in (1001, 1006, Close.GOING_AWAY)
