"""Two nodes on one database: whatever is done at one is seen at the other, in one order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import pytest
import trio

from realtime.events import leases
from realtime.nodes.address import parse
from realtime.nodes.redis import RedisBus
from realtime.redis import Connect
from realtime.testing import Closed, TestClient, TestServer, new_key, open_test_server
from rpc.errors import CallError, Close, Code
from rpc.proto.frames_pb2 import ACTIVITY_TYPING
from store.mysql.address import Address
from store.mysql.store import MysqlStore
from tests.contracts.mysql import Admin
from tests.real.redis import redis_url
from tests.store.mysql.conftest import address, admin

__all__ = ["address", "admin"]

PATIENCE = 10.0  # seconds of real time
DELAY = 1.0  # seconds within which a node has seen what another did, on a busy machine


class Nodes(NamedTuple):
    one: TestServer
    two: TestServer

    async def at_two(self, client: TestClient) -> TestClient:
        """The same session, on a connection to the second node, from the start of its cursor."""
        other = self.two.client()
        other.token, other.cursor = client.token, client.cursor
        other.user_id, other.session_id = client.user_id, client.session_id
        await other.connect(resume=True)
        await other.expect("caught_up")
        return other

    def owners(self, name: str) -> list[TestServer]:
        return [node for node in self if f"consumer.{name}" in owned(node)]


def owned(node: TestServer) -> list[str]:
    """The consumers that run there."""
    assert node.core.ledger.leases is not None
    return [name for name in node.core.ledger.leases.owned() if name.startswith("consumer.")]


@asynccontextmanager
async def node_on(address: Address, connect: Connect | None = None) -> AsyncIterator[TestServer]:
    store = await MysqlStore.open(address, readers=3)
    try:
        async with open_test_server(store=store, patience=PATIENCE, connect=connect) as server:
            yield server
    finally:
        await store.aclose()


@asynccontextmanager
async def two_nodes(admin: Admin, connect: Connect | None) -> AsyncIterator[Nodes]:
    async with (
        admin.migrated() as place,
        node_on(place, connect) as one,
        node_on(place, connect) as two,
    ):
        yield Nodes(one, two)


@pytest.fixture(params=["poll", "redis"])
def nodes(
    admin: Admin, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AbstractAsyncContextManager[Nodes]:
    """With nothing between them but the database, and with a Redis."""
    monkeypatch.setattr(leases, "RENEW", 0.05)
    connect = partial(RedisBus, parse(redis_url())) if request.param == "redis" else None
    return two_nodes(admin, connect)


async def until(what: Callable[[], Any]) -> None:
    """Waits for what another node will have done soon."""
    with trio.fail_after(PATIENCE):
        while True:
            found = what()
            if hasattr(found, "__await__"):
                found = await found
            if found:
                return
            await trio.sleep(0.01)


def texts(client: TestClient, room_id: int) -> list[tuple[int, str]]:
    return [
        (update.message.number, update.message.text)
        for update in client.updates
        if update.WhichOneof("body") == "message" and update.message.room_id == room_id
    ]


async def say(client: TestClient, room_id: int, text: str) -> None:
    await client.call("Chat.SendMessage", room_id=room_id, client_id=new_key(), text=text)


async def group(owner: TestClient, *members: TestClient) -> int:
    made = await owner.call(
        "Chat.CreateGroup", title="boats", user_ids=[one.user_id for one in members]
    )
    room_id: int = made.room.id
    for client in (owner, *members):
        while (await client.expect("room_joined")).room_joined.summary.room.id != room_id:
            pass
    return room_id


async def test_everybody_receives_the_messages_of_both_nodes_in_one_order(nodes: Nodes) -> None:
    ann, ben = await nodes.one.sign_up("ann"), await nodes.two.sign_up("ben")
    room_id = await group(ann, ben)
    devices = [ann, ben, await nodes.at_two(ann)]
    for client in devices:
        client.updates.clear()

    async def talk(client: TestClient, name: str) -> None:
        for number in range(25):
            await say(client, room_id, f"{name} {number}")

    async with trio.open_nursery() as nursery:
        for client, name in zip(devices, ("ann", "ben", "tab"), strict=True):
            nursery.start_soon(talk, client, name)
    await until(lambda: all(len(texts(client, room_id)) == 75 for client in devices))
    first = texts(ann, room_id)
    assert [number for number, _ in first] == list(range(1, 76))
    for name in ("ann", "ben", "tab"):
        assert [text for _, text in first if text.startswith(name)] == [
            f"{name} {number}" for number in range(25)
        ]
    for client in devices[1:]:
        assert texts(client, room_id) == first


async def test_a_client_goes_on_at_the_other_node_where_it_was(nodes: Nodes) -> None:
    ann, ben = await nodes.one.sign_up("ann"), await nodes.two.sign_up("ben")
    room_id = await group(ann, ben)
    await say(ann, room_id, "before")
    await ann.expect_update("message")
    await ann.expect("checkpoint")
    await ann.disconnect()
    for number in range(5):
        await say(ben, room_id, f"missed {number}")
    again = await nodes.at_two(ann)
    await say(ben, room_id, "after")
    await until(lambda: (7, "after") in texts(again, room_id))
    # The checkpoint may have been from before the first message: then that comes again too.
    said = ["before", *[f"missed {number}" for number in range(5)], "after"]
    came = texts(again, room_id)
    assert came == list(enumerate(said, 1))[-len(came) :]
    assert len(came) >= 6


async def test_what_became_of_his_rooms_meanwhile_he_learns_at_the_other_node(
    nodes: Nodes,
) -> None:
    ann, ben = await nodes.one.sign_up("ann"), await nodes.two.sign_up("ben")
    left, kept = await group(ann, ben), await group(ann, ben)
    await ben.expect("checkpoint")
    await ben.disconnect()
    await say(ann, left, "not for him")
    await ann.call("Chat.RemoveMember", room_id=left, user_id=ben.user_id)
    made = await ann.call("Chat.CreateGroup", title="new", user_ids=[ben.user_id])
    for room_id in (left, kept, made.room.id):
        await say(ann, room_id, "said")
    ben._dial = nodes.one._dial
    await ben.connect(resume=True)
    await ben.expect("caught_up")
    # Live from here on, and whatever the cursor was.
    await say(ann, kept, "on")
    await until(lambda: [text for _, text in texts(ben, kept)] == ["said", "on"])
    assert (2, "said") not in texts(ben, left)
    assert [text for _, text in texts(ben, made.room.id)] == ["said"]
    with pytest.raises(CallError):
        await say(ben, left, "let me in")


async def test_who_was_removed_at_one_node_hears_nothing_more_at_the_other(nodes: Nodes) -> None:
    ann, ben = await nodes.one.sign_up("ann"), await nodes.two.sign_up("ben")
    room_id = await group(ann, ben)
    await say(ann, room_id, "one")
    await until(lambda: texts(ben, room_id))
    await ann.call("Chat.RemoveMember", room_id=room_id, user_id=ben.user_id)
    with trio.fail_after(DELAY):
        assert (await ben.expect("room_gone")).room_gone.room_id == room_id
    with pytest.raises(CallError) as caught:
        await say(ben, room_id, "let me in")
    assert caught.value.code in (Code.NOT_FOUND, Code.PERMISSION_DENIED)
    await ann.call("Chat.SetActivity", room_id=room_id, activity=ACTIVITY_TYPING)
    await say(ann, room_id, "two")
    await ann.call("Chat.AddMembers", room_id=room_id, user_ids=[ben.user_id])
    await ben.expect("room_joined")
    await say(ann, room_id, "three")
    await until(lambda: (3, "three") in texts(ben, room_id))
    assert texts(ben, room_id) == [(1, "one"), (3, "three")]
    assert not any(frame.signal.HasField("typing") for frame in ben.frames)


async def test_a_session_that_is_revoked_at_one_node_ends_at_the_other(nodes: Nodes) -> None:
    ann = await nodes.one.sign_up("ann")
    await ann.call("Auth.SetPassword", new_password="correct horse battery")
    tablet = await nodes.two.connect()
    answer = await tablet.call(
        "Auth.SignInWithPassword", login="ann", password="correct horse battery"
    )
    await ann.call("Auth.RevokeSessions", session_id=answer.session_id)
    with trio.fail_after(DELAY):
        assert (await tablet.expect_closed()).code == Close.UNAUTHENTICATED
    for node in nodes:
        with pytest.raises(Closed) as caught:
            await node.connect(answer.token)
        assert caught.value.code == Close.UNAUTHENTICATED


async def test_consumers_have_one_owner_and_take_each_entry_once(nodes: Nodes) -> None:
    ann, ben = await nodes.one.sign_up("ann"), await nodes.two.sign_up("ben")
    await ben.call("Follows.FollowUser", user_id=ann.user_id)
    posts = []
    for number in range(3):
        for client in (ann, ben):
            posts.append(await client.call("Posts.CreatePost", text=f"post {number}"))

    async def react(client: TestClient) -> None:
        for post in posts:
            await client.call("Likes.LikePost", post_id=post.id)
            await client.call("Comments.AddComment", post_id=post.id, text="ah")

    async with trio.open_nursery() as nursery:
        for client in (ann, ben):
            nursery.start_soon(react, client)

    async def counted(client: TestClient) -> bool:
        found = [await client.call("Posts.GetPost", post_id=post.id) for post in posts]
        return all((post.likes, post.comments) == (2, 2) for post in found)

    async def told(client: TestClient) -> bool:
        page = await client.call("Notifications.ListNotifications", limit=50)
        # Likes and comments of each post of his own, and Ann has a follower. Both acted on it.
        return len(page.notifications) == 6 + (client is ann)

    for client in (ann, ben):
        await until(partial(counted, client))
        await until(partial(told, client))
    home = await ben.call("Pages.Home", limit=50)
    assert [post.id for post in home.posts] == [post.id for post in reversed(posts)]
    for name in ("home", "counters", "notifications"):
        assert len(nodes.owners(name)) == 1
    # Both devices were told of each notification once, wherever it was made.
    await until(lambda: len(notified(ann)) == 7 and len(notified(ben)) == 6)


def notified(client: TestClient) -> list[int]:
    return [
        update.notification.id
        for update in client.updates
        if update.WhichOneof("body") == "notification"
    ]


async def test_when_the_owner_stops_the_other_takes_over(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW", 0.05)
    async with admin.migrated() as place, node_on(place) as two:
        async with node_on(place) as one:
            nodes = Nodes(one, two)
            ben = await two.sign_up("ben")
            post = await ben.call("Posts.CreatePost", text="sea")
            await ben.call("Likes.LikePost", post_id=post.id)
            await until(lambda: len(owned(one)) + len(owned(two)) == 3)
            before = owned(two)
        await until(lambda: len(owned(two)) == 3)
        assert nodes.owners("home") == [two]
        again = await ben.call("Posts.CreatePost", text="hill")

        async def shown() -> bool:
            page = await ben.call("Pages.Home", limit=10)
            return [one.id for one in page.posts] == [again.id, post.id]

        await until(shown)
        assert (await ben.call("Posts.GetPost", post_id=post.id)).likes == 1
        assert len(before) <= 3
