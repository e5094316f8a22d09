"""One folder of the cache. A cache may lose anything at any time: every failure is a miss.

An entry is a file: magic, SHA-256 of the content, content. What does not match is a miss too,
so a crash needs no repair and nothing is synced.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import structlog
import trio

from media.metrics import MediaMetrics

T = TypeVar("T")

log = structlog.get_logger("media")

_MAGIC = b"SWCACHE1"
_HEAD = len(_MAGIC) + 32
_KEY = re.compile(r"[0-9a-z][0-9a-z.-]{3,199}")
_TEMPORARY = ".tmp"

PATIENCE = 2.0  # seconds that a disk has for one file; a request waits no longer for it
ABANDONED_SECONDS = 60  # after which a file that is not finished is nobody's
REST = 10.0  # seconds for which a disk that failed is not asked again


class Cached(NamedTuple):
    data: bytes
    digest: bytes  # SHA-256


class _Failed(Exception):
    """The disk; nothing is known of the entry."""


class CacheDisk:
    """Files in one folder, up to `max_bytes` in all; past that the least recently used go.

    Nothing is raised: a disk that fails, is full, cannot be written, or hangs, is one that
    misses, and is left alone for a while. Several processes may share the folder; each then
    evicts by what it has seen of it. Reads have threads of their own, so that a hit waits
    behind no write, and behind no other disk.
    """

    def __init__(
        self, root: Path, metrics: MediaMetrics, *, threads: int = 4, patience: float = PATIENCE
    ) -> None:
        self.root = root
        self._patience = patience
        self.max_bytes = 0  # set by whoever shares the room out
        self._metrics = metrics
        self._reads = trio.CapacityLimiter(threads)
        self._writes = trio.CapacityLimiter(threads)
        self._sizes: OrderedDict[str, int] = OrderedDict()  # least recently used first
        self._bytes = 0
        self._rests_until = float("-inf")
        self._gauge = metrics.cache_bytes.labels(str(root))

    def __contains__(self, key: str) -> bool:
        """Whether it was put here, or found at the start, and the disk is not at rest."""
        return key in self._sizes and not self._rests

    @property
    def _rests(self) -> bool:
        return trio.current_time() < self._rests_until

    async def open(self) -> None:
        """Finds what an earlier process has left, and drops what nobody will finish any more."""
        with suppress(_Failed):
            for key, size in await self._run(self._scan, self._writes, patience=float("inf")):
                self._note(key, size)

    async def room(self) -> int:
        """How many bytes the cache could have here: what is free and what it has already; 0
        when the disk fails."""
        try:
            return self._bytes + await self._run(self._free, self._writes)
        except _Failed:
            return 0

    def _free(self) -> int:
        self.root.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self.root).free

    def _scan(self) -> list[tuple[str, int]]:
        self.root.mkdir(parents=True, exist_ok=True)
        found = []
        before = time.time() - ABANDONED_SECONDS
        with os.scandir(self.root) as entries:
            for entry in entries:
                # Other processes finish files, and evict, meanwhile.
                with suppress(FileNotFoundError):
                    if entry.name.endswith(_TEMPORARY):
                        if entry.stat().st_mtime < before:
                            os.unlink(entry.path)
                    elif _KEY.fullmatch(entry.name):
                        stat = entry.stat()
                        found.append((stat.st_mtime_ns, entry.name, stat.st_size))
        return [(name, size) for _, name, size in sorted(found)]

    async def get(self, key: str) -> Cached | None:
        try:
            content = await self._run(self._read, self._reads, self._path(key))
        except _Failed:
            return None
        if content is None:
            self._forget(key)
        else:
            self._note(key, _HEAD + len(content.data))
        return content

    @staticmethod
    def _read(path: Path) -> Cached | None:
        try:
            with path.open("rb") as file:
                raw = file.read()
                try:
                    os.utime(file.fileno())  # how recency outlives the process
                except OSError:  # read-only by now
                    pass
        except FileNotFoundError:
            return None
        digest, data = raw[len(_MAGIC) : _HEAD], raw[_HEAD:]
        if not raw.startswith(_MAGIC) or hashlib.sha256(data).digest() != digest:
            path.unlink(missing_ok=True)
            return None
        return Cached(data, digest)

    async def put(self, key: str, content: Cached) -> bool:
        """Whether it was kept."""
        size = _HEAD + len(content.data)
        if size > self.max_bytes:
            return False
        try:
            await self._run(self._write, self._writes, self._path(key), content)
        except _Failed:
            return False
        self._note(key, size)
        await self.shrink(self.max_bytes)
        return True

    def _write(self, path: Path, content: Cached) -> None:
        temporary = path.with_name(f"{secrets.token_hex(8)}{_TEMPORARY}")
        self.root.mkdir(parents=True, exist_ok=True)  # somebody may have emptied the cache
        try:
            with temporary.open("xb") as file:
                file.write(_MAGIC + content.digest)
                file.write(content.data)
            os.rename(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    async def shrink(self, to: int) -> None:
        """Drops the least recently used until at most so many bytes are left."""
        while self._bytes > to and self._sizes:
            key = next(iter(self._sizes))
            try:
                await self._run(self._path(key).unlink, self._writes, True)
            except _Failed:
                return
            self._forget(key)
            self._metrics.cache_evictions.inc()

    def touch(self, key: str) -> None:
        """Counts as a use of what is here, without reading it."""
        self._sizes.move_to_end(key)

    def _note(self, key: str, size: int) -> None:
        self._bytes += size - self._sizes.pop(key, 0)
        self._sizes[key] = size
        self._gauge.set(self._bytes)

    def _forget(self, key: str) -> None:
        self._bytes -= self._sizes.pop(key, 0)
        self._gauge.set(self._bytes)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"not a key: {key!r}")
        return self.root / key

    async def _run(
        self,
        fn: Callable[..., T],
        limiter: trio.CapacityLimiter,
        *args: Any,
        patience: float | None = None,
    ) -> T:
        """Raises `_Failed` where the disk fails, or has just before."""
        if self._rests:
            raise _Failed
        try:
            with trio.fail_after(self._patience if patience is None else patience):
                return await trio.to_thread.run_sync(
                    fn, *args, limiter=limiter, abandon_on_cancel=True
                )
        except trio.TooSlowError:
            self._failed("it does not answer")
        except OSError as error:
            self._failed(str(error))
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                # Others have filled the disk. What is least used makes room for what comes.
                self._rests_until = float("-inf")
                await self.shrink(self._bytes * 9 // 10)
        raise _Failed

    def _failed(self, why: str) -> None:
        self._metrics.cache_failures.inc()
        self._rests_until = trio.current_time() + REST
        log.warning("media cache fails", folder=str(self.root), error=why)
