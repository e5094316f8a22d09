"""The tail of a log that others write: soon when there is news, seldom when there is none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing

from realtime.events.tail import FEW, HINTED, QUICK, RETRY, SLOW, Tail
from store.errors import Unavailable
from store.log import Entry, Kind, Stream
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
        self.delay = 0.0  # of an answer, which says what was so at the question
        self.reads = 0  # questions for entries, among all

    async def look(self, after: int) -> News:
        position = await self._ask()
        return News(position, {Kind.RECEIPT} if position > after else ())

    async def read(self, after: int, limit: int, kinds: Collection[Kind] = ()) -> Stretch:
        self.reads += 1
        position = min(await self._ask(), after + limit)
        return Stretch(after, position, list(map(an_entry, range(after + 1, position + 1))))

    async def _ask(self) -> int:
        await trio.lowlevel.checkpoint()
        self.asked.append(trio.current_time())
        if self.failing:
            raise Unavailable("away")
        position = self.position
        if self.delay:
            await trio.sleep(self.delay)
        return position

    def pauses(self) -> list[float]:
        times = [0.0, *self.asked]
        return [
            round(later - earlier, 6) for earlier, later in zip(times, self.asked, strict=False)
        ]


def an_entry(position: int) -> Entry:
    return Entry(
        position=position,
        at_ms=0,
        kind=Kind.RECEIPT,
        stream=Stream.room(1),
        sequence=0,
        actor_id=1,
        subject_id=1,
        other_id=0,
    )


class Told(list[int]):
    """The positions that were told of; the first is where the log stood at the start. `read` are
    those of the entries that came along."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []

    def take(self, news: News, entries: Sequence[Entry]) -> None:
        assert set(news.kinds) == {Kind.RECEIPT}
        self.append(news.position)
        self.read += [entry.position for entry in entries]


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


async def test_a_hint_is_a_reason_to_look(autojump_clock: trio.testing.MockClock, log: Log) -> None:
    told = Told()
    tail = Tail(log, told.take)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tail.run)
        tail.expect_hints(True)
        await trio.sleep(9.5 * HINTED)
        before = len(log.asked)
        for position in range(101, 111):
            log.position = position
            start = trio.current_time()
            tail.hinted(position)
            tail.hinted(position)
            await trio.testing.wait_all_tasks_blocked()
            assert (told[-1], trio.current_time()) == (position, start)
            await trio.sleep(HINTED / 2)
        assert len(told) == 11
        assert len(log.asked) - before == log.reads == 10
        assert told.read == list(range(101, 111))
        await trio.sleep(10 * HINTED)
        assert set(log.pauses()[-9:]) == {HINTED}
        nursery.cancel_scope.cancel()


async def test_of_many_entries_only_some_are_read(
    autojump_clock: trio.testing.MockClock, log: Log
) -> None:
    told = Told()
    tail = Tail(log, told.take)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tail.run)
        tail.expect_hints(True)
        await trio.sleep(1.1)
        log.position = START + FEW + 50
        tail.hinted(log.position)
        await trio.testing.wait_all_tasks_blocked()
        assert told.read == list(range(START + 1, START + FEW + 1))
        assert told == [START, START + FEW, log.position]
        nursery.cancel_scope.cancel()


async def test_a_hint_that_is_late_or_wrong_does_no_harm(
    autojump_clock: trio.testing.MockClock, log: Log
) -> None:
    told = Told()
    tail = Tail(log, told.take)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tail.run)
        tail.expect_hints(True)
        await trio.sleep(1.1)
        before = len(log.asked)
        tail.hinted(50)
        tail.hinted(START)
        await trio.testing.wait_all_tasks_blocked()
        assert len(log.asked) == before, "it knows"
        tail.hinted(1 << 62)
        await trio.testing.wait_all_tasks_blocked()
        assert (len(log.asked), told) == (before + 1, [START])
        log.position = 101
        tail.hinted(101)
        await trio.testing.wait_all_tasks_blocked()
        assert told == [START, 101]
        nursery.cancel_scope.cancel()


async def test_what_a_hint_speaks_of_may_come_after_it(
    autojump_clock: trio.testing.MockClock, log: Log
) -> None:
    """Where a copy of the log is read, which is behind."""
    told = Told()
    tail = Tail(log, told.take)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tail.run)
        tail.expect_hints(True)
        await trio.sleep(1.1)
        tail.hinted(101)
        await trio.sleep(2 * QUICK)
        log.position = 101
        await trio.sleep(2 * QUICK)
        assert told == [START, 101]
        nursery.cancel_scope.cancel()


async def test_where_hints_are_missing_it_looks_as_often_as_without(
    autojump_clock: trio.testing.MockClock, log: Log
) -> None:
    told = Told()
    tail = Tail(log, told.take)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tail.run)
        tail.expect_hints(True)
        await trio.sleep(10 * HINTED)
        log.position = 101  # and nobody says so
        await trio.sleep(HINTED)
        assert told == [START, 101]
        await trio.sleep(1)
        assert max(log.pauses()[-10:]) == SLOW
        tail.hinted(101)  # late, but they come
        await trio.sleep(1)
        assert log.pauses()[-1] == HINTED
        tail.expect_hints(False)
        await trio.sleep(1)
        assert log.pauses()[-1] == SLOW
        log.position = 102
        await trio.sleep(SLOW)
        assert told == [START, 101, 102]
        nursery.cancel_scope.cancel()


async def test_a_hint_that_comes_while_it_looks_is_not_lost(
    autojump_clock: trio.testing.MockClock, log: Log
) -> None:
    told = Told()
    tail = Tail(log, told.take)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tail.run)
        tail.expect_hints(True)
        await trio.sleep(1)
        log.delay = HINTED / 10
        for position in (101, 102):
            log.position = position
            tail.hinted(position)
            await trio.sleep(log.delay / 2)
        await trio.sleep(log.delay * 2)
        assert told == [START, 101, 102]
        nursery.cancel_scope.cancel()


async def test_a_look_finds_the_kinds_since() -> None:
    store = await open_gated()
    assert await store.read(look, -1) == News(0, tuple(Kind))
    await store.commit([Put(name=1), Put(name=2)], 0)
    assert await store.read(look, 0) == News(2, [Kind.PROFILE_CHANGED])
    assert await store.read(look, 2) == News(2, [])
    assert await store.read(look, 5) == News(2, [])
    await store.write(_move_head, 3 * MANY)
    assert await store.read(look, 2) == News(3 * MANY, tuple(Kind))


async def _move_head(tx: Any, position: int) -> None:
    await tx.run("UPDATE log_head SET position = ?", (position,))
