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

ABANDONED_SECONDS = 3600  # longer than any job; by the file's own time


class Scratch:
    """A folder, which several processes may share. Raises `Unavailable` when the disk fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()  # a worker may be elsewhere

    @asynccontextmanager
    async def file(self, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[Path]:
        """A file of these bytes, gone with the context."""
        path = self._folder / secrets.token_hex(16)
        fd = await _in_thread(self._create, path)
        try:
            try:
                async with aclosing(pieces):
                    async for piece in pieces:
                        await _in_thread(_write, fd, piece)
            finally:
                os.close(fd)
            yield path
        finally:
            with trio.CancelScope(shield=True):
                await _in_thread(path.unlink, True)

    def _create(self, path: Path) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

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


def _write(fd: int, data: bytes) -> None:
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.write(fd, view[done:])


async def _in_thread(fn: Callable[..., T], *args: Any) -> T:
    try:
        return await trio.to_thread.run_sync(fn, *args)
    except OSError as error:
        raise Unavailable(f"the scratch folder failed: {error}") from error
