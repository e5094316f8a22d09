"""Clients of different workers are at one server."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime.link.link import PATIENCE
from realtime.rooms.presence import GRACE
from realtime.testing import new_key
from realtime.testing.client import TestClient
from rpc.errors import CallError, Close, Code, Committed
from rpc.proto.frames_pb2 import ACTIVITY_TYPING, ClientFrame, Focus
from tests.realtime.cluster.clustering import TestCluster, open_test_cluster


async def room_of(one: TestClient, other: TestClient) -> int:
    room: int = (await one.call("Chat.OpenDirect", user_id=other.user_id)).room.id
    return room


async def say(client: TestClient, room: int, text: str, **options: bytes) -> None:
    await client.call("Chat.SendMessage", room_id=room, client_id=new_key(), text=text, **options)


async def heard(client: TestClient) -> str:
    text: str = (await client.expect_update("message")).message.text
    return text


def texts(client: TestClient) -> list[str]:
    """The messages that the client has received, each once, in the order of the log. A message
    comes again where the connection was cut before its checkpoint."""
    found = {one.position: one.message.text for one in client.updates if one.HasField("message")}
    return [found[position] for position in sorted(found)]


async def couple(cluster: TestCluster) -> tuple[TestClient, TestClient, int]:
    """Ann at the first worker, Bob at the second, and their room."""
    ann, bob = await cluster.sign_up("ann", 0), await cluster.sign_up("bob", 1)
    room = await room_of(ann, bob)
    await cluster.settled()
    return ann, bob, room


async def test_the_welcome_names_the_worker(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_cluster() as cluster:
        for number, worker in enumerate(cluster.workers, 1):
            assert worker.front.gateway.node.version == f"test (worker {number})"


async def test_they_talk_in_order(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_cluster() as cluster:
        ann, bob, room = await couple(cluster)
        for number in range(20):
            await say((ann, bob)[number % 2], room, str(number))
        expected = [str(number) for number in range(20)]
        for client in (ann, bob):
            assert [await heard(client) for _ in expected] == expected
        page = await bob.call("Chat.GetHistory", room_id=room, after=0, limit=50)
        assert [message.text for message in page.messages] == expected


async def test_who_joins_hears_from_then_on(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_cluster() as cluster:
        ann, bob, _ = await couple(cluster)
        group = await ann.call("Chat.CreateGroup", title="club", user_ids=[])
        await say(ann, group.room.id, "before")
        await ann.call("Chat.AddMembers", room_id=group.room.id, user_ids=[bob.user_id])
        await say(ann, group.room.id, "welcome")
        assert await heard(bob) == "welcome"
        await ann.call("Chat.RemoveMember", room_id=group.room.id, user_id=bob.user_id)
        await bob.expect("room_gone")
        await say(ann, group.room.id, "after")
        await bob.expect_nothing()


async def test_typing_is_seen_by_the_others_and_not_by_oneself(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_cluster() as cluster:
        ann, bob, room = await couple(cluster)
        again = await cluster.another(ann, 1)
        await ann.call("Chat.SetActivity", room_id=room, activity=ACTIVITY_TYPING)
        typing = (await bob.expect_signal("typing")).typing
        assert (typing.room_id, typing.user_id) == (room, ann.user_id)
        await bob.expect_nothing()
        assert "typing" not in [
            frame.signal.WhichOneof("body")
            for client in (ann, again)
            for frame in client.frames
            if frame.WhichOneof("frame") == "signal"
        ]


async def test_presence_is_told_once_whatever_the_workers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_cluster() as cluster:
        ann, bob, _ = await couple(cluster)
        await trio.sleep(10)
        await bob.disconnect()
        await trio.sleep(GRACE + 1)
        assert (await ann.expect_signal("presence")).presence.online is False
        await bob.connect(resume=True)
        presence = (await ann.expect_signal("presence")).presence
        assert (presence.user_id, presence.online) == (bob.user_id, True)
        again = await cluster.another(bob, 0)
        await trio.sleep(10)
        await bob.disconnect()
        await trio.sleep(10)
        answer = await ann.call("Chat.GetPresence", user_ids=[bob.user_id])
        assert answer.presences[0].online
        await again.send(ClientFrame(focus=Focus(background=True)))
        await trio.sleep(GRACE + 1)
        presence = (await ann.expect_signal("presence")).presence
        assert presence.online is False
        answer = await ann.call("Chat.GetPresence", user_ids=[bob.user_id])
        assert not answer.presences[0].online
        assert answer.presences[0].last_seen_ms == presence.last_seen_ms
        await ann.expect_nothing()


async def test_who_moves_to_another_worker_has_not_been_away(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_cluster() as cluster:
        ann, bob, room = await couple(cluster)
        await trio.sleep(10)
        ann.frames.clear()
        expected = [str(number) for number in range(6)]
        for number in range(6):
            await say(ann, room, str(number))
            await cluster.move(bob, number % 2)
        assert texts(bob) == expected
        await trio.sleep(10)
        kinds = [frame.WhichOneof("frame") for frame in ann.frames]
        assert "signal" not in kinds
        answer = await ann.call("Chat.GetPresence", user_ids=[bob.user_id])
        assert answer.presences[0].online


async def test_a_worker_that_is_behind_waits_for_the_cursor_it_is_shown(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_cluster() as cluster:
        ann, _, room = await couple(cluster)
        await cluster.another(ann, 1)  # it knows her rooms, and need not look them up
        slow = cluster.workers[1].front.delivery
        slow.offer = lambda entries: None  # type: ignore[method-assign]
        slow.expect = lambda position: None  # type: ignore[method-assign]
        await say(ann, room, "one")
        await ann.expect("checkpoint")
        await trio.sleep(1)
        position = cluster.workers[0].front.delivery.position
        assert slow.position < position
        del slow.offer, slow.expect
        await cluster.move(ann, 1)
        assert slow.position >= position
        assert cluster.workers[1].front.gateway.node.metrics.resyncs == 0


async def test_notifications_counts_and_home_come_from_the_writer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_cluster() as cluster:
        ann, bob, _ = await couple(cluster)
        await bob.call("Follows.FollowUser", user_id=ann.user_id)
        assert (await ann.expect_update("notification")).notification.actor.id == bob.user_id
        post = await ann.call("Posts.CreatePost", text="look")
        assert (await bob.expect_signal("home_changed")).home_changed.newest_post_id == post.id
        await bob.send(ClientFrame(focus=Focus(open_post=post.id)))
        await bob.call("Likes.LikePost", post_id=post.id)
        for client in (ann, bob):
            assert (await client.expect_signal("post_counts")).post_counts.likes == 1
        assert (await ann.expect_update("notification")).notification.actor.id == bob.user_id


async def test_a_session_that_is_revoked_ends_at_every_worker(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_cluster() as cluster:
        ann, _, _ = await couple(cluster)
        elsewhere = await cluster.another(ann, 1)
        await ann.call("Auth.SignOut")
        for client in (ann, elsewhere):
            assert (await client.expect_closed()).code == Close.UNAUTHENTICATED


async def test_wrong_passwords_are_counted_across_workers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_cluster() as cluster:
        await couple(cluster)
        strangers = [await worker.server.connect() for worker in cluster.workers]
        codes = []
        for number in range(12):
            with pytest.raises(CallError) as failed:
                await strangers[number % 2].call(
                    "Auth.SignInWithPassword", login="ann", password="guess"
                )
            codes.append(failed.value.code)
        assert codes == [Code.UNAUTHENTICATED] * 10 + [Code.RATE_LIMITED] * 2


async def test_a_worker_that_dies_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_cluster() as cluster:
        ann, bob, room = await couple(cluster)
        await say(ann, room, "one")
        assert await heard(bob) == "one"
        cluster.workers[1].kill()
        await bob.expect_closed()
        await say(ann, room, "two")
        await cluster.move(bob, 0)
        assert texts(bob) == ["one", "two"]
        await say(ann, room, "three")
        await cluster.start_worker()
        await cluster.move(bob, 2)
        await say(ann, room, "four")
        await bob.expect_nothing()
        assert texts(bob) == texts(ann) == ["one", "two", "three", "four"]


async def test_a_writer_that_dies_loses_nothing_that_was_promised(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_cluster() as cluster:
        ann, bob, room = await couple(cluster)
        key, client_id = new_key(), new_key()
        cluster.store.hold("committed")
        message = {"room_id": room, "client_id": client_id, "text": "unsure"}
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                with pytest.raises(CallError) as failed:
                    await ann.call("Chat.SendMessage", op_key=key, **message)
                error = failed.value
                assert (error.code, error.retryable) == (Code.UNAVAILABLE, True)
                assert error.committed == Committed.COMMITTED_UNKNOWN

            nursery.start_soon(send)
            await cluster.store.wait_held("committed")
            cluster.kill_writer()
            cluster.store.release_all()
        waits = trio.Event()
        async with trio.open_nursery() as nursery:

            async def later() -> None:
                waits.set()
                await say(bob, room, "meanwhile")

            nursery.start_soon(later)
            await waits.wait()
            await trio.sleep(PATIENCE / 2)
            page = await bob.call("Chat.GetHistory", room_id=room, after=0, limit=50)
            assert [one.text for one in page.messages] == ["unsure"], "reads go on"
            await cluster.start_writer()
        again = await ann.call("Chat.SendMessage", op_key=key, **message)
        assert again.text == "unsure"
        for client in (ann, bob):
            assert [await heard(client) for _ in range(2)] == ["unsure", "meanwhile"]
            await client.expect_nothing()


async def test_without_a_writer_calls_fail_in_a_while_and_may_be_repeated(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_cluster() as cluster:
        ann, bob, room = await couple(cluster)
        cluster.kill_writer()
        await trio.testing.wait_all_tasks_blocked()
        key = new_key()
        for patience in (PATIENCE, 0):
            begun = trio.current_time()
            with pytest.raises(CallError) as failed:
                await say(ann, room, "hello", op_key=key)
            assert trio.current_time() - begun <= patience + 0.01
            assert failed.value.code == Code.UNAVAILABLE
            assert failed.value.committed == Committed.COMMITTED_NO
        await cluster.start_writer()
        await trio.sleep(1)
        await say(ann, room, "hello", op_key=key)
        assert await heard(bob) == "hello"
        await bob.expect_nothing()
