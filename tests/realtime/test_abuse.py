"""What a client may do wrong: a defined end for it, and nothing for anybody else."""

from __future__ import annotations

import contextlib

import pytest
import trio
import trio.testing

from realtime.core import CoreLimits
from realtime.gateway.limits import GatewayLimits
from realtime.testing import TestClient, TestServer, new_key, open_test_server
from rpc.dispatch import CallLimits
from rpc.errors import CallError, Close, Code
from rpc.proto.frames_pb2 import Call, ClientFrame, Focus, Hello, Ping
from rpc.rates import Rate
from rpc.wire import encode_client
from tests.realtime.transports import both_transports

pytestmark = both_transports

HELLO = ClientFrame(hello=Hello(client="abuser", device_id=b"d" * 16))


async def still_fine(server: TestServer, witness: TestClient) -> None:
    """Somebody else notices nothing."""
    assert (await witness.call("Users.GetMe")).user.id == witness.user_id
    assert witness.closed is None


@pytest.mark.parametrize(
    ("data", "close"),
    [
        (b"\xff\xff\xff\xff garbage", Close.BAD_FRAME),
        (b"", Close.BAD_FRAME),
        (encode_client([ClientFrame()]), Close.BAD_FRAME),
        (encode_client([ClientFrame(ping=Ping(nonce=1))]), Close.BAD_FRAME),
        (encode_client([HELLO, HELLO]), Close.BAD_FRAME),
        (encode_client([ClientFrame(hello=Hello(token="forged"))]), Close.UNAUTHENTICATED),
        (encode_client([ClientFrame(hello=Hello(device="x" * 1000))]), Close.BAD_FRAME),
        (encode_client([HELLO] + [ClientFrame(ping=Ping())] * 2000), Close.BAD_FRAME),
    ],
    ids=["garbage", "empty", "no frame", "no hello", "second hello", "token", "fields", "many"],
)
async def test_bad_first_messages(
    autojump_clock: trio.testing.MockClock, data: bytes, close: Close
) -> None:
    async with open_test_server() as server:
        witness = await server.sign_up("witness")
        client = server.client()
        await client.connect(hello=False)
        await client.send_bytes(data)
        assert (await client.expect_closed()).code == close
        await still_fine(server, witness)


async def test_text_and_oversized_messages(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        witness = await server.sign_up("witness")
        client = await server.connect()
        await client._transport._socket.send_message("text")  # type: ignore[union-attr]
        assert (await client.expect_closed()).code == Close.NOT_BINARY
        client = await server.connect()
        await client.send_bytes(b"\0" * (GatewayLimits().max_message + 1))
        assert (await client.expect_closed()).code == 1009
        await still_fine(server, witness)


async def test_silence_is_bounded(autojump_clock: trio.testing.MockClock) -> None:
    """No handshake, half a handshake, no hello, and nothing after the hello."""
    async with open_test_server() as server:
        witness = await server.sign_up("witness")
        for half in (b"", b"GET / HTTP/1.1\r\nHost: x\r\nUpgr"):
            stream = server.stream()
            if half:
                await stream.send_all(half)
            with (
                trio.fail_after(GatewayLimits().handshake_timeout + 1),
                contextlib.suppress(trio.BrokenResourceError),
            ):
                while await stream.receive_some():
                    pass
        client = server.client()
        await client.connect(hello=False)
        client._patience = 100
        assert (await client.expect_closed()).code == Close.HELLO_TIMEOUT
        client = await server.connect()
        client._patience = 100
        assert (await client.expect_closed()).code == Close.SLOW
        witness = await server.sign_up("second")
        await still_fine(server, witness)


async def test_bad_calls_are_answered_one_by_one(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        client = await server.sign_up("ann")
        key = new_key()
        cases: list[tuple[Call, Code]] = [
            (Call(id=901, method="No.Such"), Code.UNKNOWN_METHOD),
            (Call(id=902, method="Chat.GetRoom", payload=b"\xff"), Code.INVALID_ARGUMENT),
            (Call(id=903, method="Chat.GetRoom"), Code.INVALID_ARGUMENT),
            (Call(id=904, method="Chat.SendMessage", op_key=b"short"), Code.INVALID_ARGUMENT),
            (
                Call(id=905, method="Chat.GetRoom", payload=b"\0" * 70_000, op_key=key),
                Code.TOO_LARGE,
            ),
        ]
        for call, code in cases:
            await client.send(ClientFrame(call=call))
            frame = await client.answer(call.id)
            assert frame.failure.code == code, call.method
        stranger = await server.connect()
        with pytest.raises(CallError) as error:
            await stranger.call("Users.GetMe")
        assert error.value.code == Code.UNAUTHENTICATED
        await still_fine(server, client)


async def test_a_flood_of_calls_is_refused_and_a_flood_of_frames_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = CoreLimits(
        gateway=GatewayLimits(frame_rate=Rate(10, 50)),
        calls=CallLimits(user_rate=Rate(5, 10), address_rate=Rate(5, 30)),
    )
    async with open_test_server(limits=limits) as server:
        client = await server.sign_up("ann")
        for _ in range(10):
            await client.call("Users.GetMe")
        with pytest.raises(CallError) as error:
            await client.call("Users.GetMe")
        assert error.value.code == Code.RATE_LIMITED
        assert 0 < error.value.retry_after_ms <= 300
        await trio.sleep(error.value.retry_after_ms / 1000)
        await client.call("Users.GetMe")
        await client.send(*[ClientFrame(focus=Focus())] * 60)
        assert (await client.expect_closed()).code == Close.FLOODING


async def test_a_reader_that_stalls_lags_and_catches_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = CoreLimits(
        gateway=GatewayLimits(outbox_high=4000, outbox_low=1000, hold_max=4000, send_timeout=1e6),
        calls=CallLimits(user_rate=Rate(1e6, 1e6)),
    )
    async with open_test_server(limits=limits) as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        room = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
        await bob.expect("room_joined")
        bob.stream.stall()
        sent = []
        for number in range(60):
            message = await ann.call(
                "Chat.SendMessage", room_id=room, client_id=new_key(), text=f"{number} " * 1000
            )
            sent.append(message.id)
        bob.stream.resume()
        while len({u.message.id for u in bob.updates if u.message.id}) < len(sent):
            await bob.expect_update("message")
        got = list(dict.fromkeys(u.message.id for u in bob.updates if u.message.id))
        assert got == sent
        await bob.expect("lagging")
        await bob.expect("caught_up")


async def test_a_socket_that_never_drains_is_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        room = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
        bob.stream.stall()
        for _ in range(30):
            await ann.call("Chat.SendMessage", room_id=room, client_id=new_key(), text="x" * 4000)
        assert server.core.hub.sessions_of(bob.user_id)
        await trio.sleep(GatewayLimits().send_timeout + 5)
        assert not server.core.hub.sessions_of(bob.user_id)
        closed = server.core.metrics.get_sample_value("sunwire_closed_total", {"code": "4001"})
        assert closed == 1
        await still_fine(server, ann)


async def test_revoked_sessions_end_and_expired_tokens_are_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        other = await server.connect(ann.token)
        await other.call("Auth.RevokeSessions", session_id=ann.session_id)
        assert (await ann.expect_closed()).code == Close.UNAUTHENTICATED
        client = server.client()
        client.token = ann.token
        await client.connect(hello=False)
        await client.send(ClientFrame(hello=Hello(token=ann.token)))
        assert (await client.expect_closed()).code == Close.UNAUTHENTICATED
