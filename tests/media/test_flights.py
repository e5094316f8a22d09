"""Flights, which run once for all who ask, and locks, which do that for all processes."""

from __future__ import annotations

import math
from traceback import extract_tb

import trio
import trio.testing

from media.cache.flights import Flights
from media.errors import Busy


async def test_many_join_one_run() -> None:
    runs = 0
    go = trio.Event()

    async def fn() -> int:
        nonlocal runs
        runs += 1
        await go.wait()
        return 7

    async with trio.open_nursery() as nursery:
        flights: Flights[str, int] = Flights(nursery)
        found: list[int] = []

        async def join() -> None:
            found.append(await flights.join("key", fn))

        async with trio.open_nursery() as joiners:
            for _ in range(5):
                joiners.start_soon(join)
            await trio.testing.wait_all_tasks_blocked()
            assert "key" in flights
            go.set()
        assert (runs, found) == (1, [7] * 5)
        assert "key" not in flights
        await join()
        assert runs == 2  # nothing is remembered


async def test_an_error_reaches_all_and_is_forgotten() -> None:
    go = trio.Event()

    async def fn() -> int:
        await go.wait()
        raise ValueError("broken")

    async with trio.open_nursery() as nursery:
        flights: Flights[str, int] = Flights(nursery)
        errors: list[str] = []
        lengths: set[int] = set()  # of tracebacks: they do not grow with those who share one

        async def join() -> None:
            try:
                await flights.join("key", fn)
            except ValueError as error:
                errors.append(str(error))
                lengths.add(len(extract_tb(error.__traceback__)))

        async with trio.open_nursery() as joiners:
            for _ in range(3):
                joiners.start_soon(join)
            await trio.testing.wait_all_tasks_blocked()
            go.set()
        assert errors == ["broken"] * 3
        assert len(lengths) == 1
        await join()
        assert len(errors) == 4


async def test_a_run_goes_on_while_anybody_waits_and_no_longer() -> None:
    ended: list[str] = []

    async def fn() -> int:
        try:
            await trio.sleep(math.inf)
        finally:
            ended.append("cancelled")
        return 1

    async with trio.open_nursery() as nursery:
        flights: Flights[str, int] = Flights(nursery)
        scopes = [trio.CancelScope(), trio.CancelScope()]

        async def join(scope: trio.CancelScope) -> None:
            with scope:
                await flights.join("key", fn)

        async with trio.open_nursery() as joiners:
            for scope in scopes:
                joiners.start_soon(join, scope)
            await trio.testing.wait_all_tasks_blocked()
            scopes[0].cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert ended == []
            scopes[1].cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert ended == ["cancelled"]
        assert "key" not in flights


async def test_the_end_of_the_server_is_told_to_who_waits() -> None:
    async with trio.open_nursery() as outer:
        errors: list[Exception] = []
        ready = trio.Event()

        async def serve() -> None:
            async with trio.open_nursery() as nursery:
                outer.start_soon(join, Flights(nursery))
                await ready.wait()
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()

        async def join(flights: Flights[str, int]) -> None:
            ready.set()
            try:
                await flights.join("key", fn)
            except Busy as error:
                errors.append(error)

        async def fn() -> int:
            await trio.sleep(math.inf)
            return 1

        outer.start_soon(serve)
    assert len(errors) == 1
