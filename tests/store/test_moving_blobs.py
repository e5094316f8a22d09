"""Blobs on the move from one store to another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from store.blobs import (
    CHUNK,
    BlobStore,
    LocalBlobs,
    MemoryBlobs,
    MovingBlobs,
    copy,
    put,
    read,
    verify,
)
from store.errors import Corrupt, NotFound
from tests.contracts.blobs import check_blobs, digest_of, pattern, pieces
from tests.store.test_blobs import flip, path_of

LATER = 1 << 60
DATA = pattern(2 * CHUNK + 1)


def ignore(_: int) -> None:
    pass


async def test_both_keep_the_contract_together() -> None:
    @asynccontextmanager
    async def make() -> AsyncIterator[BlobStore]:
        yield MovingBlobs(MemoryBlobs(), MemoryBlobs())

    await check_blobs(make)


async def test_what_is_put_goes_to_the_new_and_what_was_put_is_read_from_the_old() -> None:
    new, old = MemoryBlobs(), MemoryBlobs()
    both = MovingBlobs(new, old)
    await put(old, pieces(DATA))
    assert await read(both, digest_of(DATA)) == DATA
    assert await both.exists(digest_of(DATA))
    assert not await new.exists(digest_of(DATA))
    assert (await both.stat(digest_of(DATA))) == (digest_of(DATA), len(DATA))
    assert await both.scrub(digest_of(DATA)) == 0
    await put(both, pieces(DATA))
    assert await read(new, digest_of(DATA)) == DATA


async def test_deleted_is_deleted_in_both() -> None:
    new, old = MemoryBlobs(), MemoryBlobs()
    both = MovingBlobs(new, old)
    for store in (new, old):
        await put(store, pieces(DATA))
    assert await both.delete(digest_of(DATA))
    assert not await both.exists(digest_of(DATA))
    assert not await both.delete(digest_of(DATA))


@pytest.mark.parametrize(("new_ms", "old_ms", "gone"), [(5, 3, False), (3, 5, False), (3, 3, True)])
async def test_collected_only_when_put_into_neither_since(
    new_ms: int, old_ms: int, gone: bool
) -> None:
    new, old = MemoryBlobs(lambda: new_ms), MemoryBlobs(lambda: old_ms)
    both = MovingBlobs(new, old)
    for store in (new, old):
        await put(store, pieces(DATA))
    await both.collect(digest_of(DATA), 4)
    assert await both.exists(digest_of(DATA)) is not gone
    async with aclosing(both.put_before(LATER)) as found:
        assert any([digest_of(DATA) in piece async for piece in found]) is not gone


async def test_copying_leaves_nothing_behind_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    source, target = LocalBlobs(tmp_path), MemoryBlobs()
    datas = [pattern(1000 * number, seed=number) for number in range(1, 10)]
    for data in datas:
        await put(source, pieces(data))
    await put(target, pieces(datas[0]))
    flip(path_of(tmp_path, digest_of(datas[1])), 5)
    told: list[int] = []
    done = await copy(source, target, LATER, told.append)
    assert (done.copied, done.there, done.gone) == (7, 1, 0)
    assert done.bytes == sum(map(len, datas[2:]))
    assert done.damaged == [digest_of(datas[1])]
    assert told[-1] == 9
    for data in datas[2:]:
        assert await read(target, digest_of(data)) == data
    assert not await target.exists(digest_of(datas[1]))
    assert (await copy(source, target, LATER, ignore)).copied == 0


async def test_a_blob_that_goes_while_it_is_to_be_copied_is_no_failure() -> None:
    class Going(MemoryBlobs):
        async def put_before(self, when_ms: int):  # type: ignore[no-untyped-def]
            async with aclosing(super().put_before(when_ms)) as found:
                async for piece in found:
                    await self.delete(piece[0])
                    yield piece

    source, target = Going(), MemoryBlobs()
    await put(source, pieces(DATA))
    done = await copy(source, target, LATER, ignore)
    assert (done.copied, done.gone) == (0, 1)


@pytest.mark.parametrize("how", [verify, lambda store, digest: store.scrub(digest)])
async def test_bytes_of_another_digest_are_found(
    how: Callable[[BlobStore, bytes], object],
) -> None:
    store = MemoryBlobs()
    await put(store, pieces(DATA))
    store.keep(digest_of(DATA), DATA[:-1])
    with pytest.raises(Corrupt):
        await how(store, digest_of(DATA))  # type: ignore[misc]
    with pytest.raises(NotFound):
        await how(store, b"\0" * 32)  # type: ignore[misc]
