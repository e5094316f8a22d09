"""The disk cache, which may lose anything; and flights, which run once."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import pytest
import structlog.testing
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from media.cache import DiskCache
from media.errors import Busy
from media.flights import Flights
from media.metrics import MediaMetrics

HEAD = 40  # bytes of an entry beside its content


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def open_cache(folder: Path, max_bytes: int = 10**6) -> tuple[DiskCache, MediaMetrics]:
    metrics = MediaMetrics(CollectorRegistry())
    cache = DiskCache(folder, metrics, max_bytes=max_bytes)
    await cache.open()
    return cache, metrics


async def test_what_was_put_is_found_with_its_digest(tmp_path: Path) -> None:
    cache, metrics = await open_cache(tmp_path / "new")
    assert await cache.get("key1") is None
    put = await cache.put("key1", b"content")
    assert put == (b"content", hashlib.sha256(b"content").digest())
    assert await cache.get("key1") == put
    assert metrics.cache_bytes._value.get() == HEAD + 7
    await cache.put("key1", b"other")
    assert await cache.get("key1") == (b"other", hashlib.sha256(b"other").digest())
    assert metrics.cache_bytes._value.get() == HEAD + 5
    assert metrics.cache_failures._value.get() == 0


async def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache, _ = await open_cache(tmp_path, 3 * (HEAD + 10))
    for key in ("key1", "key2", "key3"):
        await cache.put(key, b"x" * 10)
    await cache.get("key1")
    await cache.put("key4", b"x" * 10)
    kept = [key for key in ("key1", "key2", "key3", "key4") if await cache.get(key)]
    assert kept == ["key1", "key3", "key4"]
    assert len(names(tmp_path)) == 3


async def test_what_does_not_fit_at_all_is_not_kept(tmp_path: Path) -> None:
    cache, _ = await open_cache(tmp_path, 50)
    assert (await cache.put("key1", b"x" * 100)).data == b"x" * 100
    assert names(tmp_path) == []


async def test_recency_outlives_the_process(tmp_path: Path) -> None:
    cache, _ = await open_cache(tmp_path)
    for number, key in enumerate(("key1", "key2", "key3")):
        await cache.put(key, b"x" * 10)
        os.utime(tmp_path / key, (number, number))
    await cache.get("key1")  # touches its file
    (tmp_path / "half.tmp").write_bytes(b"unfinished")
    again, metrics = await open_cache(tmp_path, 2 * (HEAD + 10))
    assert metrics.cache_bytes._value.get() == 2 * (HEAD + 10)
    assert names(tmp_path) == ["key1", "key3"]
    assert await again.get("key1") is not None


@pytest.mark.parametrize("damage", [b"", b"short", b"SWCACHE1" + bytes(32) + b"content"])
async def test_a_damaged_entry_is_a_miss_and_goes(tmp_path: Path, damage: bytes) -> None:
    cache, metrics = await open_cache(tmp_path)
    await cache.put("key1", b"content")
    (tmp_path / "key1").write_bytes(damage)
    assert await cache.get("key1") is None
    assert names(tmp_path) == []
    assert metrics.cache_bytes._value.get() == 0
    await cache.put("key1", b"content")
    assert await cache.get("key1") is not None


async def test_another_process_entry_is_found(tmp_path: Path) -> None:
    one, _ = await open_cache(tmp_path)
    other, _ = await open_cache(tmp_path)
    await one.put("key1", b"content")
    assert await other.get("key1") is not None


async def test_a_dead_disk_is_a_cache_that_misses(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_bytes(b"in the way")
    with structlog.testing.capture_logs() as logs:
        cache, metrics = await open_cache(folder)
        assert (await cache.put("key1", b"content")).data == b"content"
        assert await cache.get("key1") is None
        assert await cache.get("key2") is None
    assert metrics.cache_failures._value.get() == 4
    assert len(logs) == 1  # not one a request


async def test_keys_cannot_leave_the_folder(tmp_path: Path) -> None:
    cache, _ = await open_cache(tmp_path)
    for key in ("../../etc/passwd", "a/bcd", ".hidden", "", "x" * 300, "key\n"):
        with pytest.raises(ValueError, match="not a key"):
            await cache.get(key)


# Flights.


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

        async def join() -> None:
            try:
                await flights.join("key", fn)
            except ValueError as error:
                errors.append(str(error))

        async with trio.open_nursery() as joiners:
            for _ in range(3):
                joiners.start_soon(join)
            await trio.testing.wait_all_tasks_blocked()
            go.set()
        assert errors == ["broken"] * 3
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
