"""Variants of photographs: from the disk cache, or converted once however many ask."""

from __future__ import annotations

from importlib.metadata import version

from media import images, presets
from media.cache import Cached, DiskCache
from media.errors import Failed, MediaRefused
from media.flights import Flights
from media.images import ImageLimits
from media.locks import FileLocks
from media.metrics import MediaMetrics
from media.slots import Priority
from media.sniff import SNIFF_BYTES, sniff
from media.workers import Workers
from store.blobs import BlobStore, read
from store.records import MediaRecord

ENCODER = f"{presets.VERSION}.{version('pillow')}"
"""Variants made by another version are made anew: then their bytes may differ."""


class Variants:
    """Gives every preset of every stored photograph."""

    def __init__(
        self,
        blobs: BlobStore,
        cache: DiskCache,
        workers: Workers,
        limits: ImageLimits,
        flights: Flights[str, Cached],
        locks: FileLocks,
        metrics: MediaMetrics,
    ) -> None:
        self._blobs = blobs
        self._cache = cache
        self._workers = workers
        self._limits = limits
        self._flights = flights
        self._locks = locks
        self._metrics = metrics

    async def get(self, media: MediaRecord, preset: str, ext: str) -> Cached:
        """Raises `Busy`, `MediaRefused` or the blob store's errors."""
        # By content, not by object: the same photograph is converted once for all its owners.
        key = f"{media.blob_hash.hex()}-{preset}.{ext}-{ENCODER}"
        found = await self._cache.get(key)
        if found is not None:
            self._metrics.variants.labels("hit").inc()
            return found
        if key in self._flights:
            self._metrics.variants.labels("joined").inc()

        async def encode() -> Cached:
            async with self._locks.hold(key):
                return await self._encode(media.blob_hash, preset, ext, key)

        return await self._flights.join(key, encode)

    async def _encode(self, digest: bytes, preset: str, ext: str, key: str) -> Cached:
        # Another run may have ended between the look into the cache and the start of this one,
        # here or in another process.
        found = await self._cache.get(key)
        if found is not None:
            self._metrics.variants.labels("hit").inc()
            return found
        self._metrics.variants.labels("encoded").inc()
        async with self._workers.encodes.slot(Priority.VIEWER) as slot:
            data = await read(self._blobs, digest)
            kind = sniff(data[:SNIFF_BYTES])
            if kind is None:
                raise Failed("a stored object is no image")
            try:
                encoded = await slot.run(
                    "render", images.render, data, kind, presets.PRESETS[preset], ext, self._limits
                )
            except MediaRefused:
                self._metrics.refusals.labels("IMAGE_REFUSED").inc()
                raise
        return await self._cache.put(key, encoded)
