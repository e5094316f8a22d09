"""The copy is read where it has what is asked for, and the table wherever it has not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing

from store.errors import Unavailable
from store.kafka import source as module
from store.kafka.source import CHECK, IDLE, PATIENCE, PLACES, REST, RETRY, KafkaSource
from store.log import Kind
from store.transaction import Transaction
from tests.contracts.statements import Put, log_of
from tests.store.gated import GatedStore, open_gated
from tests.store.kafka.copies import MemoryTopic, entry

TICK = 0.002  # seconds until who waits for a topic looks again

pytestmark = pytest.mark.usefixtures("autojump_clock")


async def in_thread(work: Callable[[], Any]) -> Any:
    await trio.lowlevel.checkpoint()
    result = work()
    if result == []:
        await trio.sleep(TICK)
    return result


@dataclass
class Kit:
    store: GatedStore
    topic: MemoryTopic
    source: KafkaSource
    told: list[int] = field(default_factory=list)

    async def put(self, count: int) -> None:
        """Into the table."""
        first = len(await log_of(self.store)) + 1
        await self.store.commit([Put(name=name) for name in range(first, first + count)], 0)

    async def copy(self) -> None:
        """What the table has into the topic."""
        last = self.topic.records[-1].position if self.topic.records else 0
        self.topic.records += await log_of(self.store, last)

    def from_table(self) -> int:
        """How often entries were read there."""
        return len([1 for name, _ in self.store.calls if name == "_read_kept"])

    def checks(self) -> int:
        return len([1 for name, _ in self.store.calls if name == "look"])

    async def positions(self, after: int, limit: int = 100) -> list[int]:
        return [one.position for one in (await self.source.read(after, limit)).entries]

    async def settle(self) -> None:
        await trio.sleep(TICK * 3)


@asynccontextmanager
async def following(count: int = 0) -> AsyncIterator[Kit]:
    """A source that runs, over a table and a topic with so many entries."""
    store, topic = await open_gated(), MemoryTopic()
    kit = Kit(store, topic, KafkaSource(store, topic.open_reader, in_thread))
    if count:
        await kit.put(count)
        await kit.copy()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kit.source.run, kit.told.append)
        await kit.settle()
        yield kit
        nursery.cancel_scope.cancel()
    assert topic.readers == 0  # all were closed


def span(first: int, last: int) -> list[int]:
    return list(range(first, last + 1))


async def test_what_comes_is_in_memory_for_all() -> None:
    async with following(3) as kit:
        await kit.put(5)
        await kit.copy()
        await kit.settle()
        assert kit.told == [3, 8]
        for after in (3, 5, 7):
            assert await kit.positions(after) == span(after + 1, 8)
        assert kit.from_table() == kit.topic.seeks == 0


async def test_who_is_further_behind_reads_on_at_his_own_place() -> None:
    async with following(30) as kit:
        after = 2
        while after < 30:
            stretch = await kit.source.read(after, 3)
            assert [one.position for one in stretch.entries] == span(after + 1, stretch.reached)
            after = stretch.reached
        assert (kit.topic.seeks, kit.topic.readers) == (1, 2)
        assert kit.from_table() == 0
        await trio.sleep(IDLE * 1.1)
        assert kit.topic.readers == 1  # the place was given up


async def test_readers_at_more_places_than_there_are_take_turns() -> None:
    async with following(60) as kit:
        found: dict[int, list[int]] = {}

        async def follow(start: int) -> None:
            found[start] = []
            while len(found[start]) < 60 - start:
                found[start] += await kit.positions(start + len(found[start]), 2)

        async with trio.open_nursery() as nursery:
            for start in range(3 * PLACES):
                nursery.start_soon(follow, start)
        assert found == {start: span(start + 1, 60) for start in range(3 * PLACES)}
        assert kit.topic.readers == 1 + PLACES
        assert kit.from_table() == 0


async def test_who_goes_the_same_way_reads_at_the_same_place() -> None:
    async with following(60) as kit:
        found: dict[int, list[int]] = {}

        async def follow(number: int) -> None:
            found[number] = []
            while len(found[number]) < 60:
                found[number] += await kit.positions(len(found[number]), number + 1)

        async with trio.open_nursery() as nursery:
            for number in range(4):  # each at a pace of his own
                nursery.start_soon(follow, number)
        assert [found[number] for number in range(4)] == [span(1, 60)] * 4
        assert (kit.topic.seeks, kit.topic.readers) == (1, 2)


async def test_only_some_kinds_are_looked_for_to_the_end() -> None:
    async with following() as kit:
        await kit.put(30)
        kit.topic.records = await log_of(kit.store)
        for position in (14, 29):
            kit.topic.records[position - 1].kind = Kind.FOLLOWED
        await kit.settle()
        # In memory, and behind it.
        for start in (kit.source, KafkaSource(kit.store, kit.topic.open_reader, in_thread)):
            async with trio.open_nursery() as nursery:
                if start is not kit.source:
                    nursery.start_soon(start.run)
                    await kit.settle()
                first = await start.read(0, 1, {Kind.FOLLOWED})
                assert [one.position for one in first.entries] == [14]
                assert (first.after, first.reached) == (0, 14)
                assert [e.position for e in (await start.read(14, 9, {Kind.FOLLOWED})).entries] == [
                    29
                ]
                nursery.cancel_scope.cancel()


async def test_what_the_topic_has_not_got_in_time_the_table_has() -> None:
    async with following(3) as kit:
        await kit.put(4)
        began = trio.current_time()
        assert await kit.positions(3) == span(4, 7)
        assert trio.current_time() - began == pytest.approx(PATIENCE)
        assert kit.source.behind
        # From then on nobody waits,
        await kit.put(1)
        began = trio.current_time()
        assert await kit.positions(7) == [8]
        assert trio.current_time() == began
        # until the topic has come to where it was missed.
        kit.topic.records += (await log_of(kit.store))[3:7]
        await kit.settle()
        assert await kit.positions(3) == span(4, 7)
        assert kit.source.counts.from_table == 5
        await kit.copy()
        await kit.settle()
        assert await kit.positions(7) == [8]
        assert kit.from_table() == 2


async def test_an_entry_on_its_way_is_waited_for() -> None:
    async with following(3) as kit, trio.open_nursery() as nursery:
        await kit.put(2)

        async def late() -> None:
            await trio.sleep(PATIENCE / 2)
            await kit.copy()

        nursery.start_soon(late)
        assert await kit.positions(3) == [4, 5]
        assert kit.from_table() == 0


async def test_without_a_broker_the_table_is_read_and_with_one_again_the_topic() -> None:
    with structlog.testing.capture_logs():
        async with following(1) as kit:
            kit.topic.away = True
            await trio.sleep(RETRY)  # the one that was opened reads nothing
            await kit.put(5)
            await kit.copy()
            assert await kit.positions(1) == span(2, 6)
            assert kit.source.counts.from_table == 5
            kit.topic.away = False
            await kit.settle()
            assert await kit.positions(1) == span(2, 6)
            assert kit.source.counts.from_table == 5
            assert kit.source.counts.misses == 1


async def test_until_something_comes_to_an_empty_topic_nobody_waits_for_it() -> None:
    async with following() as kit:
        await kit.put(5)
        began = trio.current_time()
        assert await kit.positions(2) == [3, 4, 5]
        assert (await kit.source.look(2)).position == 5
        assert trio.current_time() == began
        # The first one that comes may be any: what was before was removed for its age.
        kit.topic.records = await log_of(kit.store, 3)
        await kit.settle()
        assert kit.source.position == 5
        assert kit.source.counts.gaps == 0
        assert await kit.positions(3) == [4, 5]
        assert kit.from_table() == 1


async def test_a_broker_that_is_away_at_the_start_is_tried_again() -> None:
    store, topic = await open_gated(), MemoryTopic()
    source = KafkaSource(store, topic.open_reader, in_thread)
    kit = Kit(store, topic, source)
    await kit.put(5)
    await kit.copy()
    topic.away = True
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run)
            assert await kit.positions(2) == [3, 4, 5]
            await trio.sleep(RETRY * 2.5)
            topic.away = False
            await trio.sleep(RETRY)
            assert source.position == 5
            await kit.put(1)
            await kit.copy()
            await kit.settle()
            assert await kit.positions(5) == [6]
            assert source.counts.from_table == 3
            nursery.cancel_scope.cancel()
    said = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert said == ["the copy of the log cannot be read"] * 3


async def test_a_place_that_fails_is_left_for_a_while() -> None:
    with structlog.testing.capture_logs() as logs:
        async with following(30) as kit:
            await kit.positions(2, 3)
            kit.topic.away = True
            assert await kit.positions(6, 3) == [7, 8, 9]
            assert kit.topic.readers == 1
            kit.topic.away = False
            assert await kit.positions(9, 3) == [10, 11, 12]
            assert kit.from_table() == 2
            await trio.sleep(REST)
            assert await kit.positions(12, 3) == [13, 14, 15]
            assert kit.from_table() == 2
    assert [line["event"] for line in logs] == ["the copy of the log cannot be read"]


async def test_who_waits_for_a_place_that_fails_reads_the_table() -> None:
    with structlog.testing.capture_logs():
        async with following(30) as kit, trio.open_nursery() as nursery:
            await kit.positions(2, 3)
            kit.topic.away = True
            found: dict[int, list[int]] = {}

            async def read(number: int) -> None:
                found[number] = await kit.positions(6, 3)

            for number in range(5):
                nursery.start_soon(read, number)
        assert [found[number] for number in range(5)] == [[7, 8, 9]] * 5


async def test_news_come_from_the_topic_and_the_table_is_asked_now_and_then() -> None:
    async with following(3) as kit:
        assert (await kit.source.look(-1)).position == 3
        before = kit.checks()
        for _ in range(100):
            assert await kit.source.look(3) == (3, ())
            await trio.sleep(CHECK / 10)
        assert kit.checks() - before == pytest.approx(10, abs=1)
        await kit.put(2)
        await kit.copy()
        await kit.settle()
        before = kit.checks()
        assert await kit.source.look(3) == (5, {Kind.PROFILE_CHANGED})
        assert set((await kit.source.look(1)).kinds) == set(Kind)  # it does not know any more
        assert kit.checks() == before


async def test_news_that_do_not_come_to_the_topic_are_found_in_the_table() -> None:
    async with following(3) as kit:
        await kit.put(2)
        began = trio.current_time()
        news = await kit.source.look(3)
        for _ in range(1000):
            if news.position > 3:
                break
            await trio.sleep(TICK)
            news = await kit.source.look(3)
        assert news == (5, [Kind.PROFILE_CHANGED])
        assert trio.current_time() - began < 2 * CHECK + 0.01
        # Then the table is asked each time, until the topic has come there.
        await kit.put(1)
        assert (await kit.source.look(5)).position == 6
        await kit.copy()
        await kit.settle()
        assert not kit.source.behind
        before = kit.checks()
        assert (await kit.source.look(5)).position == 6
        assert kit.checks() == before


async def test_what_is_missing_in_the_topic_is_read_from_the_table() -> None:
    async with following(3) as kit:
        await kit.put(6)
        kit.topic.records += [one for one in await log_of(kit.store, 3) if one.position != 6]
        await kit.settle()
        assert await kit.positions(6) == [7, 8, 9]
        assert kit.from_table() == 0
        after, found = 0, []
        while after < 9:
            found += await kit.positions(after, 2)
            after = found[-1]
        assert found == span(1, 9)
        assert kit.source.counts.gaps >= 1
        assert kit.source.counts.from_table >= 1


async def test_what_comes_twice_is_read_once() -> None:
    async with following(3) as kit:
        await kit.put(4)
        added = await log_of(kit.store, 3)
        kit.topic.records += [*added[:2], *added, *added[1:3]]
        await kit.settle()
        assert await kit.positions(3) == span(4, 7)
        assert kit.source.counts.doubles == 4


async def test_what_retention_took_from_the_topic_the_table_may_have() -> None:
    async with following(30) as kit:
        kit.topic.first = 10
        for after in (3, 5, 7):
            assert await kit.positions(after, 2) == [after + 1, after + 2]
        assert (kit.from_table(), kit.topic.seeks) == (3, 1)  # it knows where the topic begins
        assert await kit.positions(9, 1) == [10]
        assert await kit.positions(10, 3) == [11, 12, 13]
        assert (kit.from_table(), kit.topic.seeks, kit.topic.readers) == (4, 1, 2)


async def _set_floor(tx: Transaction, floor: int) -> None:
    await tx.run("DELETE FROM log WHERE position <= ?", (floor,))
    await tx.run("UPDATE log_head SET floor = ?", (floor,))


async def test_what_retention_took_from_the_table_is_not_passed_over() -> None:
    with structlog.testing.capture_logs():
        async with following(30) as kit:
            await kit.store.write(_set_floor, 20)
            assert await kit.positions(5, 30) != []
            kit.topic.away = True
            with pytest.raises(Unavailable):
                await kit.positions(9, 30)
            assert await kit.positions(20, 3) == [21, 22, 23]


@pytest.mark.parametrize("position", [3, 9])
async def test_the_copy_of_another_log_is_not_read(position: int) -> None:
    store, topic = await open_gated(), MemoryTopic()
    kit = Kit(store, topic, KafkaSource(store, topic.open_reader, in_thread))
    await kit.put(3)
    topic.records = [entry(position, Kind.RECEIPT)]
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kit.source.run)
            await kit.settle()
            assert await kit.positions(0) == [1, 2, 3]
            assert kit.source.position == 0
            nursery.cancel_scope.cancel()
    assert logs[0]["event"] == "the copy of the log is of no use"
    assert logs[0]["log_level"] == "error"
    assert topic.readers == 0


async def test_a_topic_that_is_longer_than_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 10)
    async with following(1) as kit:
        for _ in range(10):
            await kit.put(5)
            await kit.copy()
            await kit.settle()
        after, found = 0, []
        while after < 51:
            found += await kit.positions(after, 7)
            after = found[-1]
        assert found == span(1, 51)
        assert kit.from_table() == 0
        assert kit.topic.seeks == 1
