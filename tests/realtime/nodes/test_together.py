"""Clients of different servers on one database: one in one process, one of several."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from realtime.events.tail import HINTED, SLOW
from realtime.nodes.nodes import BEAT, EXPIRY
from realtime.rooms.presence import GRACE
from realtime.testing import TestClient, TestServer, new_key, open_test_server
from rpc.proto.frames_pb2 import ACTIVITY_TYPING, ClientFrame, Focus, Presence
from tests.realtime.cluster.clustering import TestCluster, open_test_cluster
from tests.realtime.nodes.air import Air
from tests.store.gated import GatedStore, open_gated


@dataclass
class Site:
    """`ways` are ways in: to the server in one process, and to each worker of the other."""

    air: Air
    one: TestServer
    many: TestCluster
    ways: Sequence[TestServer]
    clients: list[TestClient] = field(default_factory=list)

    async def sign_up(self, name: str, way: int) -> TestClient:
        client = await self.ways[way].sign_up(name)
        self.clients.append(client)
        return client

    async def another(self, client: TestClient, way: int) -> TestClient:
        """A second device of the same session."""
        return await self.ways[way].connect(client.token)

    async def move(self, client: TestClient, way: int) -> None:
        await client.disconnect()
        client._dial = self.ways[way]._dial
        await client.connect(resume=True)
        await client.expect("caught_up")


@asynccontextmanager
async def open_site(*, many_first: bool = False) -> AsyncIterator[Site]:
    """Who comes first has the consumers."""
    store, air = await open_gated(), Air()
    store.shared = True
    failure: Exception | None = None
    async with AsyncExitStack() as stack:
        if not many_first:
            one = await stack.enter_async_context(server_on(store, air))
        many = await stack.enter_async_context(open_test_cluster(store=store, connect=air.connect))
        if many_first:
            one = await stack.enter_async_context(server_on(store, air))
        site = Site(air, one, many, [one, *(worker.server for worker in many.workers)])
        await trio.sleep(2 * BEAT)
        try:
            yield site
        except Exception as error:  # raised below, outside the nurseries
            failure = error
    if failure is not None:
        raise failure


def server_on(store: GatedStore, air: Air) -> AbstractAsyncContextManager[TestServer]:
    return open_test_server(store=store, connect=air.connect)


async def room_of(one: TestClient, other: TestClient) -> int:
    room: int = (await one.call("Chat.OpenDirect", user_id=other.user_id)).room.id
    for client in (one, other):
        await client.expect("room_joined")
    return room


async def say(client: TestClient, room: int, text: str) -> None:
    await client.call("Chat.SendMessage", room_id=room, client_id=new_key(), text=text)


def texts(client: TestClient) -> list[str]:
    return [one.message.text for one in client.updates if one.HasField("message")]


async def presence_of(one: TestClient, other: TestClient) -> Presence:
    answer = await one.call("Chat.GetPresence", user_ids=[other.user_id])
    found: Presence = answer.presences[0]
    return found


def told(client: TestClient) -> list[bool]:
    """What it was told of others' comings and goings since the last time."""
    signals = [frame.signal for frame in client.frames if frame.HasField("signal")]
    client.frames.clear()
    return [one.presence.online for one in signals if one.HasField("presence")]


WAYS = [(0, 1), (1, 0), (2, 0)]


@pytest.mark.parametrize(("here", "there"), WAYS)
async def test_a_message_is_there_as_soon_as_it_is_committed(
    autojump_clock: trio.testing.MockClock, here: int, there: int
) -> None:
    async with open_site() as site:
        ann, ben = await site.sign_up("ann", here), await site.sign_up("ben", there)
        room = await room_of(ann, ben)
        await trio.sleep(10 * HINTED)
        start = trio.current_time()
        for number in range(10):
            await say(ann, room, str(number))
            await ben.expect_update("message")
        assert trio.current_time() - start < 0.001
        site.air.turn(up=False)
        await trio.sleep(60)
        start = trio.current_time()
        await say(ann, room, "10")
        await ben.expect_update("message")
        assert trio.current_time() - start <= SLOW
        site.air.turn(up=True)
        await say(ann, room, "11")
        await ben.expect_update("message")
        await ben.expect_nothing()
        assert texts(ben) == [str(number) for number in range(12)]


@pytest.mark.parametrize(("here", "there"), WAYS)
async def test_signals_reach_the_other_server_once(
    autojump_clock: trio.testing.MockClock, here: int, there: int
) -> None:
    async with open_site() as site:
        ann, ben = await site.sign_up("ann", here), await site.sign_up("ben", there)
        room = await room_of(ann, ben)
        again = [await site.another(ann, way) for way in range(3)]
        await ann.call("Chat.SetActivity", room_id=room, activity=ACTIVITY_TYPING)
        typing = (await ben.expect_signal("typing")).typing
        assert (typing.room_id, typing.user_id) == (room, ann.user_id)
        await ben.expect_nothing()
        for client in (ann, *again):
            assert not [frame for frame in client.frames if frame.signal.HasField("typing")]
        site.air.turn(up=False)
        await trio.testing.wait_all_tasks_blocked()
        await ann.call("Chat.SetActivity", room_id=room, activity=ACTIVITY_TYPING)
        await ben.expect_nothing()
        site.air.turn(up=True)
        await ben.expect_nothing()
        await ann.call("Chat.SetActivity", room_id=room, activity=ACTIVITY_TYPING)
        await ben.expect_signal("typing")


