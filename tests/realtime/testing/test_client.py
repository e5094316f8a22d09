"""The words of the test client: each says yes when it should, and no when it should not."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime.testing import Closed, TestClient, TestServer, new_key, open_test_server
from rpc.errors import CallError, Close, Code
from rpc.proto import chat_pb2
from rpc.proto.frames_pb2 import ClientFrame, Ping


async def pair(server: TestServer) -> tuple[TestClient, TestClient, int]:
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    room = await ann.call("Chat.OpenDirect", user_id=bob.user_id)
    for one in (ann, bob):
        await one.expect("room_joined")
    return ann, bob, room.room.id


async def say(client: TestClient, room_id: int, text: str) -> None:
    await client.call("Chat.SendMessage", room_id=room_id, client_id=new_key(), text=text)


async def test_call_takes_fields_or_a_message_and_raises_what_the_server_said(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, _, room_id = await pair(server)
        by_fields = await ann.call("Chat.GetRoom", room_id=room_id)
        by_message = await ann.call("Chat.GetRoom", chat_pb2.GetRoomRequest(room_id=room_id))
        assert by_fields == by_message
        with pytest.raises(CallError) as error:
            await ann.call("Chat.GetRoom", room_id=room_id + 1000)
        assert error.value.code == Code.NOT_FOUND
        with pytest.raises(KeyError):
            await ann.call("Chat.NoSuchMethod")


async def test_expect_update_finds_its_kind_and_leaves_the_others(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob, room_id = await pair(server)
        await say(ann, room_id, "one")
        await bob.call("Chat.MarkRead", room_id=room_id, number=1)
        await say(ann, room_id, "two")
        assert (await ann.expect_update("receipt")).receipt.user_id == bob.user_id
        assert (await ann.expect_update("message")).message.text == "one"
        assert (await ann.expect_update("message")).message.text == "two"
        with pytest.raises(trio.TooSlowError):
            await ann.expect_update("message", within=5)
        began = trio.current_time()
        with pytest.raises(trio.TooSlowError):
            await ann.expect_update("post")
        assert trio.current_time() - began == 30  # the server's `patience`


async def test_expect_nothing_fails_for_what_arrives_in_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server, trio.open_nursery() as nursery:
        ann, bob, room_id = await pair(server)
        await say(ann, room_id, "before")
        await bob.expect_nothing(1.0)  # what came before is not its affair

        async def later() -> None:
            await trio.sleep(2)
            await say(ann, room_id, "late")

        nursery.start_soon(later)
        with pytest.raises(AssertionError, match="update"):
            await bob.expect_nothing(3.0)


async def test_reconnect_brings_what_was_missed(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        ann, bob, room_id = await pair(server)
        await bob.expect("checkpoint")
        await bob.disconnect()
        assert bob.closed is not None
        with pytest.raises(Closed):
            await bob.expect_update("message")
        await say(ann, room_id, "while away")
        await bob.reconnect()
        assert (await bob.expect_update("message")).message.text == "while away"
        await say(ann, room_id, "and live")
        assert (await bob.expect_update("message")).message.text == "and live"


async def test_a_closed_connection_ends_every_expectation(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        await ann.send_bytes(b"\xff")
        assert (await ann.expect_closed()).code == Close.BAD_FRAME
        for waiting in (ann.expect_update("message"), ann.expect_signal("typing"), ann.answer(9)):
            with pytest.raises(Closed) as closed:
                await waiting
            assert closed.value.code == Close.BAD_FRAME
        with pytest.raises(Closed):
            await ann.call("Users.GetMe")


async def test_a_stalled_client_hears_nothing_until_it_resumes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob, room_id = await pair(server)
        bob.stream.stall()
        await say(ann, room_id, "hello")
        await bob.expect_nothing(10)
        bob.stream.resume()
        assert (await bob.expect_update("message")).message.text == "hello"


async def test_half_a_frame_and_a_cut_change_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob, room_id = await pair(server)
        ann.stream.cut_after = 20  # within the websocket frame of the call
        with pytest.raises(Closed):
            await say(ann, room_id, "never arrives")
        await ann.reconnect()
        await bob.expect_nothing()
        assert not (await ann.call("Chat.GetHistory", room_id=room_id, before=0)).messages


async def test_a_lost_answer_and_a_repeat(autojump_clock: trio.testing.MockClock) -> None:
    """The call arrives, its answer does not: sent again with its op_key it is made once."""
    async with open_test_server() as server:
        ann, bob, room_id = await pair(server)
        fields = {"room_id": room_id, "client_id": new_key(), "text": "once", "op_key": new_key()}
        ann.stream.cut_after_received = 0
        with pytest.raises(Closed):
            await ann.call("Chat.SendMessage", **fields)
        assert (await bob.expect_update("message")).message.text == "once"
        await ann.reconnect()
        await ann.call("Chat.SendMessage", **fields)
        await bob.expect_nothing()


async def test_a_slow_line_delays_to_the_second(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        ann.stream.delay = 2.0
        began = trio.current_time()
        await ann.send(ClientFrame(ping=Ping(nonce=7)))
        assert (await ann.expect("pong")).pong.nonce == 7
        assert trio.current_time() - began == 2.0
