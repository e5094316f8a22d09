"""One holder at a time among all processes of this machine.

For work that would otherwise be done twice, not for correctness: where the lock cannot be had,
because its disk fails or its holder neither ends nor dies, the work is done all the same.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
import trio

log = structlog.get_logger("media")

FIRST_LOOK, LONGEST_LOOK = 0.01, 0.2  # seconds between two looks at a lock that another has


class FileLocks:
    """Locks by name: files in a folder, locked by `flock`. The system frees the lock of a
    process that dies, however it does."""

    def __init__(self, folder: Path, *, patience: float = 60.0) -> None:
        """`patience` is in seconds: longer than any work that is done under a lock."""
        self._folder = folder
        self._patience = patience
        self._limiter = trio.CapacityLimiter(4)

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Waits for whoever has it. `name` must be fit for a file's."""
        path = self._folder / name
        fd = None
        with trio.move_on_after(self._patience):
            fd = await self._acquire(path)
        try:
            yield
        finally:
            if fd is not None:
                with suppress(OSError):
                    path.unlink()
                os.close(fd)

    async def _acquire(self, path: Path) -> int | None:
        pause = FIRST_LOOK
        while True:
            try:
                # A few system calls: cancelled or not, the file that is opened is closed.
                with trio.CancelScope(shield=True):
                    fd = await trio.to_thread.run_sync(_try, path, limiter=self._limiter)
            except OSError as error:
                log.info("media locks fail", folder=str(self._folder), error=str(error))
                return None
            if fd is not None:
                return fd
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_LOOK)


def _try(path: Path) -> int | None:
    """The locked file; None where another process, or another task, has it locked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(fd).st_ino:
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except FileNotFoundError:
            pass
        except OSError:
            os.close(fd)
            raise
        os.close(fd)  # it was removed by its holder, after we had opened it
