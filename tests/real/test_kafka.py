"""Two real processes that read the log from Kafka, while what copies it there is struck."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio

from realtime.events.leases import LIFETIME, RENEW
from realtime.fitting import projections
from realtime.testing import TestClient, new_key
from store.kafka.address import parse
from store.log import read_head
from store.mysql.address import Address
from store.mysql.store import MysqlStore
from store.projections.consuming import consume
from store.projections.counters import CountersProjection
from store.queries.consumers import statuses
from tests.contracts.kafka import Topic, broker, new_topic
from tests.contracts.mysql import Admin
from tests.contracts.statements import log_of, rows, run
from tests.real.mariadb import url_of
from tests.real.private import PrivateServer, private
from tests.real.process import ServerProcess, server_process
from tests.real.test_mysql_nodes import texts, until
from tests.real.test_operating import get
from tests.real.workers import sample, worker_of
from tests.store.mysql.conftest import admin
from tests.test_docs import tables

__all__ = ["admin"]

pytestmark = pytest.mark.real

SOON = 5.0  # seconds for updates to come, on a busy machine
TAKEN_OVER = LIFETIME + RENEW + 6.0  # seconds
CAUGHT_UP = 15.0  # seconds for a broker that is back to be found and filled


def lines(node: ServerProcess, level: str) -> list[dict[str, Any]]:
    return [line for line in node.lines if line.get("level") == level]


class Kafka(PrivateServer):
    name = "kafka"


@pytest.fixture
def kafka() -> Iterator[Kafka]:
    broker()  # there is one for tests, so another may be started; or else this is skipped
    with private(Kafka) as started:
        yield started


async def metric(node: ServerProcess, name: str) -> float:
    found = re.search(rf"^{name} (\S+)\r?$", await get(node, "/metrics"), re.M)
    assert found, name
    return float(found[1])


class Site(NamedTuple):
    """Ann talks at the first node, Ben at the second; each hears everything, in one order."""

    store: MysqlStore
    one: ServerProcess
    two: ServerProcess
    ann: TestClient
    ben: TestClient
    room: int
    post: int
    sent: list[str]

    async def talk(self, *people: TestClient) -> None:
        """Each says something five times, likes and unlikes the post."""
        for _ in range(5):
            for one in people:
                self.sent.append(f"{one.user_id} says {len(self.sent)}")
                await one.call(
                    "Chat.SendMessage",
                    room_id=self.room,
                    client_id=new_key(),
                    text=self.sent[-1],
                )
                liked = len(self.sent) % 3 != 0
                method = "Likes.LikePost" if liked else "Likes.UnlikePost"
                await one.call(method, post_id=self.post)

    async def heard(self, *people: TestClient, within: float = SOON) -> None:
        async def all_of_it() -> bool:
            return all(texts(one) == self.sent for one in people)

        await until(all_of_it, within)

    async def copied(self) -> int:
        """Returns when both nodes have read from Kafka all that there is; how much that is."""
        head = await self.store.read(read_head)

        async def there() -> bool:
            nodes = [self.one, self.two]
            return all([await metric(n, "sunwire_kafka_position") >= head.position for n in nodes])

        await until(there, CAUGHT_UP)
        return head.position

    def relaying(self) -> tuple[ServerProcess, ServerProcess]:
        """The node that copies the log, and the other."""
        took = [
            any(
                line["event"] == "lease taken" and line["lease"] == "consumer.relay"
                for line in node.lines
            )
            for node in (self.one, self.two)
        ]
        assert any(took)
        return (self.one, self.two) if took[0] else (self.two, self.one)

    async def again(self, client: TestClient) -> None:
        """On a new connection to his node, from where he was."""
        await client.disconnect()
        await client.connect(resume=True)
        await client.expect("caught_up")


@asynccontextmanager
async def _site(address: Address, kafka: str, folder: Path, *flags: str) -> AsyncIterator[Site]:
    arguments = ("--store", url_of(address), "--log-copy", f"kafka://{kafka}/sunwire", *flags)
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(server_process(folder / "one", *arguments))
        two = await stack.enter_async_context(server_process(folder / "two", *arguments))
        store = await MysqlStore.open(address, readers=1)
        stack.push_async_callback(store.aclose)
        ann, ben = await one.sign_up("ann"), await two.sign_up("ben")
        room = (await ann.call("Chat.OpenDirect", user_id=ben.user_id)).room.id
        post = (await ben.call("Posts.CreatePost", text="sea")).id
        yield Site(store, one, two, ann, ben, room, post, [])


async def counters(store: MysqlStore) -> list[Any]:
    return [
        sorted(await store.read(rows, f"SELECT * FROM {table}"))
        for table in ("post_counts", "user_counts")
    ]


async def check_effects(store: MysqlStore) -> None:
    """What the consumers made is what they make of the whole log."""

    known = {one.name: one.kinds for one in projections()}

    async def done() -> bool:
        return not any(one.entries_behind for one in await store.read(statuses, known))

    await until(done, TAKEN_OVER)
    made = await counters(store)
    await store.write(run, "DELETE FROM post_counts")
    await store.write(run, "DELETE FROM user_counts")
    await store.write(run, "DELETE FROM offsets WHERE consumer = 'counters'")
    while (await store.write(consume, CountersProjection(), 500, 0)).read:
        pass
    assert await counters(store) == made


async def test_whatever_befalls_kafka_and_the_relay_everything_comes_once_and_in_order(
    admin: Admin, kafka: Kafka, tmp_path: Path
) -> None:
    async with admin.database() as address, _site(address, kafka.url, tmp_path) as site:
        await site.talk(site.ann, site.ben)
        await site.heard(site.ann, site.ben)
        await site.copied()

        kafka.signal(signal.SIGKILL)
        await site.talk(site.ann, site.ben)
        await site.heard(site.ann, site.ben)
        await trio.to_thread.run_sync(kafka.start)
        await site.talk(site.ann, site.ben)
        await site.heard(site.ann, site.ben)
        await site.copied()

        owner, other = site.relaying()
        here, there = (site.ann, site.ben) if owner is site.one else (site.ben, site.ann)
        await owner.kill()
        await site.talk(there)
        await site.heard(there)
        await other.wait_line("copying the log", TAKEN_OVER)
        await owner.start()
        await site.again(here)
        await site.talk(site.ann, site.ben)
        await site.heard(site.ann, site.ben)
        await site.copied()

        assert other.process is not None
        other.process.send_signal(signal.SIGSTOP)
        await site.talk(here)
        await owner.wait_line("copying the log", TAKEN_OVER)
        await site.talk(here)
        other.process.send_signal(signal.SIGCONT)
        await site.heard(here)
        await site.again(there)
        await site.talk(site.ann, site.ben)
        await site.heard(site.ann, site.ben)
        end = await site.copied()

        for node in (site.one, site.two):
            assert await metric(node, "sunwire_kafka_gaps") == 0
            assert await metric(node, "sunwire_kafka_doubles") == 0
        head = await site.store.read(read_head)
        topic = Topic(parse(f"kafka://{kafka.url}/sunwire"), f"sunwire.{head.epoch}")
        copy = await trio.to_thread.run_sync(topic.read, 0)
        assert copy[:end] == (await log_of(site.store))[:end]
        await check_effects(site.store)
        assert lines(site.one, "error") == lines(site.two, "error") == []


async def test_a_server_of_several_processes_reads_it_in_each(admin: Admin, tmp_path: Path) -> None:
    topic = new_topic()
    copy = ("--log-copy", str(topic.address))
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(admin.database())
        store = ("--store", url_of(address))
        one = await stack.enter_async_context(server_process(tmp_path / "one", *store, *copy))
        two = await stack.enter_async_context(
            server_process(tmp_path / "two", *store, *copy, "--workers", "2")
        )
        ann = await one.sign_up("ann")
        bens = [await two.sign_up("ben")]
        room = (await ann.call("Chat.OpenDirect", user_id=bens[0].user_id)).room.id
        while len({worker_of(ben) for ben in bens}) < 2:
            bens.append(two.client())
            bens[-1].token = bens[0].token
            await bens[-1].connect()
        said = [str(number) for number in range(30)]
        for text in said:
            await ann.call("Chat.SendMessage", room_id=room, client_id=new_key(), text=text)

        async def heard() -> bool:
            return all(texts(ben) == said for ben in bens)

        await until(heard, SOON)

        async def read() -> bool:
            positions = [await sample(two, "sunwire_kafka_position", name) for name in "12"]
            return min(positions) >= bens[0].updates[-1].position

        await until(read, CAUGHT_UP)
        assert lines(one, "error") == lines(two, "error") == []
        for line in lines(one, "warning") + lines(two, "warning"):
            assert line["error"] == "the topic cannot be read: there is none yet"

        answer = await get(one, "/metrics")
        kinds = re.findall(r"^# TYPE (sunwire_(?:kafka|relay)_\w+) (\w+)", answer, re.M)
        helps = dict(re.findall(r"^# HELP (\w+) (.*?)\r?$", answer, re.M))
        assert tables("operating.md")["with Kafka"] == [
            [name, kind, helps[name]] for name, kind in kinds
        ]
        assert await one.stop(10) == await two.stop(10) == 0
    await trio.to_thread.run_sync(topic.drop)
