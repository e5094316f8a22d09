"""What becomes of a message after it was sent, for those who were away and who do not see it."""

from __future__ import annotations

import trio.testing

from realtime.testing import TestClient, new_key, open_test_server
from rpc.client.updates import Tracker, Verdict
from rpc.proto.frames_pb2 import ClientFrame, Ping
from rpc.proto.models_pb2 import Message


async def say(client: TestClient, room_id: int, text: str) -> Message:
    message: Message = await client.call(
        "Chat.SendMessage", room_id=room_id, client_id=new_key(), text=text
    )
    return message


def taken(tracker: Tracker, client: TestClient) -> list[Message]:
    """The messages among what has come that a client's tracker takes for new."""
    frames, client.frames = client.frames, []
    messages = []
    for frame in frames:
        kind = frame.WhichOneof("frame")
        if kind == "room_joined":
            joined = frame.room_joined
            room, base = joined.summary.room.id, joined.summary.base_sequence
            tracker.room_joined(room, base, joined.position)
        elif kind == "skip":
            assert tracker.skip(frame.skip) is not Verdict.GAP
        elif kind == "update":
            verdict = tracker.update(frame.update)
            assert verdict is not Verdict.GAP
            if verdict is Verdict.NEW and frame.update.WhichOneof("body") == "message":
                messages.append(frame.update.message)
    return messages


async def test_a_client_ahead_of_its_cursor_misses_no_edit(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        room = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
        cursor = bob.cursor
        tracker = Tracker()
        first = await say(ann, room, "one")
        await ann.call("Chat.EditMessage", message_id=first.id, text="two")
        await bob.expect_update("message")
        last_of_live = (await bob.expect_update("message")).sequence
        bob.cursor = cursor  # no checkpoint has come since: he resumes from before the message
        await bob.stream.cut()
        await bob.expect_closed()
        bob.frames = []
        for frame in bob.updates:
            tracker.update(frame)
        for text in ("three", "four"):
            await ann.call("Chat.EditMessage", message_id=first.id, text=text)
        await bob.connect(resume=True)
        await bob.expect("caught_up")
        assert [one.text for one in taken(tracker, bob)] == ["four"]
        # And who has had nothing finds the message in its place among the others.
        await bob.disconnect()
        await say(ann, room, "later")
        bob.cursor = cursor
        await bob.connect(resume=True)
        await bob.expect("caught_up")
        messages = taken(Tracker(), bob)
        assert [one.text for one in messages] == ["four", "four", "later"]
        assert last_of_live == 5  # after the room, its two members and the message


async def test_a_hidden_message_is_not_unread(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        room = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
        one, two, _ = [await say(ann, room, text) for text in ("one", "two", "three")]

        async def unread() -> int:
            return int((await bob.call("Chat.GetRoom", room_id=room)).unread)

        assert await unread() == 3
        await bob.call("Chat.DeleteMessage", message_id=two.id)
        assert await unread() == 2
        await ann.call("Chat.DeleteMessage", message_id=two.id, for_everyone=True)
        assert await unread() == 2  # gone twice is gone once
        await ann.call("Chat.DeleteMessage", message_id=one.id, for_everyone=True)
        assert await unread() == 1
        await bob.call("Chat.MarkRead", room_id=room, number=2)
        assert await unread() == 1


async def test_a_hidden_message_does_not_come_back_when_it_is_edited(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        away = await server.connect(bob.token)
        room = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
        first = await say(ann, room, "one")
        await away.expect_update("message")
        away.frames.clear()
        await away.send(ClientFrame(ping=Ping()))
        await away.expect("checkpoint")  # one that covers the message
        await away.disconnect()
        await bob.call("Chat.DeleteMessage", message_id=first.id)
        for client in (ann, bob):
            await client.expect_update("message")
        await ann.call("Chat.EditMessage", message_id=first.id, text="two")
        await ann.call("Chat.DeleteMessage", message_id=first.id, for_everyone=True)
        for _ in range(2):
            assert (await ann.expect_update("message")).message.id == first.id
        skips = [(await bob.expect("skip")).skip for _ in range(2)]
        assert [one.to for one in skips] == [5, 6]
        away.updates.clear()
        await away.reconnect()
        assert [one.WhichOneof("body") for one in away.updates] == ["message_hidden"]
