"""The blob store on Cassandra; see `store.blobs.cassandra.tables` for its tables."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import structlog
import trio
from cassandra import ConsistencyLevel

from store.blobs.cassandra import tables
from store.blobs.cassandra.address import Address
from store.blobs.cassandra.rows import (
    PART,
    SHARDS,
    Loose,
    Manifest,
    chunk_digest,
    part_count,
)
from store.blobs.cassandra.session import Cassandra
from store.blobs.cassandra.statements import Statements
from store.blobs.cassandra.together import together
from store.blobs.interface import CHUNK, BlobInfo, Digest, verify
from store.blobs.manifest import chunk_count
from store.errors import Corrupt, NotFound, StoreError, Unavailable

log = structlog.get_logger("blobs")

AHEAD = 4  # chunks of one reader or writer under way at once
TRIES = 10  # to agree with others who put or delete the same bytes
PAGE = 500  # rows
GOODBYE = 10.0  # seconds to clean up after an upload that came to nothing; else a sweep does

_QUORUM = ConsistencyLevel.LOCAL_QUORUM
_SERIAL = ConsistencyLevel.LOCAL_SERIAL


class CassandraBlobs:
    """A `BlobStore` (see `store.blobs.interface`) in a keyspace.

    Any number of nodes may share it. A chunk is read from one replica; where that one has not
    got it, or has it damaged, each of the others is asked, and a good one mends the rest.
    """

    def __init__(
        self, cluster: Cassandra, statements: Statements, now_ms: Callable[[], int]
    ) -> None:
        self._cluster = cluster
        self._do = statements
        self._now_ms = now_ms
        self._read = getattr(ConsistencyLevel, cluster.address.read.upper())
        self._write = getattr(ConsistencyLevel, cluster.address.write.upper())
        self.mended = 0  # chunks of which a replica was damaged or missing

    @classmethod
    async def connect(
        cls,
        address: Address,
        *,
        create: bool = False,
        in_flight: int = 128,
        deadline: float = 10.0,
        now_ms: Callable[[], int] | None = None,
    ) -> CassandraBlobs:
        """Connects, and with `create` makes the tables that are missing. Raises `Unavailable`
        or `Incompatible` with a sentence for whoever starts the server."""
        cluster = Cassandra(address, in_flight=in_flight, deadline=deadline)
        await cluster.connect()
        try:
            if create:
                await tables.create(cluster)
            else:
                await tables.check(cluster)
            statements = await Statements.prepare(cluster)
        except BaseException:
            with trio.CancelScope(shield=True):
                await cluster.aclose()
            raise
        return cls(cluster, statements, now_ms or (lambda: time.time_ns() // 1_000_000))

    @property
    def address(self) -> Address:
        return self._cluster.address

    async def aclose(self) -> None:
        await self._cluster.aclose()

    async def _rows(self, statement: Any, *values: Any, at: int = _QUORUM) -> list[Any]:
        return await self._cluster.execute(statement, values, at)

    async def _applied(self, statement: Any, *values: Any) -> bool:
        return bool((await self._rows(statement, *values))[0][0])

    async def _manifest(self, digest: Digest, *, at: int = _QUORUM) -> Manifest | None:
        found = await self._rows(self._do.manifest, digest, at=at)
        return Manifest(*found[0]) if found else None

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[CassandraStaged]:
        loose = Loose.of(uuid4(), parts=1)
        await self._loosen(loose)
        staged = CassandraStaged(self, loose)
        try:
            yield staged
        finally:
            if staged.fate is Fate.UNWANTED:
                with trio.move_on_after(GOODBYE, shield=True), suppress(StoreError):
                    await self._drop(staged.loose)

    async def _loosen(self, loose: Loose) -> None:
        await self._rows(self._do.loosen, *loose.key, self._now_ms(), loose.parts, loose.digest)

    async def _fasten(self, loose: Loose) -> None:
        await self._rows(self._do.fasten, *loose.key)

    async def grow(self, loose: Loose) -> None:
        """Says that chunks of further parts may be there, before they are."""
        await self._rows(self._do.grow, loose.parts, *loose.key)

    async def _drop(self, loose: Loose) -> None:
        for part in range(loose.parts):
            await self._rows(self._do.drop, loose.generation, part, at=self._write)
        await self._fasten(loose)

    async def _commit(self, staged: CassandraStaged, info: BlobInfo) -> None:
        loose = staged.loose = staged.loose._replace(digest=info.digest)
        await self._loosen(loose)
        for _ in range(TRIES):
            there = await self._manifest(info.digest, at=_SERIAL)
            if there is not None and there.generation == loose.generation:
                await self._won(staged)  # by an attempt whose answer was lost
                return
            now = self._now_ms()
            if there is not None and await self._is_whole(info.digest, there):
                if await self._applied(self._do.renew, now, info.digest, there.generation):
                    return
                continue
            in_doubt = staged.fate is Fate.UNKNOWN
            staged.fate = Fate.UNKNOWN  # until the answer is here
            try:
                if there is None:
                    done = await self._applied(
                        self._do.publish, info.digest, loose.generation, info.size, now
                    )
                else:
                    await self._loosen(there.loose(info.digest))
                    done = await self._applied(
                        self._do.replace, loose.generation, now, info.digest, there.generation
                    )
            except Unavailable:
                if in_doubt:
                    raise
                continue  # the node that was asked may have gone: another one tells
            if done:
                await self._won(staged)
                return
            if not in_doubt:  # else an earlier attempt may yet take place
                staged.fate = Fate.UNWANTED
        raise Unavailable("others put or delete the same bytes all the time")

    async def _won(self, staged: CassandraStaged) -> None:
        staged.fate = Fate.WANTED
        with suppress(StoreError):  # a sweep sees that it is wanted
            await self._fasten(staged.loose)

    async def _is_whole(self, digest: Digest, manifest: Manifest) -> bool:
        try:
            async for _ in CassandraBlob(self, digest, manifest).chunks():
                pass
        except Corrupt:
            return False
        return True

    @asynccontextmanager
    async def open(self, digest: Digest) -> AsyncIterator[CassandraBlob]:
        manifest = await self._manifest(digest)
        if manifest is None:
            raise NotFound("no such blob")
        yield CassandraBlob(self, digest, manifest)

    async def stat(self, digest: Digest) -> BlobInfo | None:
        manifest = await self._manifest(digest)
        return None if manifest is None else BlobInfo(digest, manifest.size)

    async def exists(self, digest: Digest) -> bool:
        return await self._manifest(digest) is not None

    def file(self, digest: Digest) -> Path | None:
        return None

    async def delete(self, digest: Digest) -> bool:
        return await self._remove(digest, lambda _: True, self._do.delete)

    async def collect(self, digest: Digest, when_ms: int) -> bool:
        return await self._remove(
            digest, lambda there: there.put_ms < when_ms, self._do.collect, when_ms
        )

    async def _remove(
        self,
        digest: Digest,
        wanted: Callable[[Manifest], bool],
        statement: Any,
        *values: Any,
    ) -> bool:
        """The chunks stay until a sweep, for those who have the blob open."""
        for _ in range(TRIES):
            there = await self._manifest(digest, at=_SERIAL)
            if there is None or not wanted(there):
                return False
            await self._loosen(there.loose(digest))
            if await self._applied(statement, digest, there.generation, *values):
                return True
        raise Unavailable("others put or delete the same bytes all the time")

    async def scrub(self, digest: Digest) -> int:
        there = await self._manifest(digest)
        if there is None:
            raise NotFound("no such blob")
        mended = 0
        for index in range(chunk_count(there.size)):
            size = min(CHUNK, there.size - index * CHUNK)
            mended += await self._scrub_chunk(there.generation, index, size)
        await verify(self, digest)
        return mended

    async def _scrub_chunk(self, generation: UUID, index: int, size: int) -> bool:
        """Whether a replica had to be mended. Raises `Unavailable` where one does not answer."""
        place = (generation, index // PART, index)
        for host in self._cluster.replicas(self._do.chunk, place):
            found = await self._cluster.execute(
                self._do.chunk, place, ConsistencyLevel.LOCAL_ONE, host=host
            )
            if not found or not _is_right(generation, index, size, found[0]):
                before = self.mended
                data = await self.read_chunk(generation, index, size)
                if self.mended == before:  # it was read from another one, at once
                    self.mended += 1
                    await self.write_chunk(generation, index, data)
                return True
        return False

    async def put_before(self, when_ms: int) -> AsyncGenerator[list[Digest], None]:
        """Sweeps, too: removes the chunks of what came to nothing or went before that time."""
        await self._sweep(when_ms)
        async with aclosing(
            self._cluster.pages(self._do.manifests, (), _QUORUM, PAGE)
        ) as manifests:
            async for rows in manifests:
                found = [digest for digest, put_ms in rows if put_ms < when_ms]
                if found:
                    yield found

    async def _sweep(self, before_ms: int) -> None:
        for shard in range(SHARDS):
            async with aclosing(
                self._cluster.pages(self._do.loose, (shard,), _QUORUM, PAGE)
            ) as pages:
                async for rows in pages:
                    for since_ms, *values in rows:
                        if since_ms < before_ms:
                            await self._settle(Loose(*values))

    async def _settle(self, loose: Loose) -> None:
        await (self._fasten if await self._is_named(loose) else self._drop)(loose)

    async def _is_named(self, loose: Loose) -> bool:
        if loose.digest is None:
            return False
        there = await self._manifest(loose.digest, at=_SERIAL)
        return there is not None and there.generation == loose.generation

    async def write_chunk(self, generation: UUID, index: int, data: bytes) -> None:
        await self._rows(
            self._do.write,
            generation,
            index // PART,
            index,
            chunk_digest(generation, index, data),
            data,
            at=self._write,
        )

    def _places(self, place: Sequence[Any]) -> Iterator[tuple[Any, int]]:
        """Whom to ask for a chunk, in turn. A quorum tells what one replica lacks, but of two
        copies that differ it takes any; so each replica speaks for itself, too."""
        yield None, self._read
        yield None, _QUORUM
        for host in self._cluster.replicas(self._do.chunk, place):
            yield host, ConsistencyLevel.LOCAL_ONE

    async def read_chunk(self, generation: UUID, index: int, size: int) -> bytes:
        """Raises `Corrupt` when all replicas have answered and none has it as it was written."""

        place = (generation, index // PART, index)
        missing = damaged = False
        failed: Unavailable | None = None
        for host, consistency in self._places(place):
            try:
                found = await self._cluster.execute(self._do.chunk, place, consistency, host=host)
            except Unavailable as error:
                failed = error
                continue
            if not found:
                missing = True
                continue
            if not _is_right(generation, index, size, found[0]):
                damaged = True
                continue
            data = bytes(found[0][1])
            if damaged:
                log.warning("mending a chunk", generation=str(generation), chunk=index)
            if missing or damaged:
                self.mended += 1
                with suppress(StoreError):  # the next reader tries again
                    await self.write_chunk(generation, index, data)
            return data
        if failed is not None:
            raise failed
        raise Corrupt(f"chunk {index} of generation {generation} is damaged or missing")


def _is_right(generation: UUID, index: int, size: int, row: Sequence[Any]) -> bool:
    digest, data = row
    return len(data) == size and bool(digest == chunk_digest(generation, index, data))


class Fate(Enum):
    """Of the chunks that an upload has written."""

    UNWANTED = auto()
    UNKNOWN = auto()
    WANTED = auto()


class CassandraStaged:
    """Chunks that are written while the bytes come, under a generation of their own."""

    def __init__(self, store: CassandraBlobs, loose: Loose) -> None:
        self._store = store
        self._buffer = bytearray()  # less than AHEAD chunks between calls
        self._hash = hashlib.sha256()
        self._written = 0  # chunks
        self._info: BlobInfo | None = None
        self.loose = loose
        self.fate = Fate.UNWANTED
        self.size = 0

    async def write(self, data: bytes) -> None:
        self._buffer += data
        self.size += len(data)
        while len(self._buffer) >= AHEAD * CHUNK:
            await self._flush(AHEAD)

    async def _flush(self, count: int) -> None:
        """Writes the next `count` chunks, the last of which may be short."""
        pieces = [bytes(self._buffer[at * CHUNK : (at + 1) * CHUNK]) for at in range(count)]
        del self._buffer[: count * CHUNK]
        parts = part_count(self._written + count)
        if parts > self.loose.parts:
            self.loose = self.loose._replace(parts=parts)
            await self._store.grow(self.loose)
        generation = self.loose.generation
        writes = [
            partial(self._store.write_chunk, generation, self._written + at, piece)
            for at, piece in enumerate(pieces)
        ]
        self._written += count
        await together(writes)
        for piece in pieces:
            self._hash.update(piece)

    async def finish(self) -> BlobInfo:
        await self._flush(chunk_count(len(self._buffer)))
        self._info = BlobInfo(self._hash.digest(), self.size)
        return self._info

    def _finished(self) -> BlobInfo:
        if self._info is None:
            raise RuntimeError("finish() comes first")
        return self._info

    async def commit(self) -> BlobInfo:
        info = self._finished()
        if self.fate is not Fate.WANTED:
            await self._store._commit(self, info)
        return info


class CassandraBlob:
    """A blob whose manifest has been read."""

    def __init__(self, store: CassandraBlobs, digest: Digest, manifest: Manifest) -> None:
        self._store = store
        self._manifest = manifest
        self.info = BlobInfo(digest, manifest.size)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        size = self.info.size
        stop = size if stop is None else min(stop, size)
        index, ahead = start // CHUNK, 1  # the first bytes wait for one chunk alone
        while index * CHUNK < stop:
            last = min(index + ahead, chunk_count(stop))
            reads = [
                partial(
                    self._store.read_chunk,
                    self._manifest.generation,
                    at,
                    min(CHUNK, size - at * CHUNK),
                )
                for at in range(index, last)
            ]
            for at, data in enumerate(await together(reads), index):
                yield data[max(start - at * CHUNK, 0) : stop - at * CHUNK]
            index, ahead = last, AHEAD
