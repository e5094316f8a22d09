"""Converted images on disk. A cache may lose anything at any time: every failure is a miss.

An entry is a file: magic, SHA-256 of the content, content. What does not match is a miss too,
so a crash needs no repair and nothing is synced.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
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


class Cached(NamedTuple):
    data: bytes
    digest: bytes  # SHA-256


class DiskCache:
    """Files in `root`, up to `max_bytes` in all; past that the least recently used go.

    Nothing is raised: a disk that fails is a cache that misses. Several processes may share
    the folder; each then evicts by what it has seen of it. Reads and writes have threads of
    their own, so that a hit never waits behind a conversion.
    """

    def __init__(
        self, root: Path, metrics: MediaMetrics, *, max_bytes: int, threads: int = 4
    ) -> None:
        self._root = root
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._limiter = trio.CapacityLimiter(threads)
        self._sizes: OrderedDict[str, int] = OrderedDict()  # least recently used first
        self._bytes = 0
        self._failing = False

    async def open(self) -> None:
        """Finds what an earlier process has left, and drops its unfinished files."""
        for key, size in await self._run(self._scan) or []:
            self._note(key, size)
        await self._evict()

    def _scan(self) -> list[tuple[str, int]]:
        self._root.mkdir(parents=True, exist_ok=True)
        found = []
        with os.scandir(self._root) as entries:
            for entry in entries:
                if entry.name.endswith(_TEMPORARY):
                    os.unlink(entry.path)
                elif _KEY.fullmatch(entry.name):
                    stat = entry.stat()
                    found.append((stat.st_mtime_ns, entry.name, stat.st_size))
        return [(name, size) for _, name, size in sorted(found)]

    async def get(self, key: str) -> Cached | None:
        content = await self._run(self._read, self._path(key))
        if content is None:
            self._forget(key)
            return None
        self._note(key, _HEAD + len(content.data))
        return content

    @staticmethod
    def _read(path: Path) -> Cached | None:
        try:
            with path.open("rb") as file:
                raw = file.read()
                os.utime(file.fileno())  # how recency outlives the process
        except FileNotFoundError:
            return None
        digest, data = raw[len(_MAGIC) : _HEAD], raw[_HEAD:]
        if not raw.startswith(_MAGIC) or hashlib.sha256(data).digest() != digest:
            path.unlink(missing_ok=True)
            return None
        return Cached(data, digest)

    async def put(self, key: str, data: bytes) -> Cached:
        """Keeps the content if it can, and answers with it in any case."""
        content = Cached(data, hashlib.sha256(data).digest())
        if await self._run(self._write, self._path(key), content) is not None:
            self._note(key, _HEAD + len(data))
            await self._evict()
        return content

    @staticmethod
    def _write(path: Path, content: Cached) -> bool:
        temporary = path.with_name(f"{secrets.token_hex(8)}{_TEMPORARY}")
        try:
            temporary.write_bytes(_MAGIC + content.digest + content.data)
            os.rename(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return True

    async def _evict(self) -> None:
        while self._bytes > self._max_bytes and self._sizes:
            key = next(iter(self._sizes))
            self._forget(key)
            await self._run(self._path(key).unlink, True)

    def _note(self, key: str, size: int) -> None:
        self._bytes += size - self._sizes.pop(key, 0)
        self._sizes[key] = size
        self._metrics.cache_bytes.set(self._bytes)

    def _forget(self, key: str) -> None:
        self._bytes -= self._sizes.pop(key, 0)
        self._metrics.cache_bytes.set(self._bytes)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"not a key: {key!r}")
        return self._root / key

    async def _run(self, fn: Callable[..., T], *args: Any) -> T | None:
        """The result, or None where the disk failed."""
        try:
            result = await trio.to_thread.run_sync(fn, *args, limiter=self._limiter)
        except OSError as error:
            self._metrics.cache_failures.inc()
            if not self._failing:  # once, not for every request of a dead disk
                log.warning("media cache fails", folder=str(self._root), error=str(error))
            self._failing = True
            return None
        self._failing = False
        return result
