"""The blob store on a real Cassandra: the contract, and what becomes of chunks nobody wants."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import trio

from store.blobs import CHUNK, BlobStore, put, read
from store.blobs.cassandra.blobs import _QUORUM, CassandraBlobs
from store.blobs.cassandra.rows import PART, Manifest
from store.blobs.interface import Digest
from store.errors import Corrupt, NotFound, Unavailable
from tests.contracts.blobs import check_blobs, check_damage, digest_of, pattern, pieces
from tests.contracts.cassandra import ask, damage, open_blobs


@asynccontextmanager
async def make() -> AsyncIterator[BlobStore]:
    async with open_blobs() as blobs:
        yield blobs
        assert await loose(blobs) == 0


async def chunks(blobs: CassandraBlobs) -> int:
    return len(await ask(blobs, "SELECT chunk FROM {k}.chunks"))


async def loose(blobs: CassandraBlobs) -> int:
    """Marks of uploads; those of what was deleted name a blob, and stay until a sweep."""
    return len([1 for (digest,) in await ask(blobs, "SELECT digest FROM {k}.loose") if not digest])


async def sweep(blobs: CassandraBlobs, before_ms: int = 1 << 60) -> None:
    async for _ in blobs.put_before(before_ms):
        pass


async def test_it_keeps_the_contract() -> None:
    await check_blobs(make)


async def test_it_hands_out_no_damaged_byte() -> None:
    await check_damage(make, damage)


async def test_who_gives_up_a_listing_closes_its_pages() -> None:
    async with open_blobs() as blobs:
        await put(blobs, pieces(b"one"))
        async with aclosing(blobs.put_before(1 << 60)) as found:
            async for _ in found:
                break
        gc.collect()  # which complains of a generator that nobody has closed


def held() -> int:
    """Chunks that some object holds which the garbage collector knows, alive or not."""
    return sum(
        isinstance(one, bytes) and len(one) == CHUNK
        for known in gc.get_objects()
        for one in gc.get_referents(known)
    )


async def test_answered_requests_do_not_keep_chunks_until_the_garbage_collector_comes() -> None:
    """A server lets it come seldom."""
    async with open_blobs() as blobs:
        data = pattern(20 * CHUNK)
        gc.collect()
        before = held()
        gc.disable()
        try:
            info = await put(blobs, pieces(data))
            assert held() == before
            assert await read(blobs, info.digest) == data
            assert held() == before
        finally:
            gc.enable()


async def test_a_blob_of_several_partitions() -> None:
    data = pattern((PART + 1) * CHUNK + 5)
    async with open_blobs() as blobs:
        digest = (await put(blobs, pieces(data, (1_000_000,)))).digest
        assert await read(blobs, digest) == data
        parts = await ask(blobs, "SELECT part, chunk FROM {k}.chunks")
        assert {(chunk // PART, chunk) for chunk in range(PART + 2)} == set(parts)
        async with blobs.open(digest) as blob:
            edge = [piece async for piece in blob.chunks(PART * CHUNK - 3, PART * CHUNK + 3)]
        assert b"".join(edge) == data[PART * CHUNK - 3 : PART * CHUNK + 3]
        assert await blobs.delete(digest)
        await sweep(blobs)
        assert await chunks(blobs) == 0


async def test_what_a_killed_writer_leaves_is_swept() -> None:
    async with open_blobs() as blobs:
        staging = blobs.stage()
        staged = await staging.__aenter__()
        await staged.write(pattern(5 * CHUNK))
        assert await chunks(blobs) == 4
        await sweep(blobs, 0)
        assert await chunks(blobs) == 4  # it may be under way yet
        await sweep(blobs)
        assert (await chunks(blobs), await loose(blobs)) == (0, 0)
        await staging.__aexit__(None, None, None)


async def test_the_chunks_of_a_deleted_blob_stay_for_its_readers_until_a_sweep() -> None:
    data = pattern(2 * CHUNK)
    async with open_blobs() as blobs:
        digest = (await put(blobs, pieces(data))).digest
        assert await blobs.delete(digest)
        assert await chunks(blobs) == 2
        # The same bytes put anew are another generation, which no late delete reaches.
        await put(blobs, pieces(data))
        await sweep(blobs)
        assert await chunks(blobs) == 2
        assert await read(blobs, digest) == data


async def test_a_damaged_blob_that_was_put_again_leaves_no_chunks() -> None:
    data = pattern(2 * CHUNK)
    async with open_blobs() as blobs:
        digest = (await put(blobs, pieces(data))).digest
        await damage(blobs, digest, 1)
        await put(blobs, pieces(data))
        assert await chunks(blobs) == 4
        await sweep(blobs)
        assert await chunks(blobs) == 2
        assert await read(blobs, digest) == data


class Lossy(CassandraBlobs):
    """The answer to the next publishing is lost, and after it as many reads as `away` says."""

    lost = True
    away = 0

    async def _applied(self, statement: Any, *values: Any) -> bool:
        answer = await super()._applied(statement, *values)
        if self.lost and statement is self._do.publish:
            self.lost = False
            raise Unavailable("no answer")
        return answer

    async def _manifest(self, digest: Digest, *, at: int = _QUORUM) -> Manifest | None:
        if not self.lost and self.away:
            self.away -= 1
            raise Unavailable("nobody to ask")
        return await super()._manifest(digest, at=at)


async def test_a_commit_without_an_answer_asks_whether_it_was_done() -> None:
    data = pattern(CHUNK)
    async with open_blobs() as plain:
        blobs = Lossy(plain._cluster, plain._do, plain._now_ms)
        digest = (await put(blobs, pieces(data))).digest
        assert await loose(blobs) == 0
        await sweep(blobs)
        assert await read(blobs, digest) == data


async def test_a_commit_in_doubt_may_be_made_again_and_is_not_swept() -> None:
    data = pattern(CHUNK)
    async with open_blobs() as plain:
        blobs = Lossy(plain._cluster, plain._do, plain._now_ms)
        blobs.away = 1
        async with blobs.stage() as staged:
            await staged.write(data)
            await staged.finish()
            with pytest.raises(Unavailable):
                await staged.commit()
        await sweep(blobs)
        assert await read(blobs, digest_of(data)) == data

        other = pattern(CHUNK, seed=2)
        blobs.lost, blobs.away = True, 1
        async with blobs.stage() as staged:
            await staged.write(other)
            await staged.finish()
            with pytest.raises(Unavailable):
                await staged.commit()
            assert (await staged.commit()).digest == digest_of(other)
        assert await read(blobs, digest_of(other)) == other


class SentTwice(CassandraBlobs):
    """The first answer is lost under way, and that to the second attempt tells of a row that
    is there: one's own."""

    async def _applied(self, statement: Any, *values: Any) -> bool:
        await super()._applied(statement, *values)
        return await super()._applied(statement, *values)


