"""Collecting at the moment of an upload of the same bytes: what was acknowledged is not lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio

from store.blobs import BlobStore, LocalBlobs, MemoryBlobs, put_bytes, read
from store.collect import BLOB_GRACE_MS, collect
from store.records import MediaRecord
from tests.contracts.cassandra import open_blobs
from tests.media import samples
from tests.media.host import NOW, Host, open_host
from tests.media.test_collect import Time
from tests.media.test_concat import final, partial
from tests.media.test_parts import offset_of, patch

LATER = BLOB_GRACE_MS + 1
ROUNDS = 4
LONG = NOW + 10**10  # until a ticket ends


def photograph(number: int) -> bytes:
    return samples.jpeg(comment=b"%d" % number)


async def by_put(host: Host, media: MediaRecord, data: bytes) -> None:
    assert (await host.put(host.ticket(media, expires_ms=LONG), data)).status == 201


async def in_parts(host: Host, media: MediaRecord, data: bytes) -> None:
    path, half = host.ticket(media, expires_ms=LONG), len(data) // 2
    assert (await patch(host, path, 0, data[:half])).status == 204
    assert await offset_of(host, path) == half
    assert (await patch(host, path, half, data[half:])).status == 204


async def joined(host: Host, media: MediaRecord, data: bytes) -> None:
    half = len(data) // 2
    pieces = [await partial(host, media, one) for one in (data[:half], data[half:])]
    assert (await final(host, media, *pieces)).status == 201


Way = Callable[[Host, MediaRecord, bytes], Awaitable[None]]
WAYS: list[Way] = [by_put, in_parts, joined]


async def left_over(blobs: BlobStore, data: bytes) -> None:
    """As of uploads that came to nothing: the whole, and its halves."""
    half = len(data) // 2
    for one in (data, data[:half], data[half:]):
        await put_bytes(blobs, one)


class Between(MemoryBlobs):
    """Something happens after a blob was found to be nobody's, and before it is removed."""

    happens: Callable[[], Awaitable[None]] | None = None

    async def collect(self, digest: bytes, when_ms: int) -> bool:
        happens, self.happens = self.happens, None
        if happens is not None:
            await happens()
        return await super().collect(digest, when_ms)


@pytest.mark.parametrize("way", WAYS)
async def test_an_upload_between_the_look_and_the_removal(tmp_path: Path, way: Way) -> None:
    time = Time()
    blobs = Between(time.now_ms)
    data = photograph(1)
    async with open_host(tmp_path, blobs=blobs) as host:
        await left_over(blobs, data)
        time.ms += LATER
        media = await host.reserve(data)
        ended = trio.Event()

        async def happens() -> None:
            await way(host, media, data)
            ended.set()

        blobs.happens = happens
        await collect(host.store, blobs, time.ms)
        assert ended.is_set()
        assert await read(blobs, (await host.row(media.id)).blob_hash) == data


@pytest.mark.parametrize("stage", ["part", "parts"])
async def test_what_waits_in_parts_stays_however_old(tmp_path: Path, stage: str) -> None:
    """The parts of an upload that goes on for days are somebody's."""
    time = Time()
    blobs = MemoryBlobs(time.now_ms)
    data = photograph(1)
    async with open_host(tmp_path, blobs=blobs) as host:
        media = await host.reserve(data)
        path = host.ticket(media, expires_ms=LONG)
        size = len(data) // 3 * (1 if stage == "part" else 2)
        await patch(host, path, 0, data[:size])
        time.ms += 3 * LATER
        await collect(host.store, blobs, time.ms)
        assert (await patch(host, path, size, data[size:])).status == 204
        assert await read(blobs, (await host.row(media.id)).blob_hash) == data


@pytest.fixture(params=["memory", "local", "cassandra"])
def time_and_blobs(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AbstractAsyncContextManager[tuple[Time, BlobStore]]:
    @asynccontextmanager
    async def make() -> AsyncIterator[tuple[Time, BlobStore]]:
        time = Time()
        if request.param == "cassandra":
            async with open_blobs(time.now_ms) as blobs:
                yield time, blobs
        elif request.param == "local":
            yield time, LocalBlobs(tmp_path / "blobs", now_ms=time.now_ms)
        else:
            yield time, MemoryBlobs(time.now_ms)

    return make()


async def test_uploads_while_somebody_collects_all_the_time(
    time_and_blobs: tuple[Time, BlobStore], tmp_path: Path
) -> None:
    time, blobs = time_and_blobs
    async with open_host(tmp_path, blobs=blobs) as host:
        removed = 0
        for number in range(ROUNDS):
            data = photograph(number)
            await left_over(blobs, data)
            time.ms += LATER
            media = [await host.reserve(data) for _ in WAYS]

            async def always() -> None:
                nonlocal removed
                while True:
                    removed += (await collect(host.store, blobs, time.ms)).blobs

            async with trio.open_nursery() as collecting:
                collecting.start_soon(always)
                async with trio.open_nursery() as uploading:
                    for way, one in zip(WAYS, media, strict=True):
                        uploading.start_soon(way, host, one, data)
                collecting.cancel_scope.cancel()
            removed += (await collect(host.store, blobs, time.ms)).blobs
            for one in media:
                assert await read(blobs, (await host.row(one.id)).blob_hash) == data
        assert removed
