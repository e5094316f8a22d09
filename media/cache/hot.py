"""What is asked for most, in memory: neither a thread nor a disk is needed for it."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import trio

from media.cache.disks import Cached
from media.metrics import MediaMetrics

LARGEST = 256 * 1024  # bytes of an entry; a larger one gains little
MOST = 1 / 4  # of all that may be kept, for one entry
SECONDS = 600.0  # then it is read from its disk again, which learns so that it is still used


class _Entry(NamedTuple):
    content: Cached
    until: float


class Hot:
    """Small entries, up to `max_bytes` of their contents; past that the least recently used go."""

    def __init__(self, max_bytes: int, metrics: MediaMetrics) -> None:
        self._max_bytes = max_bytes
        self._largest = min(LARGEST, int(max_bytes * MOST))
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # least recently used first
        self._bytes = 0
        metrics.hot_bytes.set_function(lambda: self._bytes)

    def get(self, key: str) -> Cached | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if trio.current_time() > entry.until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.content

    def put(self, key: str, content: Cached) -> None:
        size = len(content.data)
        if size > self._largest:
            return
        if key in self._entries:
            self._drop(key)
        self._entries[key] = _Entry(content, trio.current_time() + SECONDS)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        self._bytes -= len(self._entries.pop(key).content.data)
