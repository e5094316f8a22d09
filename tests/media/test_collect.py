"""What half-finished uploads leave is removed; what anybody wants stays, whatever the moment."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from realtime.housekeeping import COLLECT_EVERY, Collector
from store.blobs import BlobStore, LocalBlobs, MemoryBlobs, put, read
from store.changes.media import ReserveMedia, StoreMedia
from store.collect import BITE, BLOB_GRACE_MS, TICKET_GRACE_MS, UNUSED_GRACE_MS, Collected, collect
from store.errors import DomainError, NotFound, Unavailable
from store.queries.media import media_by_id
from store.records import MediaRecord, Purpose
from store.sqlite import SqliteStore
from tests.closing import until_the_end
from tests.contracts.cassandra import open_blobs

NOW = 1_700_000_000_000
OWNER = 7
BYTES = b"the bytes of a photograph"


def digest_of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


async def whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


@dataclass
class Time:
    ms: int = NOW

    def now_ms(self) -> int:
        return self.ms


@dataclass
class World:
    store: SqliteStore
    blobs: BlobStore
    time: Time
    made: int = 0
    log: list[str] = field(default_factory=list)

    async def commit(self, change: Any) -> Any:
        outcome = (await self.store.commit([change], self.time.ms)).outcomes[0]
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome

    async def reserve(self, data: bytes, owner: int = OWNER, sha256: bytes = b"") -> MediaRecord:
        self.made += 1
        media: MediaRecord = await self.commit(
            ReserveMedia(
                owner_id=owner,
                media_id=f"{self.made:032x}",
                purpose=Purpose.POST,
                size=len(data),
                sha256=sha256,
            )
        )
        return media

    async def store_media(self, media: MediaRecord, data: bytes) -> MediaRecord:
        stored: MediaRecord = await self.commit(
            StoreMedia(
                media_id=media.id,
                blob_hash=digest_of(data),
                size=len(data),
                mime="image/jpeg",
                width=1,
                height=1,
                color="#000000",
            )
        )
        return stored

    async def upload(self, data: bytes = BYTES) -> MediaRecord:
        media = await self.reserve(data)
        await put(self.blobs, whole(data))
        return await self.store_media(media, data)

    async def collect(self) -> Collected:
        return await collect(self.store, self.blobs, self.time.ms)

    async def holds(self, data: bytes = BYTES) -> bool:
        return await self.blobs.exists(digest_of(data))


@pytest.fixture(params=["memory", "local", "cassandra"])
def time_and_blobs(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AbstractAsyncContextManager[tuple[Time, BlobStore]]:
    """A clock and an empty store; a test takes it as `time_and_blobs: tuple[Time, BlobStore]`."""

    @asynccontextmanager
    async def make() -> AsyncIterator[tuple[Time, BlobStore]]:
        time = Time()
        if request.param == "cassandra":
            async with open_blobs(time.now_ms) as blobs:
                yield time, blobs
        elif request.param == "local":
            yield time, LocalBlobs(tmp_path, now_ms=time.now_ms)
        else:
            yield time, MemoryBlobs(time.now_ms)

    return make()


async def open_world(time_and_blobs: tuple[Time, BlobStore]) -> World:
    store = until_the_end(SqliteStore.in_memory())
    await store.migrate()
    time, blobs = time_and_blobs
    return World(store, blobs, time)


# Blobs by the time of their last put.


async def listed(blobs: BlobStore, when_ms: int) -> set[bytes]:
    return {digest async for found in blobs.put_before(when_ms) for digest in found}


async def test_a_blob_is_known_by_its_last_put(time_and_blobs: tuple[Time, BlobStore]) -> None:
    time, blobs = time_and_blobs
    first, second = b"first", b"second" * 100_000
    await put(blobs, whole(first))
    time.ms += 1000
    await put(blobs, whole(second))
    assert await listed(blobs, NOW) == set()
    assert await listed(blobs, NOW + 1) == {digest_of(first)}
    assert await listed(blobs, NOW + 1001) == {digest_of(first), digest_of(second)}

    assert not await blobs.collect(digest_of(first), NOW)  # put at that very time
    time.ms += 1000
    await put(blobs, whole(first))  # there already, and wanted again
    assert await listed(blobs, NOW + 2000) == {digest_of(second)}
    assert not await blobs.collect(digest_of(first), NOW + 2000)
    assert await blobs.collect(digest_of(first), NOW + 2001)
    assert not await blobs.collect(digest_of(first), NOW + 2001)  # gone already
    with pytest.raises(NotFound):
        await read(blobs, digest_of(first))
    assert await read(blobs, digest_of(second)) == second


async def test_what_is_no_blob_is_left_alone(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, now_ms=Time().now_ms)
    folder = tmp_path / "blobs" / "ab"
    folder.mkdir()
    strangers = [folder / "README", folder / "abcd", tmp_path / "blobs" / "file"]
    for stranger in strangers:
        stranger.write_text("not ours")
    assert await listed(blobs, NOW * 2) == set()
    assert all(stranger.exists() for stranger in strangers)


async def test_a_blob_collected_between_the_look_and_the_put_is_put_again(
    tmp_path: Path,
) -> None:
    time = Time()

    class Unlucky(LocalBlobs):
        """Somebody collects right after the bytes were found to be there."""

        async def _is_whole(self, digest: bytes) -> bool:
            found = await super()._is_whole(digest)
            if found:
                assert await other.collect(digest, time.ms)
            return found

    other = LocalBlobs(tmp_path, now_ms=time.now_ms)
    await put(other, whole(BYTES))
    time.ms += 1
    await put(Unlucky(tmp_path, now_ms=time.now_ms), whole(BYTES))
    assert await read(other, digest_of(BYTES)) == BYTES
    assert not await other.collect(digest_of(BYTES), time.ms)


async def test_putting_and_collecting_at_the_same_moment(tmp_path: Path) -> None:
    """Whoever has put the bytes has them, though somebody collects all the time."""
    time = Time()
    blobs = LocalBlobs(tmp_path, now_ms=time.now_ms)
    busy = LocalBlobs(tmp_path, now_ms=time.now_ms)
    collected = 0

    async def collector() -> None:
        nonlocal collected
        while True:
            collected += await busy.collect(digest_of(BYTES), time.ms)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(collector)
        while time.ms < NOW + 150:
            await put(blobs, whole(BYTES))
            assert await blobs.exists(digest_of(BYTES))
            time.ms += 1  # from here on it may go
        nursery.cancel_scope.cancel()
    assert collected > 0


# A pass.


async def test_a_blob_without_an_object_goes_after_its_grace(
    time_and_blobs: tuple[Time, BlobStore],
) -> None:
    world = await open_world(time_and_blobs)
    await world.reserve(BYTES, sha256=digest_of(BYTES))  # announced, not stored
    await put(world.blobs, whole(BYTES))
    world.time.ms += BLOB_GRACE_MS
    assert await world.collect() == (0, 0, 0)
    world.time.ms += 1
    assert await world.collect() == (1, 0, 0)
    assert not await world.holds()
    assert await world.collect() == (0, 0, 0)


async def test_what_an_object_refers_to_stays(time_and_blobs: tuple[Time, BlobStore]) -> None:
    world = await open_world(time_and_blobs)
    await world.upload()
    world.time.ms += UNUSED_GRACE_MS
    assert await world.collect() == (0, 0, 0)
    assert await read(world.blobs, digest_of(BYTES)) == BYTES


async def test_what_nothing_shows_goes_after_its_grace_and_its_bytes_with_the_last(
    time_and_blobs: tuple[Time, BlobStore],
) -> None:
    world = await open_world(time_and_blobs)
    await world.upload()
    world.time.ms += 1
    await world.upload()
    world.time.ms += UNUSED_GRACE_MS
    assert await world.collect() == (0, 0, 1)
    assert await world.holds()
    world.time.ms += 1
    assert await world.collect() == (1, 0, 1)
    assert not await world.holds()


async def test_more_blobs_than_a_bite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.collect.BITE", 3)
    time = Time()
    world = await open_world((time, MemoryBlobs(time.now_ms)))
    for number in range(8):
        data = b"%d" % number
        if number % 2:
            await world.upload(data)
        else:
            await put(world.blobs, whole(data))
    time.ms += BLOB_GRACE_MS + 1
    assert await world.collect() == (4, 0, 0)
    assert [await world.holds(b"%d" % number) for number in range(8)] == [False, True] * 4
    assert BITE > 3


class Between:
    """A store on which something happens right after it was asked for references: before what
    it answered is acted upon."""

    def __init__(self, store: SqliteStore, happens: Callable[[], Awaitable[object]]) -> None:
        self._store = store
        self._happens = happens
        self.write = store.write
        self.commit = store.commit

    async def read(self, query: Any, *args: Any) -> Any:
        answer = await self._store.read(query, *args)
        assert answer == set()
        await self._happens()
        return answer


@pytest.mark.parametrize("how", ["put", "upload", "dedupe"])
async def test_a_reference_that_comes_during_a_pass_keeps_its_blob(
    time_and_blobs: tuple[Time, BlobStore], how: str
) -> None:
    world = await open_world(time_and_blobs)
    await put(world.blobs, whole(BYTES))
    world.time.ms += BLOB_GRACE_MS + 1

    async def happens() -> None:
        if how == "put":  # an upload in flight: its object follows
            await put(world.blobs, whole(BYTES))
            return
        await world.upload()
        if how == "dedupe":  # the same user refers to the same bytes without sending them
            again = await world.reserve(BYTES, sha256=digest_of(BYTES))
            assert again.stored

    store: Any = Between(world.store, happens)
    assert await collect(store, world.blobs, world.time.ms) == (0, 0, 0)
    assert await world.holds()


async def test_a_dedupe_before_a_pass_keeps_the_blob(
    time_and_blobs: tuple[Time, BlobStore],
) -> None:
    world = await open_world(time_and_blobs)
    await world.upload()
    world.time.ms += BLOB_GRACE_MS + 1
    assert (await world.reserve(BYTES, sha256=digest_of(BYTES))).stored
    assert await world.collect() == (0, 0, 0)
    assert await world.holds()


async def test_tickets_go_when_they_can_neither_be_used_nor_repeated(
    time_and_blobs: tuple[Time, BlobStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.collect.BITE", 2)
    monkeypatch.setattr("store.collect.UNUSED_GRACE_MS", 2 * TICKET_GRACE_MS)
    world = await open_world(time_and_blobs)
    stored = await world.upload()
    unused = [await world.reserve(BYTES) for _ in range(3)]
    world.time.ms += 1
    later = await world.reserve(BYTES)
    world.time.ms = NOW + TICKET_GRACE_MS
    assert await world.collect() == (0, 0, 0)
    world.time.ms += 1
    assert await world.collect() == (0, 3, 0)
    kept = await world.store.read(media_by_id, [stored.id, later.id, *(one.id for one in unused)])
    assert set(kept) == {stored.id, later.id}
    with pytest.raises(NotFound):
        await world.store_media(unused[0], BYTES)


# In the background.


async def test_the_collector_runs_at_the_start_and_from_time_to_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    time = Time()
    blobs = MemoryBlobs(time.now_ms)
    world = await open_world((time, blobs))
    await put(blobs, whole(BYTES))
    time.ms += BLOB_GRACE_MS + 1
    metrics = CollectorRegistry()
    async with trio.open_nursery() as nursery:
        with structlog.testing.capture_logs() as logs:
            nursery.start_soon(Collector(world.store, blobs, time, metrics).run)
            await trio.sleep(1)
            assert not await world.holds()
            await put(blobs, whole(BYTES))
            time.ms += BLOB_GRACE_MS + 1
            await trio.sleep(COLLECT_EVERY - 2)
            assert await world.holds()
            await trio.sleep(2)
            assert not await world.holds()
        nursery.cancel_scope.cancel()
    assert [(line["event"], line["blobs"]) for line in logs] == [("collected", 1)] * 2
    assert metrics.get_sample_value("sunwire_collected_total", {"what": "blobs"}) == 2


async def test_a_pass_that_fails_is_not_the_last(autojump_clock: trio.testing.MockClock) -> None:
    time = Time()

    class Flaky(MemoryBlobs):
        broken = True

        async def collect(self, digest: bytes, when_ms: int) -> bool:
            if self.broken:
                raise Unavailable("the disk is away")
            return await super().collect(digest, when_ms)

    blobs = Flaky(time.now_ms)
    world = await open_world((time, blobs))
    await put(blobs, whole(BYTES))
    time.ms += BLOB_GRACE_MS + 1
    async with trio.open_nursery() as nursery:
        with structlog.testing.capture_logs() as logs:
            nursery.start_soon(Collector(world.store, blobs, time, CollectorRegistry()).run)
            await trio.sleep(1)
            assert await world.holds()
            blobs.broken = False
            await trio.sleep(COLLECT_EVERY)
            assert not await world.holds()
        nursery.cancel_scope.cancel()
    assert [line["event"] for line in logs] == ["collecting failed", "collected"]
