"""What every blob store guarantees.

A blob is a sequence of bytes named by its SHA-256 digest, so the same bytes are one blob,
and a blob never changes. It is kept in chunks of `CHUNK` bytes, each with a digest of its
own; the manifest with those digests is written last and makes the blob exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from store.errors import Corrupt

CHUNK = 256 * 1024  # bytes

Digest = bytes
"""SHA-256, 32 bytes."""


class BlobInfo(NamedTuple):
    digest: Digest
    size: int  # bytes


class Staged(Protocol):
    """Bytes on their way in, which nobody else sees."""

    @property
    def size(self) -> int:
        """Bytes written so far."""
        ...

    async def write(self, data: bytes) -> None:
        """Appends. Holds no thread or connection between calls, however long they are apart."""
        ...

    async def finish(self) -> BlobInfo:
        """Ends the writing and says what was written; nothing is visible yet."""
        ...

    async def commit(self) -> BlobInfo:
        """Makes the blob exist. When it returns the bytes are durable, whole, and readable by
        their digest, even where a damaged copy lay before."""
        ...


class Blob(Protocol):
    """An open blob. Every chunk is verified when it is read."""

    @property
    def info(self) -> BlobInfo: ...

    def chunks(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to but not including `stop` (None: the end), in pieces of
        at most `CHUNK`. Raises `Corrupt` instead of handing out a byte that was not put in."""
        ...


class BlobStore(Protocol):
    """A store of blobs. Safe to use from any task; every method raises `Unavailable` when the
    disk or the network does not do its part."""

    def stage(self) -> AbstractAsyncContextManager[Staged]:
        """Room for a new blob. What was not committed when the context ends leaves nothing."""
        ...

    def open(self, digest: Digest) -> AbstractAsyncContextManager[Blob]:
        """Raises `NotFound` when there is no such blob and `Corrupt` when its manifest is
        damaged. A blob deleted while it is open may be read to its end."""
        ...

    async def stat(self, digest: Digest) -> BlobInfo | None:
        """What the manifest says, or None."""
        ...

    async def exists(self, digest: Digest) -> bool: ...

    def file(self, digest: Digest) -> Path | None:
        """Where another process of this machine may read the blob by itself, with
        `store.blobs.local.read_verified`; None where the bytes are not in files. Says nothing
        about whether it is there, and whole."""
        ...

    async def delete(self, digest: Digest) -> bool:
        """Removes a blob; False when there was none. The caller knows that nothing refers to
        it: a put of the same bytes that ends before the delete is undone by it."""
        ...

    def put_before(self, when_ms: int) -> AsyncGenerator[list[Digest], None]:
        """The blobs whose bytes were last put before that time (Unix time, by the clock that
        the store was given), in pieces. Those that come or go meanwhile may be missed."""
        ...

    async def collect(self, digest: Digest, when_ms: int) -> bool:
        """Removes a blob that was last put before that time. False when there is none, or the
        same bytes were put since. A put that comes at the same moment has its blob when it
        returns."""
        ...

    async def scrub(self, digest: Digest) -> int:
        """Reads every copy of a blob to its end, and mends what is damaged or missing from a
        copy that is whole. Returns how many chunks it mended; raises `NotFound`, and `Corrupt`
        where no copy of some chunk is whole."""
        ...


async def verify(store: BlobStore, digest: Digest) -> None:
    """Reads a blob to its end. Raises `Corrupt` unless its bytes have its digest."""
    whole = hashlib.sha256()
    async with store.open(digest) as blob:
        async for piece in blob.chunks():
            whole.update(piece)
    if whole.digest() != digest:
        raise Corrupt(f"the bytes of blob {digest.hex()} have another digest")


async def put(store: BlobStore, data: AsyncIterable[bytes]) -> BlobInfo:
    """Stores a stream of bytes. Several tasks may put the same bytes at once."""
    async with store.stage() as staged:
        async for piece in data:
            await staged.write(piece)
        await staged.finish()
        return await staged.commit()


async def read(store: BlobStore, digest: Digest) -> bytes:
    """A whole blob, for callers who know that it is small."""
    async with store.open(digest) as blob:
        return b"".join([piece async for piece in blob.chunks()])


async def put_bytes(store: BlobStore, data: bytes) -> BlobInfo:
    """Stores bytes that are in memory anyway."""
    async with store.stage() as staged:
        await staged.write(data)
        await staged.finish()
        return await staged.commit()
