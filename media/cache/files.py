"""Converted images on disks. A cache may lose anything at any time: every failure is a miss."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import trio

from media.cache.disks import Cached, CacheDisk
from media.cache.hot import Hot
from media.metrics import MediaMetrics

__all__ = ["Cached", "DiskCache", "preference"]

SHARE_SECONDS = 300.0  # between two looks at the room that the disks have


def preference(key: str, weights: dict[str, int]) -> list[str]:
    """The names of the weights, the one where `key` belongs first (pure).

    Weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): keys spread in proportion
    to the weights, and when a weight changes or one goes, no keys move but those that must.
    """

    def score(name: str) -> float:
        digest = hashlib.blake2b(f"{name}\0{key}".encode(), digest_size=8).digest()
        uniform = (int.from_bytes(digest) + 1) / (2**64 + 1)  # above 0, below 1
        return -weights[name] / math.log(uniform) if weights[name] > 0 else 0.0

    return sorted(weights, key=score, reverse=True)


class DiskCache:
    """What was put, if it is still there; `max_bytes` in all folders together.

    A key has its place on one of the disks, which get shares by the room that they have. Where
    that disk fails, the next one takes it. Nothing is raised.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        metrics: MediaMetrics,
        *,
        max_bytes: int,
        hot_bytes: int = 0,
    ) -> None:
        """Up to `hot_bytes` of what is used most are kept in memory, too."""
        if not roots:
            raise ValueError("a cache needs a folder")
        self._hot = Hot(hot_bytes, metrics)
        self._disks = {str(root): CacheDisk(root, metrics) for root in roots}
        self._weights = dict.fromkeys(self._disks, 1)
        self._max_bytes = max_bytes

    async def open(self) -> None:
        """Finds what an earlier process has left, and shares the room out."""
        for disk in self._disks.values():
            await disk.open()
        await self.share_out()

    async def keep_sharing_out(self) -> None:
        """For ever: disks fill, fail, and come back."""
        while True:
            await trio.sleep(SHARE_SECONDS)
            await self.share_out()

    async def share_out(self) -> None:
        """Gives each disk its part of `max_bytes`, by the room that it has; none to one that
        fails."""
        for name, disk in self._disks.items():
            # Room for more than all counts for nothing: large disks get equal parts.
            self._weights[name] = min(await disk.room(), self._max_bytes)
        total = sum(self._weights.values()) or 1
        for name, disk in self._disks.items():
            disk.max_bytes = self._max_bytes * self._weights[name] // total
            if self._weights[name]:
                await disk.shrink(disk.max_bytes)

    def get_nowait(self, key: str) -> Cached | None:
        """What is in memory."""
        found = self._hot.get(key)
        if found is not None and (disk := self._holding(key)) is not None:
            disk.touch(key)
        return found

    async def get(self, key: str) -> Cached | None:
        """From memory, or by one read: of the disk that is known to have it, else of that where
        it belongs."""
        found = self.get_nowait(key)
        if found is None:
            found = await (self._holding(key) or self._order(key)[0]).get(key)
            if found is not None:
                self._hot.put(key, found)
        return found

    def _holding(self, key: str) -> CacheDisk | None:
        return next((disk for disk in self._disks.values() if key in disk), None)

    async def put(self, key: str, data: bytes) -> Cached:
        """Keeps the content if it can, and answers with it in any case."""
        content = Cached(data, hashlib.sha256(data).digest())
        self._hot.put(key, content)
        for disk in self._order(key)[:2]:
            if await disk.put(key, content):
                break
        return content

    def _order(self, key: str) -> list[CacheDisk]:
        return [self._disks[name] for name in preference(key, self._weights)]
