"""Real servers on one MariaDB with a Redis between them, which may be lost at any time."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio

from realtime.nodes.nodes import EXPIRY
from realtime.nodes.redis import ANSWER
from realtime.rooms.presence import GRACE
from realtime.testing import TestClient, new_key
from rpc.errors import CallError
from rpc.proto.frames_pb2 import ACTIVITY_TYPING
from tests.contracts.mysql import Admin
from tests.real.mariadb import url_of
from tests.real.process import ServerProcess, server_process
from tests.real.redis import Redis, private_redis
from tests.real.workers import page, pids
from tests.store.mysql.conftest import admin
from tests.test_docs import tables

__all__ = ["admin"]

pytestmark = pytest.mark.real

PROMPT = 0.8 * ANSWER  # seconds for a call, whatever the Redis does, on a busy machine


class Talk:
    """Two people at two servers, who say something at every moment."""

    def __init__(self, ann: TestClient, ben: TestClient, room: int) -> None:
        self.ann, self.ben, self.room = ann, ben, room
        self.busy = True

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._say, self.ann, "ann")
            nursery.start_soon(self._say, self.ben, "ben")
            task_status.started()

    async def _say(self, client: TestClient, name: str) -> None:
        number = 0
        while self.busy:
            number += 1
            key = new_key()
            with trio.fail_after(PROMPT):
                await self._send(client, key, f"{name} {number}")
            await trio.sleep(0.02)

    async def _send(self, client: TestClient, key: bytes, text: str) -> None:
        """Again where the server says that it may be: the database is shared with other tests,
        and may be slow."""
        while True:
            try:
                await client.call(
                    "Chat.SendMessage", op_key=key, room_id=self.room, client_id=key, text=text
                )
                return
            except CallError as error:
                if not error.retryable:
                    raise
            await trio.sleep(0.1)

    def heard(self, client: TestClient) -> list[tuple[int, str]]:
        return [
            (update.message.number, update.message.text)
            for update in client.updates
            if update.WhichOneof("body") == "message"
        ]

    async def end(self) -> None:
        """Everybody has heard everything, once and in order."""
        self.busy = False
        await until(lambda: self.heard(self.ann) == self.heard(self.ben), within=5)
        heard = self.heard(self.ann)
        assert [number for number, _ in heard] == list(range(1, len(heard) + 1))
        for name in ("ann", "ben"):
            said = [text for _, text in heard if text.startswith(name)]
            assert said == [f"{name} {number}" for number in range(1, len(said) + 1)]
            assert len(said) > 10

    async def see_typing(self) -> None:
        """Signals come in both directions."""
        for one, other in ((self.ann, self.ben), (self.ben, self.ann)):
            with trio.fail_after(10):
                while not typed(other):
                    await one.call("Chat.SetActivity", room_id=self.room, activity=ACTIVITY_TYPING)
                    await trio.sleep(0.05)

    async def see_each_other(self, online: bool, within: float) -> None:
        for one, other in ((self.ann, self.ben), (self.ben, self.ann)):
            await self.see(one, other, online, within)

    async def see(self, one: TestClient, other: TestClient, online: bool, within: float) -> None:
        with trio.fail_after(within):
            while True:
                answer = await one.call("Chat.GetPresence", user_ids=[other.user_id])
                if answer.presences[0].online == online:
                    return
                await trio.sleep(0.1)


def typed(client: TestClient) -> bool:
    found = any(frame.signal.HasField("typing") for frame in client.frames)
    client.frames.clear()
    return found


async def until(what: Callable[[], bool], within: float) -> None:
    with trio.fail_after(within):
        while not what():  # noqa: ASYNC110
            await trio.sleep(0.01)


def counted(server: ServerProcess, event: str) -> int:
    return sum(line["event"] == event for line in server.lines)


class Site:
    """One server in one process, and one of several."""

    def __init__(self, redis: Redis, one: ServerProcess, many: ServerProcess) -> None:
        self.redis = redis
        self.servers = self.one, self.many = one, many
        self.killed = 0  # processes that are started again

    async def talk(self) -> Talk:
        ann, ben = await self.one.sign_up("ann"), await self.many.sign_up("ben")
        room: int = (await ann.call("Chat.OpenDirect", user_id=ben.user_id)).room.id
        for client in (ann, ben):
            await client.expect("room_joined")
        return Talk(ann, ben, room)

    async def wait_said(self, event: str, count: int, within: float) -> None:
        """Each of the servers has said it so often."""
        await until(lambda: all(counted(one, event) == count for one in self.servers), within)


@asynccontextmanager
async def open_site(admin: Admin, folder: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(private_redis())
        address = await stack.enter_async_context(admin.database())
        flags = ("--store", url_of(address), "--redis", redis.url)
        one = await stack.enter_async_context(server_process(folder / "one", *flags))
        many = await stack.enter_async_context(
            server_process(folder / "many", *flags, "--workers", "2")
        )
        site = Site(redis, one, many)
        await site.wait_said("redis connected", 1, within=5)
        yield site
        lines = [line for server in site.servers for line in server.lines]
        errors = [line["event"] for line in lines if line.get("level") == "error"]
        assert errors == ["process died"] * site.killed
        assert "secret" not in str(lines)


async def test_whatever_is_lost_no_update_is(admin: Admin, tmp_path: Path) -> None:
    """One pair of servers for all of it: each takes a second to start."""
    async with open_site(admin, tmp_path) as site, trio.open_nursery() as nursery:
        talk = await site.talk()
        await nursery.start(talk.run)
        await talk.see_typing()
        await talk.see_each_other(True, within=5)
        await look_at_the_figures(site)
        await lose_the_redis(site, talk)
        await talk.end()
        await kill_a_server(site, talk)
        nursery.cancel_scope.cancel()


async def lose_the_redis(site: Site, talk: Talk) -> None:
    redis = site.redis
    redis.signal(signal.SIGKILL)
    await site.wait_said("redis away", 1, within=2)
    await trio.to_thread.run_sync(redis.start)
    await site.wait_said("redis connected", 2, within=5)
    await talk.see_typing()
    await talk.see_each_other(True, within=3)

    redis.signal(signal.SIGSTOP)
    try:
        await site.wait_said("redis away", 2, within=ANSWER + 3)
        typed(talk.ann)
        typed(talk.ben)
    finally:
        redis.signal(signal.SIGCONT)
    await site.wait_said("redis connected", 3, within=5)
    await talk.see_typing()

    await trio.to_thread.run_sync(redis.stop)
    await site.wait_said("redis away", 3, within=2)
    await trio.to_thread.run_sync(redis.start)
    await site.wait_said("redis connected", 4, within=5)
    await talk.see_typing()
    await talk.see_each_other(True, within=3)


async def kill_a_server(site: Site, talk: Talk) -> None:
    """Who was there is told to have left; not, when it was the writer alone that died."""
    site.killed = 1
    os.kill(pids(site.many)["writer"], signal.SIGKILL)
    await site.many.wait_line("process died")
    talk.ann.frames.clear()
    await trio.sleep(0.5)
    await talk.see_each_other(True, within=1)
    await site.many.kill()
    with trio.fail_after(EXPIRY + GRACE + 3):
        while (await talk.ann.expect_signal("presence")).presence.online:
            pass
    await talk.see(talk.ann, talk.ben, False, within=1)


async def look_at_the_figures(site: Site) -> None:
    found = await page(site.one, "/metrics")
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)", found, re.M))
    helps = dict(re.findall(r"^# HELP (\w+) (.*?)\r?$", found, re.M))
    listed = {(name, kind, text) for name, kind, text in tables("operating.md")["with a Redis"]}
    assert listed <= {(name, kinds[name], text) for name, text in helps.items()}
    values = dict(re.findall(r"^(\w+) (\S+?)\r?$", found, re.M))
    assert values["sunwire_redis_connected"] == values["sunwire_nodes"] == "1.0"
    assert float(values["sunwire_hints_sent"]) > 0
    assert float(values["sunwire_hints_heard"]) > 0
    assert values["sunwire_node_messages_refused"] == "0.0"
    found = await page(site.many, "/metrics")
    assert 'sunwire_redis_connected{worker="writer"} 1.0' in found
