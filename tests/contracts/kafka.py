"""Kafka under the contract tests of what the log is read from.

The broker is the one that SUNWIRE_TEST_KAFKA names as HOST:PORT; `scripts/backends/kafka run
COMMAND…` starts one for a command. Each test has a topic of its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient
from trio.from_thread import check_cancelled

from realtime.clock import SystemClock
from realtime.events.leases import SoleOwner
from realtime.events.relay import Relay
from store.interface import Store
from store.kafka.address import Address, parse
from store.kafka.source import KafkaSource
from store.kafka.topic import TopicReader, TopicWriter, client_config
from store.log import Entry, Kind, read_head
from store.sources import News, Source, Stretch

VARIABLE = "SUNWIRE_TEST_KAFKA"
PATIENCE = 20.0  # seconds for a busy machine


def broker() -> str:
    """HOST:PORT of the broker for tests. Skips the test where there is none, unless there must
    be one."""
    found = os.environ.get(VARIABLE, "")
    if found:
        return found
    sentence = f"no Kafka: {VARIABLE} is not set (scripts/backends/kafka run …)"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


class Topic:
    """A topic for a test, which the first writer makes. Opened readers and writers are for
    threads."""

    def __init__(self, address: Address, name: str = "") -> None:
        self.address = address
        self.name = name or address.topic_of(1)

    def reader(self, wait_ms: int = 10) -> TopicReader:
        return TopicReader(self.address, self.name, _never, wait_ms)

    def writer(self) -> TopicWriter:
        return TopicWriter(self.address, self.name, _never)

    def write(self, entries: Collection[Entry]) -> None:
        """As a writer of its own."""
        writer = self.writer()
        writer.append(list(entries))
        writer.close()

    def read(self, after: int) -> list[Entry]:
        """Everything behind a position."""
        reader = self.reader()
        try:
            entries: list[Entry] = []
            if reader.seek(after) == after + 1:
                while more := reader.next():
                    entries += more
            return entries
        finally:
            reader.close()

    def forget(self) -> None:
        """Removes all that is there, as its age does in time."""
        everything = TopicPartition(self.name, 0, OFFSET_END)
        admin = AdminClient(client_config(self.address))
        admin.delete_records([everything])[everything].result()

    def drop(self) -> None:
        admin = AdminClient(client_config(self.address))
        admin.delete_topics([self.name])[self.name].exception()


def _never() -> None:
    """Does not stop."""


def new_topic() -> Topic:
    return Topic(parse(f"kafka://{broker()}/sunwire_test_{secrets.token_hex(6)}"))


async def until(what: Callable[[], object]) -> None:
    """Waits for what threads will have done soon."""
    with trio.fail_after(PATIENCE):
        while True:
            if what():
                return
            await trio.sleep(0.005)


class _Copied:
    """A Kafka that has everything before it is asked."""

    def __init__(self, store: Store, source: KafkaSource) -> None:
        self._store = store
        self._source = source

    async def look(self, after: int) -> News:
        await self._wait()
        return await self._source.look(after)

    async def read(self, after: int, limit: int, kinds: Collection[Kind] = ()) -> Stretch:
        await self._wait()
        return await self._source.read(after, limit, kinds)

    async def _wait(self) -> None:
        head = (await self._store.read(read_head)).position
        await until(lambda: self._source.position >= head)


@asynccontextmanager
async def copied(store: Store) -> AsyncIterator[Source]:
    """What was committed before is copied before anybody follows the topic: readers of it have
    to look for their places. What comes later is in the memory of the source."""
    topic = new_topic()
    relay = Relay(store, SystemClock(), topic.writer)
    source = KafkaSource(store, topic.reader)
    head = (await store.read(read_head)).position
    async with trio.open_nursery() as nursery:
        nursery.start_soon(relay.run, SoleOwner())
        await until(lambda: relay.position >= head and (relay.copied or not head))
        nursery.start_soon(source.run)
        yield _Copied(store, source)
        nursery.cancel_scope.cancel()
    assert source.counts.from_table == source.counts.doubles == source.counts.gaps == 0
    await trio.to_thread.run_sync(topic.drop)


@asynccontextmanager
async def away(store: Store) -> AsyncIterator[Source]:
    """There is no broker."""
    address = parse("kafka://127.0.0.1:1/nowhere")
    source = KafkaSource(store, partial(TopicReader, address, "nowhere.1", check_cancelled))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.run)
        yield source
        nursery.cancel_scope.cancel()