async def test_a_row_that_is_there_because_it_is_ones_own_keeps_its_chunks() -> None:
    data = pattern(CHUNK)
    async with open_blobs() as plain:
        blobs = SentTwice(plain._cluster, plain._do, plain._now_ms)
        digest = (await put(blobs, pieces(data))).digest
        assert await read(blobs, digest) == data


async def test_a_missing_chunk_is_corrupt() -> None:
    data = pattern(2 * CHUNK)
    async with open_blobs() as blobs:
        digest = (await put(blobs, pieces(data))).digest
        await ask(blobs, "TRUNCATE {k}.chunks")
        with pytest.raises(Corrupt):
            await read(blobs, digest)


async def test_putting_and_collecting_at_the_same_moment() -> None:
    """Whoever has put the bytes has them, though somebody collects all the time."""
    data = pattern(1000)
    now = 1000
    async with open_blobs(lambda: now) as blobs:
        collected = 0

        async def collect() -> None:
            nonlocal collected
            while True:
                collected += await blobs.collect(digest_of(data), now)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect)
            for _ in range(30):
                await put(blobs, pieces(data))
                assert await read(blobs, digest_of(data)) == data
                now += 1  # from here on it may go
            nursery.cancel_scope.cancel()
        assert collected > 0


async def test_a_cancelled_request_leaves_the_others_alone() -> None:
    async with open_blobs() as blobs:
        for _ in range(50):
            with trio.move_on_after(0):
                await blobs.stat(b"\0" * 32)
        with pytest.raises(NotFound):
            await read(blobs, b"\0" * 32)


async def test_several_nodes_share_a_keyspace() -> None:
    data = pattern(3 * CHUNK)
    async with open_blobs() as first:
        second = await CassandraBlobs.connect(first.address)
        await put(first, pieces(data))
        assert await read(second, digest_of(data)) == data
        assert await second.delete(digest_of(data))
        assert not await first.exists(digest_of(data))
        await second.aclose()
