"""The tail of a log that others write: soon when there is news, seldom when there is none."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing

from realtime.events.tail import QUICK, RETRY, SLOW, Tail
from store.errors import Unavailable
from store.log import Kind
from store.sources import MANY, News, Stretch, look
from tests.contracts.statements import Put
from tests.store.gated import open_gated

START = 100


class Log:
    """A head that tests move, and when it was asked for."""

    def __init__(self) -> None:
        self.position = START
        self.failing = False
        self.asked: list[float] = []

    async def look(self, after: int) -> News:
        await trio.lowlevel.checkpoint()
        self.asked.append(trio.current_time())
        if self.failing:
            raise Unavailable("away")
        return News(self.position, [Kind.RECEIPT] if self.position > after else [])

    async def read(self, after: int, limit: int, kinds: Collection[Kind] = ()) -> Stretch:
        raise AssertionError("a tail reads no entries")

    def pauses(self) -> list[float]:
        times = [0.0, *self.asked]
        return [
            round(later - earlier, 6) for earlier, later in zip(times, self.asked, strict=False)
        ]


class Told(list[int]):
    """The positions that were told of; the first is where the log stood at the start."""

    def take(self, news: News) -> None:
        assert news.kinds == [Kind.RECEIPT]
        self.append(news.position)


@pytest.fixture
def log() -> Log:
    return Log()


async def test_it_tells_of_each_move_once(autojump_clock: trio.testing.MockClock, log: Log) -> None:
    told = Told()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Tail(log, told.take).run)
        await trio.sleep(1)
        assert told == [START]
        for position in (101, 150):
            log.position = position
            await trio.sleep(SLOW * 1.01)
            assert told[-1] == position
            await trio.sleep(1)
        assert told == [START, 101, 150]
        nursery.cancel_scope.cancel()


async def test_while_there_is_news_it_looks_often(
    autojump_clock: trio.testing.MockClock, log: Log
) -> None:
    told = Told()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Tail(log, told.take).run)
        await trio.sleep(SLOW * 1.5)
        for _ in range(100):
            log.position += 1
            await trio.sleep(QUICK)
        # One move was made while it still slept.
        assert len(told) > 85
        before = len(log.asked)
        await trio.sleep(1)
        pauses = log.pauses()[before:]
        assert pauses == sorted(pauses)  # ever more seldom
        assert pauses[0] < QUICK * 2
        assert pauses[-1] == SLOW
        nursery.cancel_scope.cancel()


async def test_what_was_committed_here_is_no_news(
    autojump_clock: trio.testing.MockClock, log: Log
) -> None:
    told = Told()
    tail = Tail(log, told.take)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tail.run)
        await trio.sleep(1)
        before = len(log.asked)
        log.position = 120
        tail.committed(100, 110)
        tail.committed(110, 120)
        tail.committed(100, 110)  # told of late
        await trio.sleep(1)
        assert told == [START]
        assert set(log.pauses()[before:]) == {SLOW}
        # What others have committed before is, though this node knows how far the log reaches.
        log.position = 130
        tail.committed(125, 130)
        await trio.sleep(1)
        assert told == [START, 130]
        nursery.cancel_scope.cancel()


async def test_it_waits_for_a_store_that_is_away(
    autojump_clock: trio.testing.MockClock, log: Log
) -> None:
    told = Told()
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Tail(log, told.take).run)
            log.failing = True
            log.position = 130
            await trio.sleep(3.5 * RETRY)
            assert len(log.asked) == 4
            log.failing = False
            await trio.sleep(RETRY)
            assert told == [130]
            nursery.cancel_scope.cancel()
    assert [entry["event"] for entry in logs] == ["tail waits for the store"] * 4


async def test_a_look_finds_the_kinds_since() -> None:
    store = await open_gated()
    assert await store.read(look, -1) == News(0, tuple(Kind))
    await store.commit([Put(name=1), Put(name=2)], 0)
    assert await store.read(look, 0) == News(2, [Kind.PROFILE_CHANGED])
    assert await store.read(look, 2) == News(2, ())
    assert await store.read(look, 5) == News(2, ())
    await store.write(_move_head, 3 * MANY)
    assert await store.read(look, 2) == News(3 * MANY, tuple(Kind))


async def _move_head(tx: Any, position: int) -> None:
    await tx.run("UPDATE log_head SET position = ?", (position,))
