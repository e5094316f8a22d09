"""Blobs in memory: for tests with a virtual clock, which threads would confuse."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import trio

from store.blobs.interface import CHUNK, BlobInfo, Digest
from store.errors import NotFound


class MemoryBlobs:
    """A `BlobStore` that is gone with the process."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}
        self.staged = 0  # how many are on their way in

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[MemoryStaged]:
        await trio.lowlevel.checkpoint()
        self.staged += 1
        try:
            yield MemoryStaged(self._blobs)
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

    async def delete(self, digest: Digest) -> bool:
        await trio.lowlevel.checkpoint()
        return self._blobs.pop(digest, None) is not None


class MemoryStaged:
    def __init__(self, blobs: dict[Digest, bytes]) -> None:
        self._blobs = blobs
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

    def chunks(self) -> AsyncGenerator[bytes, None]:
        return MemoryBlob(self._finished(), bytes(self._data)).chunks()

    async def commit(self) -> BlobInfo:
        await trio.lowlevel.checkpoint()
        info = self._finished()
        self._blobs[info.digest] = bytes(self._data)
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
