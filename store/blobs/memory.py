"""Blobs in memory: for tests with a virtual clock, which threads would confuse."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from store.blobs.interface import CHUNK, BlobInfo, Digest, verify
from store.errors import NotFound


class MemoryBlobs:
    """A `BlobStore` that is gone with the process."""

    def __init__(self, now_ms: Callable[[], int] | None = None) -> None:
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._blobs: dict[Digest, bytes] = {}
        self._put_ms: dict[Digest, int] = {}
        self.staged = 0  # how many are on their way in

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[MemoryStaged]:
        await trio.lowlevel.checkpoint()
        self.staged += 1
        try:
            yield MemoryStaged(self)
        finally:
            self.staged -= 1

    @asynccontextmanager
    async def open(self, digest: Digest) -> AsyncIterator[MemoryBlob]:
        await trio.lowlevel.checkpoint()
        data = self._blobs.get(digest)
        if data is None:
            raise NotFound("no such blob")
        yield MemoryBlob(BlobInfo(digest, len(data)), data)

    async def stat(self, digest: Digest) -> BlobInfo | None:
        await trio.lowlevel.checkpoint()
        data = self._blobs.get(digest)
        return None if data is None else BlobInfo(digest, len(data))

    async def exists(self, digest: Digest) -> bool:
        await trio.lowlevel.checkpoint()
        return digest in self._blobs

    def file(self, digest: Digest) -> Path | None:
        return None

    async def delete(self, digest: Digest) -> bool:
        await trio.lowlevel.checkpoint()
        return self._forget(digest)

    async def put_before(self, when_ms: int) -> AsyncGenerator[list[Digest], None]:
        await trio.lowlevel.checkpoint()
        yield [digest for digest in self._blobs if self._put_ms[digest] < when_ms]

    async def scrub(self, digest: Digest) -> int:
        await verify(self, digest)  # there is no other copy to mend it from
        return 0

    async def collect(self, digest: Digest, when_ms: int) -> bool:
        await trio.lowlevel.checkpoint()
        if digest not in self._blobs or self._put_ms[digest] >= when_ms:
            return False
        return self._forget(digest)

    def _forget(self, digest: Digest) -> bool:
        self._put_ms.pop(digest, None)
        return self._blobs.pop(digest, None) is not None

    def keep(self, digest: Digest, data: bytes) -> None:
        self._blobs[digest] = data
        self._put_ms[digest] = self._now_ms()


class MemoryStaged:
    def __init__(self, store: MemoryBlobs) -> None:
        self._store = store
        self._data = bytearray()
        self._info: BlobInfo | None = None

    @property
    def size(self) -> int:
        return len(self._data)

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._data += data

    async def finish(self) -> BlobInfo:
        await trio.lowlevel.checkpoint()
        self._info = BlobInfo(hashlib.sha256(self._data).digest(), len(self._data))
        return self._info

    def _finished(self) -> BlobInfo:
        if self._info is None:
            raise RuntimeError("finish() comes first")
        return self._info

    async def commit(self) -> BlobInfo:
        await trio.lowlevel.checkpoint()
        info = self._finished()
        self._store.keep(info.digest, bytes(self._data))
        return info


class MemoryBlob:
    def __init__(self, info: BlobInfo, data: bytes) -> None:
        self.info = info
        self._data = data

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        stop = len(self._data) if stop is None else min(stop, len(self._data))
        for at in range(start, stop, CHUNK):
            await trio.lowlevel.checkpoint()
            yield self._data[at : min(at + CHUNK, stop)]
