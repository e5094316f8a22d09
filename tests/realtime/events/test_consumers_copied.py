"""A consumer that reads the log from its copy: whatever befalls that, each entry takes effect
once, in the order of the log, with the offset in the database."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import structlog.testing
import trio

from store.kafka.source import CHECK, REST, KafkaSource
from store.log import Kind
from tests.contracts.statements import log_of
from tests.realtime.events.consuming import KINDS, OTHER, Consuming, Echoing, Keeping, consuming
from tests.store.kafka.copies import MemoryTopic

pytestmark = [
    pytest.mark.usefixtures("autojump_clock"),
    pytest.mark.parametrize("make", [Keeping, Echoing]),
]


async def in_thread(work: Callable[[], Any]) -> Any:
    await trio.lowlevel.checkpoint()
    result = work()
    if result == []:
        await trio.sleep(0.03)
    return result


async def copy(kit: Consuming, topic: MemoryTopic) -> None:
    last = topic.records[-1].position if topic.records else 0
    topic.records += await log_of(kit.store.inner, last)


async def test_it_goes_from_the_start_to_the_end_of_the_copy(make: Any) -> None:
    async with consuming(make) as kit, trio.open_nursery() as nursery:
        topic = MemoryTopic()
        for number in range(1, 40):
            await kit.note(number, kind=OTHER if number % 3 else Kind.FOLLOWED)
        await copy(kit, topic)
        source = KafkaSource(kit.store, topic.open_reader, in_thread)
        nursery.start_soon(source.run)
        await trio.sleep(1)
        before = kit.store.calls.copy()
        kit.start(source)
        await trio.sleep(1)
        assert await kit.kept() == list(range(3, 40, 3))
        assert topic.seeks == 1
        assert source.counts.from_table == 0
        assert "read_stretch" not in [name for name, _ in kit.store.calls[len(before) :]]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_befalls_the_copy_each_entry_is_taken_once(make: Any, seed: int) -> None:
    random = Random(seed)
    with structlog.testing.capture_logs():
        async with consuming(make) as kit, trio.open_nursery() as nursery:
            topic = MemoryTopic()
            source = KafkaSource(kit.store, topic.open_reader, in_thread)

            def more(position: int) -> None:
                if kit.consumer is not None:
                    kit.consumer.notice(KINDS)

            nursery.start_soon(source.run, more)
            kit.start(source)
            noted = 0
            for _ in range(60):
                match random.choice(["note", "note", "copy", "copy", "skip", "away", "restart"]):
                    case "note":
                        count = random.randint(1, 6)
                        await kit.note(*range(noted + 1, noted + count + 1))
                        noted += count
                    case "copy":
                        await copy(kit, topic)
                    case "skip":  # entries that never come to the copy
                        whole = await log_of(kit.store.inner)
                        if whole and not topic.away:
                            topic.records += [e for e in whole[-2:] if e not in topic.records]
                    case "away":
                        topic.away = not topic.away
                    case "restart":
                        kit.stop()
                        kit.start(source)
                await trio.sleep(random.choice([0, 0.01, 0.1, 1]))
            topic.away = False
            await copy(kit, topic)
            await trio.sleep(2 * CHECK)
            assert kit.consumer is not None
            kit.consumer.notice(KINDS)  # as at the next news
            await trio.sleep(REST + 2)  # a place that failed is tried again
            assert await kit.kept() == list(range(1, noted + 1))
            assert noted > 20
            nursery.cancel_scope.cancel()
