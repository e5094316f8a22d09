"""The limit of open files: as high as it may be, and new connections refused before it."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
import trio
from prometheus_client import CollectorRegistry, Counter

from realtime.startup import StartError

log = structlog.get_logger("app")

LEAST = 128  # open files without which there is no point in serving
MOST = 1 << 20  # asked for where the system sets no limit
PAUSE = 0.1  # seconds after the system itself refused a connection
SAY_EVERY = 10.0  # seconds between two warnings of a full server
LINGER = 1.0  # seconds for a client to read that it was refused
LINGERING = 16  # clients who do so at once; more may find the connection reset

REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
    b"Connection: close\r\nContent-Length: 0\r\n\r\n"
)
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


@dataclass(frozen=True)
class FileLimit:
    """How many files the process may open, and how many of those are not for connections:
    blobs, the database, workers, and whoever asks how the server is."""

    files: int
    reserve: int


def raise_file_limit() -> FileLimit:
    """Raises the soft limit to the hard one. Raises `StartError` where that is too low."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(before, MOST) if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    except (OSError, ValueError):
        files = before  # some systems have another limit above this one
    if files < LEAST:
        raise StartError(
            f"only {files} files may be open at once, and {LEAST} are the least: raise the hard "
            "limit (ulimit -Hn)"
        )
    log.info("open files", limit=files, before=before)
    # With what the server has open itself, sessions may be as many as the limit less 500.
    return FileLimit(files, min(files // 4, 400))


class Doors:
    """Decides which accepted connections there are files for."""

    def __init__(self, limit: FileLimit, metrics: CollectorRegistry, lingering: trio.Nursery):
        """`lingering` runs the goodbyes of those refused; it may be cancelled at any time."""
        self._limit = limit
        self._lingering = lingering
        self._refused = Counter(
            "sunwire_refused", "Connections refused for want of open files.", registry=metrics
        )
        self._said = -SAY_EVERY

    def guard(self, listeners: Iterable[trio.SocketListener]) -> list[GuardedListener]:
        """They accept as long as the reserve is untouched."""
        return self._guarded(listeners, self._limit.reserve)

    def guard_ops(self, listeners: Iterable[trio.SocketListener]) -> list[GuardedListener]:
        """They may have half of the reserve: a full server still says that it is."""
        return self._guarded(listeners, self._limit.reserve // 2)

    def _guarded(
        self, listeners: Iterable[trio.SocketListener], reserve: int
    ) -> list[GuardedListener]:
        return [GuardedListener(self, one, self._limit.files - reserve) for one in listeners]

    def full(self, **why: object) -> None:
        """Counts a refusal, and says so now and then."""
        self._refused.inc()
        now = trio.current_time()
        if now - self._said >= SAY_EVERY:
            self._said = now
            log.warning("too many open files", limit=self._limit.files, **why)

    def refuse(self, stream: trio.SocketStream) -> None:
        """Says 503 to whoever speaks HTTP, as all do at first, and closes."""
        self.full()
        if len(self._lingering.child_tasks) >= LINGERING:
            with contextlib.suppress(OSError):
                os.write(stream.socket.fileno(), REFUSAL)  # fits into an empty buffer
            stream.socket.close()
        else:
            self._lingering.start_soon(_goodbye, stream)


async def _goodbye(stream: trio.SocketStream) -> None:
    """Reads what the client sends, for a while: closing with unread bytes would take the
    answer away from it."""
    try:
        with trio.move_on_after(LINGER):
            await stream.send_all(REFUSAL)
            stream.socket.shutdown(socket.SHUT_WR)
            while await stream.receive_some(4096):
                pass
    except (OSError, trio.BrokenResourceError):
        pass
    finally:
        await trio.aclose_forcefully(stream)


class GuardedListener(trio.abc.Listener[trio.SocketStream]):
    """A listener that accepts as long as files are left; it never fails for want of them.

    The system gives each new socket the lowest free number, so the number alone tells how many
    files are open at least.
    """

    def __init__(self, doors: Doors, inner: trio.SocketListener, below: int) -> None:
        self._doors = doors
        self._inner = inner
        self._below = below

    async def accept(self) -> trio.SocketStream:
        while True:
            try:
                stream = await self._inner.accept()
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._doors.full(error=os.strerror(error.errno))
                await trio.sleep(PAUSE)
                continue
            if stream.socket.fileno() < self._below:
                return stream
            self._doors.refuse(stream)

    async def aclose(self) -> None:
        await self._inner.aclose()
