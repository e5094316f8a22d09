"""Bytes on their way in: to the blob store, and beside it to a file that the workers look into.

So they are read once, and not again from the store, which may lie behind a network.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from media.images.sniff import SNIFF_BYTES
from media.workers.scratch import Scratch, ScratchFile
from store.blobs import BlobInfo, BlobStore, Staged


class Incoming:
    """What was not committed when its context ends leaves nothing."""

    def __init__(self, staged: Staged, file: ScratchFile) -> None:
        self._staged = staged
        self._file = file
        self.begin = b""
        """The first `SNIFF_BYTES`, or all where there are fewer."""

    @property
    def size(self) -> int:
        return self._staged.size

    async def write(self, data: bytes) -> None:
        self.begin += data[: SNIFF_BYTES - len(self.begin)]
        await self._staged.write(data)
        await self._file.write(data)

    async def finish(self) -> BlobInfo:
        return await self._staged.finish()

    async def file(self) -> Path:
        """With all that was written."""
        return await self._file.finish()

    async def commit(self) -> BlobInfo:
        return await self._staged.commit()


@asynccontextmanager
async def open_incoming(blobs: BlobStore, scratch: Scratch) -> AsyncIterator[Incoming]:
    async with blobs.stage() as staged, scratch.open() as file:
        yield Incoming(staged, file)
