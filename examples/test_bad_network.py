"""What a bad network does, on purpose: a line that stalls, breaks in mid-frame, and is slow.

`python -m pytest examples/test_bad_network.py` runs it; conftest.py names the harness's plugin.
Nothing here waits for real time.
"""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime.testing import Closed, TestClient, TestServer, new_key, open_test_server


async def pair(server: TestServer) -> tuple[TestClient, TestClient, int]:
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    room = await ann.call("Chat.OpenDirect", user_id=bob.user_id)
    await bob.expect("room_joined")
    return ann, bob, room.room.id


async def test_who_stalls_hears_it_later(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        ann, bob, room = await pair(server)
        bob.stream.stall()
        await ann.call("Chat.SendMessage", room_id=room, client_id=new_key(), text="hello")
        await bob.expect_nothing(10)
        bob.stream.resume()
        assert (await bob.expect_update("message")).message.text == "hello"


async def test_a_call_cut_in_its_frame_was_never_made(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob, room = await pair(server)
        ann.stream.cut_after = 20  # bytes
        with pytest.raises(Closed):
            await ann.call("Chat.SendMessage", room_id=room, client_id=new_key(), text="hello")
        await ann.reconnect()
        await bob.expect_nothing()


async def test_a_call_whose_answer_was_cut_is_made_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob, room = await pair(server)
        call = {"room_id": room, "client_id": new_key(), "text": "hello", "op_key": new_key()}
        ann.stream.cut_after_received = 10
        with pytest.raises(Closed):
            await ann.call("Chat.SendMessage", **call)
        await bob.expect_update("message")
        await ann.reconnect()
        await ann.call("Chat.SendMessage", **call)  # the same op_key: the first answer again
        await bob.expect_nothing()


async def test_a_slow_line_slows_its_own_user_only(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob, room = await pair(server)
        bob.stream.delay_received = 5.0  # seconds
        began = trio.current_time()
        await ann.call("Chat.SendMessage", room_id=room, client_id=new_key(), text="hello")
        assert trio.current_time() == began
        await bob.expect_update("message")
        assert trio.current_time() == began + 5
