"""Two blob stores as one, while blobs move from the old to the new; and the copying."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import trio

from store.blobs.interface import Blob, BlobInfo, BlobStore, Digest, Staged, put
from store.errors import Corrupt, NotFound

AT_ONCE = 4  # blobs under way


class MovingBlobs:
    """A `BlobStore` that puts into the new store, and reads from the old what the new has not."""

    def __init__(self, new: BlobStore, old: BlobStore) -> None:
        self._new = new
        self._old = old

    def stage(self) -> AbstractAsyncContextManager[Staged]:
        return self._new.stage()

    @asynccontextmanager
    async def open(self, digest: Digest) -> AsyncIterator[Blob]:
        async with AsyncExitStack() as stack:
            try:
                blob = await stack.enter_async_context(self._new.open(digest))
            except NotFound:
                blob = await stack.enter_async_context(self._old.open(digest))
            yield blob

    async def stat(self, digest: Digest) -> BlobInfo | None:
        return await self._new.stat(digest) or await self._old.stat(digest)

    async def exists(self, digest: Digest) -> bool:
        return await self._new.exists(digest) or await self._old.exists(digest)

    def file(self, digest: Digest) -> Path | None:
        return self._new.file(digest)

    async def delete(self, digest: Digest) -> bool:
        # The old one first: a copy that is under way would bring it back.
        found = await self._old.delete(digest)
        return await self._new.delete(digest) or found

    async def put_before(self, when_ms: int) -> AsyncGenerator[list[Digest], None]:
        for store in (self._new, self._old):
            async with aclosing(store.put_before(when_ms)) as pieces:
                async for piece in pieces:
                    yield piece

    async def collect(self, digest: Digest, when_ms: int) -> bool:
        gone = await self._new.collect(digest, when_ms)
        if not gone and await self._new.exists(digest):
            return False  # put since
        return await self._old.collect(digest, when_ms) or gone

    async def scrub(self, digest: Digest) -> int:
        store = self._new if await self._new.exists(digest) else self._old
        return await store.scrub(digest)


class Copied(NamedTuple):
    """What became of the blobs of the source."""

    copied: int
    bytes: int
    there: int
    """Already in the target."""
    gone: int
    """Deleted from the source meanwhile."""
    damaged: list[Digest]


async def copy(
    source: BlobStore, target: BlobStore, up_to_ms: int, tell: Callable[[int], None]
) -> Copied:
    """Copies what was put into the source before that time and is not in the target. What is
    damaged in the source is left out and named. `tell` is given the blobs done so far. Raises
    `Unavailable`; what was copied before stays, and the next call goes on."""
    copied = there = gone = size = 0
    damaged: list[Digest] = []

    async def one(digest: Digest) -> None:
        nonlocal copied, there, gone, size
        if await target.exists(digest):
            there += 1
            return
        try:
            async with source.open(digest) as blob:
                if (await put(target, blob.chunks())).digest != digest:
                    raise Corrupt("its bytes have another digest")
        except NotFound:
            gone += 1
        except Corrupt:
            damaged.append(digest)
        else:
            copied, size = copied + 1, size + blob.info.size

    async def work(todo: trio.MemoryReceiveChannel[Digest]) -> None:
        async with todo:
            async for digest in todo:
                await one(digest)
                tell(copied + there + gone + len(damaged))

    send, receive = trio.open_memory_channel[Digest](0)
    async with trio.open_nursery() as nursery, receive:
        for _ in range(AT_ONCE):
            nursery.start_soon(work, receive.clone())
        async with send, aclosing(source.put_before(up_to_ms)) as pieces:
            async for piece in pieces:
                for digest in piece:
                    await send.send(digest)
    return Copied(copied, size, there, gone, sorted(damaged))