@pytest.mark.parametrize("many_first", [False, True])
@pytest.mark.parametrize(("here", "there"), WAYS)
async def test_news_of_counts_and_home_come_from_whoever_makes_them(
    autojump_clock: trio.testing.MockClock, here: int, there: int, many_first: bool
) -> None:
    """The consumers run at one of the servers alone."""
    async with open_site(many_first=many_first) as site:
        ann, ben = await site.sign_up("ann", here), await site.sign_up("ben", there)
        await ben.call("Follows.FollowUser", user_id=ann.user_id)
        post = await ann.call("Posts.CreatePost", text="look")
        assert (await ben.expect_signal("home_changed")).home_changed.newest_post_id == post.id
        await ben.send(ClientFrame(focus=Focus(open_post=post.id)))
        await ben.call("Likes.LikePost", post_id=post.id)
        for client in (ann, ben):
            assert (await client.expect_signal("post_counts")).post_counts.likes == 1


@pytest.mark.parametrize(("here", "there"), WAYS)
async def test_who_comes_and_goes_at_one_is_seen_at_the_other(
    autojump_clock: trio.testing.MockClock, here: int, there: int
) -> None:
    async with open_site() as site:
        ann, ben = await site.sign_up("ann", here), await site.sign_up("ben", there)
        await room_of(ann, ben)
        await trio.sleep(10)
        told(ann)
        assert (await presence_of(ann, ben)).online
        await ben.disconnect()
        await trio.sleep(GRACE + 1)
        assert told(ann) == [False]
        presence = await presence_of(ann, ben)
        assert not presence.online
        assert presence.last_seen_ms
        await ben.connect()
        await trio.sleep(1)
        assert told(ann) == [True]
        for way in (here, there, here):
            await site.move(ben, way)
            await trio.sleep(GRACE * 2)
        assert told(ann) == []
        assert (await presence_of(ann, ben)).online


async def test_the_people_of_a_server_that_is_cut_off_are_not_seen_until_it_is_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_site() as site:
        clients = [await site.sign_up(name, way) for way, name in enumerate(("ann", "ben", "cat"))]
        ann, ben, cat = clients
        await room_of(ann, ben)
        await room_of(ben, cat)
        await trio.sleep(10)
        for client in clients:
            told(client)
        _, of_many = site.air.buses
        of_many.turn(cut=True)
        await trio.sleep(EXPIRY + GRACE + 3 * BEAT)
        assert not (await presence_of(ann, ben)).online
        assert not (await presence_of(ben, ann)).online
        assert (await presence_of(ben, cat)).online, "they are at one server"
        of_many.turn(cut=False)
        await trio.sleep(1)
        assert (await presence_of(ann, ben)).online
        assert (await presence_of(ben, ann)).online
        assert told(ann) == [False, True], "she is told so too"
        assert False not in told(cat)
        await trio.sleep(30)
        assert told(ann) == told(cat) == []


async def test_a_server_that_stops_says_so(autojump_clock: trio.testing.MockClock) -> None:
    """Its people may come to the other one, where they are online meanwhile."""
    store, air = await open_gated(), Air()
    store.shared = True
    async with open_test_cluster(store=store, connect=air.connect) as stays:
        async with server_on(store, air) as stops:
            ann, ben = await stays.sign_up("ann", 0), await stops.sign_up("ben")
            await room_of(ann, ben)
            await trio.sleep(10)
            told(ann)
        begun = trio.current_time()
        await trio.sleep(GRACE / 2)
        assert (await presence_of(ann, ben)).online
        assert (await ann.expect_signal("presence")).presence.online is False
        assert trio.current_time() - begun <= GRACE + 0.1
        assert not (await presence_of(ann, ben)).online


async def test_a_writer_that_is_killed_takes_nobody_along(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_site() as site:
        ann, ben = await site.sign_up("ann", 0), await site.sign_up("ben", 1)
        await room_of(ann, ben)
        await trio.sleep(10)
        told(ann)
        told(ben)
        site.air.lost.add(site.air.buses[1])  # nobody hears of its end
        site.many.kill_writer()
        await trio.sleep(1)
        await site.many.start_writer()
        await trio.sleep(EXPIRY + 2 * GRACE)
        assert told(ann) == told(ben) == []
        assert (await presence_of(ann, ben)).online
        assert (await presence_of(ben, ann)).online
        await ben.disconnect()
        await trio.sleep(2 * GRACE)
        assert told(ann) == [False]
