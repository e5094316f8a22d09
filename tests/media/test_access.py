"""Permission is read for each request, after it came, however many share a read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from media.errors import Busy
from media.serving import access as access_module
from media.serving.access import Access
from store.errors import Unavailable
from store.records import MediaRecord


class Reads:
    """A database whose reads end when they are let."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.rows: dict[str, Any] = {}
        self.error: Exception | None = None
        self.go = trio.Semaphore(0)

    async def read(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        viewer, ids = args
        if viewer:
            return (viewer, ids)
        rows = dict(self.rows)  # the snapshot is that of the beginning
        self.asked.append(ids)
        await self.go.acquire()
        if self.error is not None:
            raise self.error
        return {one: rows[one] for one in ids if one in rows}

    write = read


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Access, Reads, trio.Nursery]]:
    reads = Reads()
    access = Access(reads)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(access.run)
        await trio.testing.wait_all_tasks_blocked()
        yield access, reads, nursery
        nursery.cancel_scope.cancel()


async def see(access: Access, media_id: str, into: list[MediaRecord | None]) -> None:
    into.append(await access.see(0, media_id))


async def test_those_who_come_during_a_read_share_the_next_one() -> None:
    async with opened() as (access, reads, nursery):
        first: list[Any] = []
        later: list[Any] = []
        reads.rows = {"a": "seen"}
        nursery.start_soon(see, access, "a", first)
        await trio.testing.wait_all_tasks_blocked()
        reads.rows = {"b": "new"}  # a was deleted, meanwhile, and b was stored
        for media_id in ("a", "b", "b", "c"):
            nursery.start_soon(see, access, media_id, later)
        await trio.testing.wait_all_tasks_blocked()
        assert reads.asked == [["a"]]
        reads.go.release()
        await trio.testing.wait_all_tasks_blocked()
        assert (first, later) == (["seen"], [])
        assert [sorted(ids) for ids in reads.asked[1:]] == [["a", "b", "c"]]
        reads.go.release()
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(later, key=str) == [None, None, "new", "new"]


async def test_viewers_are_asked_for_one_by_one() -> None:
    async with opened() as (access, reads, _):
        assert await access.see(7, "a") == (7, "a")  # type: ignore[comparison-overlap]
        assert reads.asked == []


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    async with opened() as (access, reads, nursery):
        got: list[Any] = []
        reads.rows = {"a": 1}
        with trio.CancelScope() as gone:
            async with trio.open_nursery() as leaving:
                leaving.start_soon(see, access, "a", got)
                nursery.start_soon(see, access, "a", got)
                await trio.testing.wait_all_tasks_blocked()
                gone.cancel()
        with trio.CancelScope() as gone:  # before its read has begun
            async with trio.open_nursery() as leaving:
                leaving.start_soon(see, access, "b", got)
                await trio.testing.wait_all_tasks_blocked()
                gone.cancel()
        reads.go.release()
        await trio.testing.wait_all_tasks_blocked()
        assert got == [1]
        assert reads.asked == [["a"]]
        nursery.start_soon(see, access, "a", got)
        reads.go.release()
        await trio.testing.wait_all_tasks_blocked()
        assert got == [1, 1]


async def test_a_failing_database_fails_all_who_asked_and_nobody_else() -> None:
    async with opened() as (access, reads, _):
        reads.error = Unavailable("away")
        failed = 0

        async def fails() -> None:
            nonlocal failed
            with pytest.raises(Unavailable):
                await access.see(0, "a")
            failed += 1

        async with trio.open_nursery() as asking:
            for _number in range(3):
                asking.start_soon(fails)
            reads.go.release()
            await trio.testing.wait_all_tasks_blocked()
            reads.go.release()
        assert failed == 3
        reads.error = None
        reads.go.release()
        assert await access.see(0, "a") is None


async def test_what_a_failure_says_of_its_way_does_not_grow_with_those_who_share_it() -> None:
    async with opened() as (access, reads, _):
        reads.error = RuntimeError("a fault")
        lengths: list[int] = []

        async def fails() -> None:
            with pytest.raises(RuntimeError) as caught:
                await access.see(0, "a")
            lengths.append(len(caught.traceback))

        async with trio.open_nursery() as asking:
            for _number in range(10):
                asking.start_soon(fails)
            for _read in range(2):
                await trio.testing.wait_all_tasks_blocked()
                reads.go.release()
        assert len(lengths) == 10
        assert len(set(lengths)) == 1


async def test_a_read_asks_for_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "TOGETHER", 2)
    async with opened() as (access, reads, nursery):
        got: list[Any] = []
        nursery.start_soon(see, access, "first", got)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(5):
            nursery.start_soon(see, access, f"m{number}", got)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(4):
            reads.go.release()
            await trio.testing.wait_all_tasks_blocked()
        assert [len(ids) for ids in reads.asked] == [1, 2, 2, 1]
        assert len(got) == 6


async def test_nobody_waits_for_a_reader_that_has_ended() -> None:
    reads = Reads()
    access = Access(reads)
    async with trio.open_nursery() as running, trio.open_nursery() as asking:
        running.start_soon(access.run)

        async def refused() -> None:
            with pytest.raises(Busy):
                await access.see(0, "a")

        for _ in range(2):
            asking.start_soon(refused)
            await trio.testing.wait_all_tasks_blocked()
        running.cancel_scope.cancel()
        await trio.lowlevel.cancel_shielded_checkpoint()
