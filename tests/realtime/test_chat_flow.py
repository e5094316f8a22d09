"""Two people and their devices, end to end in memory."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from realtime.testing import TestClient, TestServer, new_key, open_test_server
from rpc.errors import CallError, Code
from tests.realtime.transports import both_transports

pytestmark = both_transports


async def say(client: TestClient, room_id: int, text: str) -> int:
    message = await client.call("Chat.SendMessage", room_id=room_id, client_id=new_key(), text=text)
    return int(message.id)


async def direct(server: TestServer) -> tuple[TestClient, TestClient, int]:
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    summary = await ann.call("Chat.OpenDirect", user_id=bob.user_id)
    room_id = summary.room.id
    for client in (ann, bob):
        assert (await client.expect("room_joined")).room_joined.summary.room.id == room_id
    return ann, bob, room_id


async def test_a_message_reaches_both_ends(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        ann, bob, room_id = await direct(server)
        await say(ann, room_id, "hello")
        for client in (ann, bob):
            update = await client.expect_update("message")
            assert update.message.text == "hello"
            assert update.message.number == 1


async def test_missed_messages_come_by_resume_once_and_in_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob, room_id = await direct(server)
        await say(ann, room_id, "before")
        await bob.expect_update("message")
        await bob.expect("checkpoint")
        await bob.disconnect()
        ids = [await say(ann, room_id, f"missed {n}") for n in range(20)]
        await ann.call("Chat.EditMessage", message_id=ids[3], text="edited")
        await ann.call("Chat.DeleteMessage", message_id=ids[4], for_everyone=True)
        bob.updates.clear()
        await bob.connect(resume=True)
        await bob.expect("caught_up")
        messages = [u.message for u in bob.updates if u.WhichOneof("body") == "message"]
        # In their order, in their present state; what was changed since comes once more, for
        # those who had had it before.
        came = [m.id for m in messages if m.id >= ids[0]]
        assert came == [*ids, ids[3], ids[4]]
        edited, deleted = ([m for m in messages if m.id == one] for one in (ids[3], ids[4]))
        assert [m.text for m in edited] == ["edited", "edited"]
        assert [(m.deleted, m.text) for m in deleted] == [(True, "")] * 2
        await say(ann, room_id, "live again")
        while (await bob.expect_update("message")).message.text != "live again":
            pass


async def test_a_repeated_op_key_sends_once(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        ann, bob, room_id = await direct(server)
        key, client_id = new_key(), new_key()
        options = {"room_id": room_id, "client_id": client_id, "text": "once"}
        first = await ann.call("Chat.SendMessage", op_key=key, **options)
        again = await ann.call("Chat.SendMessage", op_key=key, **options)
        assert first == again
        with pytest.raises(CallError) as error:
            await ann.call("Chat.SendMessage", op_key=key, **{**options, "text": "other"})
        assert error.value.code == Code.OP_KEY_REUSED
        history = await bob.call("Chat.GetHistory", room_id=room_id, before=0)
        assert [m.text for m in history.messages] == ["once"]


async def test_a_stranger_reads_and_writes_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, _, room_id = await direct(server)
        message_id = await say(ann, room_id, "private")
        eve = await server.sign_up("eve")
        attempts: list[tuple[str, dict[str, Any]]] = [
            ("Chat.GetRoom", {"room_id": room_id}),
            ("Chat.GetHistory", {"room_id": room_id, "before": 0}),
            ("Chat.ListMembers", {"room_id": room_id}),
            ("Chat.SendMessage", {"room_id": room_id, "client_id": new_key(), "text": "x"}),
            ("Chat.EditMessage", {"message_id": message_id, "text": "x"}),
            ("Chat.DeleteMessage", {"message_id": message_id, "for_everyone": True}),
            ("Chat.DeleteMessage", {"message_id": message_id}),
            ("Chat.MarkRead", {"room_id": room_id, "number": 1}),
            ("Chat.MarkDelivered", {"room_id": room_id, "number": 1}),
            ("Chat.SetActivity", {"room_id": room_id, "activity": 1}),
            ("Chat.AddMembers", {"room_id": room_id, "user_ids": [eve.user_id]}),
            ("Chat.RemoveMember", {"room_id": room_id, "user_id": ann.user_id}),
            ("Chat.LeaveRoom", {"room_id": room_id}),
            ("Chat.UpdateRoom", {"room_id": room_id, "title": "mine"}),
        ]
        for method, fields in attempts:
            with pytest.raises(CallError) as error:
                await eve.call(method, **fields)
            assert error.value.code == Code.NOT_FOUND, method
        assert not (await eve.call("Chat.ListRooms")).rooms
        assert not (await eve.call("Chat.GetPresence", user_ids=[ann.user_id])).presences


async def test_receipts_unread_typing_and_presence(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob, room_id = await direct(server)
        await say(ann, room_id, "one")
        await say(ann, room_id, "two")
        assert (await bob.call("Chat.GetRoom", room_id=room_id)).unread == 2
        await bob.call("Chat.SetActivity", room_id=room_id, activity=1)
        assert (await ann.expect_signal("typing")).typing.user_id == bob.user_id
        await bob.call("Chat.MarkRead", room_id=room_id, number=2)
        receipt = (await ann.expect_update("receipt")).receipt
        assert (receipt.read_number, receipt.delivered_number) == (2, 2)
        assert (await bob.call("Chat.GetRoom", room_id=room_id)).unread == 0
        await bob.disconnect()
        gone = await ann.expect_signal("presence")
        assert not gone.presence.online
        assert gone.presence.last_seen_ms
        await bob.connect(resume=True)
        assert (await ann.expect_signal("presence")).presence.online


async def test_who_joins_late_sees_no_earlier_message_and_who_leaves_no_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        eve = await server.sign_up("eve")
        group = await ann.call("Chat.CreateGroup", title="we", user_ids=[bob.user_id])
        room_id = group.room.id
        early = await say(ann, room_id, "early")
        await ann.call("Chat.AddMembers", room_id=room_id, user_ids=[eve.user_id])
        await eve.expect("room_joined")
        await ann.call("Chat.EditMessage", message_id=early, text="edited")
        assert (await eve.expect("skip")).skip.to > 0
        await say(ann, room_id, "now")
        assert (await eve.expect_update("message")).message.text == "now"
        history = await eve.call("Chat.GetHistory", room_id=room_id, before=0)
        assert [m.text for m in history.messages] == ["now"]
        await ann.call("Chat.RemoveMember", room_id=room_id, user_id=eve.user_id)
        assert (await eve.expect("room_gone")).room_gone.room_id == room_id
        await say(ann, room_id, "after")
        await eve.expect_nothing()
        await eve.reconnect()
        assert "after" not in [u.message.text for u in eve.updates]
