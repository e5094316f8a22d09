"""What every blob store must do.

A backend's test calls `check_blobs(maker)`, where `maker()` is an async context manager that
yields an empty store; and `check_damage(maker, damage)` where it can damage a stored chunk.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
import trio

from store.blobs import CHUNK, BlobInfo, BlobStore, put, read
from store.blobs.local import read_verified
from store.errors import Corrupt, NotFound

Maker = Callable[[], AbstractAsyncContextManager[BlobStore]]
Damage = Callable[[BlobStore, bytes, int], Awaitable[None]]
"""Changes a stored byte of a blob: (store, digest, index of the byte)."""

SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17)


def pattern(size: int, seed: int = 0) -> bytes:
    return random.Random(seed + size).randbytes(size)


def digest_of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


async def pieces(data: bytes, sizes: tuple[int, ...] = (1000, 70_000, 1)) -> AsyncIterator[bytes]:
    at = number = 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        yield data[at : at + size]
        at, number = at + size, number + 1


async def ranged(store: BlobStore, digest: bytes, start: int, stop: int | None) -> bytes:
    async with store.open(digest) as blob:
        return b"".join([piece async for piece in blob.chunks(start, stop)])


async def check_blobs(maker: Maker) -> None:
    for check in (
        _what_was_put_comes_back,
        _files_are_read_by_others,
        _ranges,
        _nothing_is_seen_before_the_commit,
        _what_is_not_committed_leaves_nothing,
        _a_commit_comes_after_the_end,
        _equal_bytes_are_one_blob,
        _many_put_the_same_at_once,
        _delete,
        _an_open_blob_outlives_its_delete,
        _unknown_blobs,
        _a_stalled_upload_holds_nobody_up,
    ):
        async with maker() as store:
            with trio.fail_after(60):
                await check(store)


async def _what_was_put_comes_back(store: BlobStore) -> None:
    for size in SIZES:
        data = pattern(size)
        info = await put(store, pieces(data, (CHUNK * 2 + 5,)))
        assert info == BlobInfo(digest_of(data), size)
        assert await read(store, info.digest) == data
        assert await store.stat(info.digest) == info
        assert await store.exists(info.digest)
    small = pattern(5000)
    await put(store, pieces(small, (1, 2, 3)))
    assert await read(store, digest_of(small)) == small


async def _files_are_read_by_others(store: BlobStore) -> None:
    """Where there are any."""
    for size in SIZES:
        data = pattern(size)
        path = store.file(digest_of(data))
        if path is None:
            return
        with pytest.raises(NotFound):
            read_verified(path, digest_of(data))
        await put(store, pieces(data, (CHUNK + 1,)))
        assert read_verified(path, digest_of(data)) == data
        with pytest.raises(Corrupt):
            read_verified(path, digest_of(b"other"))


async def _ranges(store: BlobStore) -> None:
    data = pattern(2 * CHUNK + 100)
    digest = (await put(store, pieces(data))).digest
    size = len(data)
    edges = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, size - 1, size)
    for start in edges:
        for stop in (*edges, None, size + 10):
            expected = data[start:] if stop is None else data[start:stop]
            assert await ranged(store, digest, start, stop) == expected, (start, stop)


async def _nothing_is_seen_before_the_commit(store: BlobStore) -> None:
    data = pattern(CHUNK + 5)
    async with store.stage() as staged:
        await staged.write(data)
        assert staged.size == len(data)
        assert await staged.finish() == BlobInfo(digest_of(data), len(data))
        assert not await store.exists(digest_of(data))
        assert await store.stat(digest_of(data)) is None
        await staged.commit()
        assert await store.exists(digest_of(data))
    assert await read(store, digest_of(data)) == data


async def _what_is_not_committed_leaves_nothing(store: BlobStore) -> None:
    data = pattern(CHUNK + 5)
    async with store.stage() as staged:
        await staged.write(data)
        await staged.finish()
    assert not await store.exists(digest_of(data))
    with trio.CancelScope() as scope:
        async with store.stage() as staged:
            await staged.write(data)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert not await store.exists(digest_of(data))
    assert (await put(store, pieces(data))).size == len(data)


async def _a_commit_comes_after_the_end(store: BlobStore) -> None:
    data = pattern(2 * CHUNK + 1)
    async with store.stage() as staged:
        async for piece in pieces(data):
            await staged.write(piece)
        with pytest.raises(RuntimeError):
            await staged.commit()
        assert await staged.finish() == BlobInfo(digest_of(data), len(data))


async def _equal_bytes_are_one_blob(store: BlobStore) -> None:
    data = pattern(CHUNK * 2)
    first = await put(store, pieces(data))
    assert await put(store, pieces(data, (999,))) == first
    assert await store.delete(first.digest)
    assert not await store.exists(first.digest)


async def _many_put_the_same_at_once(store: BlobStore) -> None:
    data = pattern(CHUNK + 77)
    found: list[BlobInfo] = []

    async def one() -> None:
        found.append(await put(store, pieces(data)))
        assert await read(store, digest_of(data)) == data

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(one)
    assert found == [BlobInfo(digest_of(data), len(data))] * 6


async def _delete(store: BlobStore) -> None:
    data, other = pattern(100), pattern(100, seed=9)
    for one in (data, other):
        await put(store, pieces(one))
    assert await store.delete(digest_of(data))
    assert not await store.delete(digest_of(data))
    assert await store.stat(digest_of(data)) is None
    assert await read(store, digest_of(other)) == other
    await put(store, pieces(data))
    assert await read(store, digest_of(data)) == data


async def _an_open_blob_outlives_its_delete(store: BlobStore) -> None:
    data = pattern(3 * CHUNK)
    await put(store, pieces(data))
    async with store.open(digest_of(data)) as blob:
        assert blob.info.size == len(data)
        await store.delete(digest_of(data))
        assert b"".join([piece async for piece in blob.chunks()]) == data


async def _unknown_blobs(store: BlobStore) -> None:
    with pytest.raises(NotFound):
        await read(store, b"\0" * 32)
    assert not await store.exists(b"\0" * 32)
    assert await store.stat(b"\0" * 32) is None


async def _a_stalled_upload_holds_nobody_up(store: BlobStore) -> None:
    """More uploads stall than the backend has threads or connections; another still goes on."""
    async with trio.open_nursery() as nursery:

        async def stall(*, task_status: trio.TaskStatus[None]) -> None:
            async with store.stage() as staged:
                await staged.write(b"x" * (CHUNK + 1))
                task_status.started()
                await trio.sleep_forever()

        for _ in range(20):
            await nursery.start(stall)
        data = pattern(CHUNK + 3, seed=5)
        await put(store, pieces(data))
        assert await read(store, digest_of(data)) == data
        nursery.cancel_scope.cancel()


async def check_damage(maker: Maker, damage: Damage) -> None:
    """No damaged byte is ever handed out, and putting the bytes again mends the blob."""
    data = pattern(3 * CHUNK)
    digest = digest_of(data)
    async with maker() as store:
        await put(store, pieces(data))
        await damage(store, digest, CHUNK + 10)
        assert await ranged(store, digest, 0, CHUNK) == data[:CHUNK]
        assert await ranged(store, digest, 2 * CHUNK, None) == data[2 * CHUNK :]
        got = bytearray()

        async def read_into_got() -> None:
            async with store.open(digest) as blob:
                async for piece in blob.chunks():
                    got.extend(piece)

        with pytest.raises(Corrupt):
            await read_into_got()
        assert bytes(got) == data[:CHUNK]
        await put(store, pieces(data))
        assert await read(store, digest) == data
