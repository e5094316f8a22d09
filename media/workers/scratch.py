"""Files for the worker processes: of an upload, however large, the server holds a chunk in memory.

They live as long as one job. What a crash leaves is removed by a later start.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio

from store.errors import Unavailable

T = TypeVar("T")

BUFFER = 1024**2  # bytes that are written at once
ABANDONED_SECONDS = 3600  # longer than any job; by the file's own time


class Scratch:
    """A folder, which several processes may share. Raises `Unavailable` when the disk fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()  # a worker may be elsewhere

    @asynccontextmanager
    async def file(self, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[Path]:
        """A file of these bytes, gone with the context."""
        async with self.open() as file, aclosing(pieces):
            async for piece in pieces:
                await file.write(piece)
            yield await file.finish()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ScratchFile]:
        """An empty file, gone with the context. It is on the disk when there is much in it, or
        when it is asked for."""
        file = ScratchFile(self._folder / secrets.token_hex(16))
        try:
            yield file
        finally:
            if file.is_there:
                with trio.CancelScope(shield=True):
                    await _in_thread(file.remove)

    async def sweep(self) -> None:
        """Removes what servers that died have left."""
        await _in_thread(self._sweep)

    def _sweep(self) -> None:
        if not self._folder.exists():
            return
        before = time.time() - ABANDONED_SECONDS
        for path in self._folder.iterdir():
            try:
                if path.stat().st_mtime < before:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process sweeps


class ScratchFile:
    """Made by `Scratch.open`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._buffer = bytearray()  # less than `BUFFER` between calls

    @property
    def is_there(self) -> bool:
        return self._fd >= 0

    async def write(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= BUFFER:
            await _in_thread(self._flush)

    async def finish(self) -> Path:
        """Where the bytes are, all of them."""
        await _in_thread(self._flush)
        return self._path

    def _flush(self) -> None:
        if not self.is_there:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _write(self._fd, self._buffer)
        self._buffer.clear()

    def remove(self) -> None:
        os.close(self._fd)
        self._path.unlink(missing_ok=True)


def _write(fd: int, data: bytes | bytearray) -> None:
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.write(fd, view[done:])


async def _in_thread(fn: Callable[..., T], *args: Any) -> T:
    try:
        return await trio.to_thread.run_sync(fn, *args)
    except OSError as error:
        raise Unavailable(f"the scratch folder failed: {error}") from error
