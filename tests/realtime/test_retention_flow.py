"""Entries go from the log: who comes back with an older cursor begins afresh, and knows in the end
what everybody else knows."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime.testing import Line, TestClient, TestServer, new_key, open_test_server
from rpc.client import ClientOptions, open_client
from rpc.proto.frames_pb2 import Resync
from store.log import read_head
from store.retention import raise_floor, remove_below
from tests.realtime.follower import Follower


async def trim(server: TestServer) -> None:
    """Everything goes."""
    for consumer in server.core.consumers:
        consumer.wake()  # over what is none of its business, too
    await server.settled()
    store = server.core.store
    head = await store.read(read_head)
    assert (await store.write(raise_floor, head.position, 0)).floor == head.position
    await store.write(remove_below, 1_000_000)


class Talk:
    """Ann talks to Ben, who follows with the reference client on a line that may be cut."""

    def __init__(self, server: TestServer, ann: TestClient, room: int) -> None:
        self.server, self.ann, self.room = server, ann, room

    async def say(self, text: str) -> int:
        sent = await self.ann.call(
            "Chat.SendMessage", room_id=self.room, client_id=new_key(), text=text
        )
        return int(sent.id)


async def talk(server: TestServer) -> tuple[Talk, str]:
    ann, ben = await server.sign_up("ann"), await server.sign_up("ben")
    room = (await ann.call("Chat.OpenDirect", user_id=ben.user_id)).room.id
    await ben.disconnect()
    return Talk(server, ann, room), ben.token


OPTIONS = ClientOptions(backoff_most=0.5)


async def cut(line: Line) -> None:
    line.down = True
    await line.cut()


@pytest.mark.parametrize("trimmed", [False, True])
async def test_a_client_whose_cursor_is_too_old_ends_up_with_what_there_is(
    autojump_clock: trio.testing.MockClock, trimmed: bool
) -> None:
    async with open_test_server() as server:
        told, token = await talk(server)
        line = server.line()
        async with (
            open_client(line.dial, token=token, options=OPTIONS) as client,
            trio.open_nursery() as nursery,
        ):
            app = Follower(client)
            nursery.start_soon(app.run)
            await told.say("one")
            mistake = await told.say("two")
            await app.until(lambda: app.texts(told.room) == ["one", "two"])
            await cut(line)
            await told.ann.call("Chat.DeleteMessage", message_id=mistake, for_everyone=True)
            await told.say("three")
            if trimmed:
                await trim(server)
                await told.say("four")  # behind the floor
            line.down = False
            await app.until(lambda: app.caught_up)
            await app.until(lambda: "three" in app.texts(told.room))
            assert app.resyncs == ([Resync.TOO_OLD] if trimmed else [])
            await told.say("five")
            await app.until(lambda: "five" in app.texts(told.room))
            assert app.rooms == await app.fetch()
            assert app.texts(told.room)[:3] == ["one", "", "three"]
            statistics = client.statistics().feed
            assert (statistics.gaps, statistics.resyncs) == (0, int(trimmed))
            nursery.cancel_scope.cancel()


async def test_a_client_that_has_seen_all_of_it_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        told, token = await talk(server)
        line = server.line()
        async with (
            open_client(line.dial, token=token, options=OPTIONS) as client,
            trio.open_nursery() as nursery,
        ):
            app = Follower(client)
            nursery.start_soon(app.run)
            await told.say("one")
            await app.until(lambda: app.texts(told.room) == ["one"])
            await trio.sleep(60)  # there was a checkpoint
            await trim(server)
            await cut(line)
            line.down = False
            await app.until(lambda: app.caught_up)
            await told.say("two")
            await app.until(lambda: app.texts(told.room) == ["one", "two"])
            assert app.resyncs == []
            nursery.cancel_scope.cancel()


async def test_the_harness_sees_the_reason_and_a_new_cursor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        told, token = await talk(server)
        ben = server.client()
        ben.token = token
        await ben.connect()
        old = ben.cursor
        await ben.disconnect()
        await told.say("missed")
        await trim(server)
        ben.cursor = old
        await ben.connect(resume=True)
        resync = (await ben.expect("resync")).resync
        assert resync.reason == Resync.TOO_OLD
        await ben.expect("caught_up")
        assert not any(frame.HasField("update") for frame in ben.frames)
        await ben.disconnect()
        await ben.connect(resume=True)
        await ben.expect("caught_up")
        assert server.core.metrics.get_sample_value("sunwire_resyncs_total") == 1
