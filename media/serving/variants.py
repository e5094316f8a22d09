"""Variants of photographs: from the disk cache, or converted once however many ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version

from media import motion
from media.cache.files import Cached, DiskCache
from media.cache.flights import Flights
from media.cache.locks import FileLocks
from media.errors import Failed, MediaRefused, Missing
from media.images import presets, reduced
from media.images import rendering as images
from media.images.options import Options
from media.images.rendering import ImageLimits
from media.images.sniff import SNIFF_BYTES, sniff
from media.metrics import MediaMetrics
from media.motion import forms, jobs
from media.motion.facts import MotionLimits
from media.motion.kinds import sniff_motion
from media.serving import stored
from media.workers.pools import Workers
from media.workers.scratch import Scratch
from media.workers.slots import Priority
from store.blobs import BlobStore, read
from store.records import MediaRecord

ENCODER = f"{presets.VERSION}.{version('pillow')}"
"""Variants made by another version are made anew: then their bytes may differ."""


class Variants:
    """Gives every variant of every stored photograph."""

    def __init__(
        self,
        blobs: BlobStore,
        cache: DiskCache,
        workers: Workers,
        limits: ImageLimits,
        flights: Flights[str, Cached],
        locks: FileLocks,
        metrics: MediaMetrics,
        scratch: Scratch,
        motion_limits: MotionLimits,
    ) -> None:
        self._blobs = blobs
        self._cache = cache
        self._workers = workers
        self._limits = limits
        self._flights = flights
        self._locks = locks
        self._metrics = metrics
        self._scratch = scratch
        self._motion = motion_limits
        self._from_memory = metrics.variants.labels("memory")

    async def get(self, media: MediaRecord, options: Options, ext: str) -> Cached:
        """Raises `Busy`, `MediaRefused` or the blob store's errors."""
        # By content, not by object: the same photograph is converted once for all its owners.
        still = media.still
        if not still:
            raise Missing("it has no picture")

        async def render() -> bytes:
            return await self._render(media, still, options, ext)

        spelled = str(options).replace(",", ".")  # which no option contains
        return await self._made(f"{still.hex()}-{spelled}.{ext}-{ENCODER}", render)

    async def keep_reduced(self, digest: bytes, data: bytes) -> None:
        """Keeps the reduced copy of an original, if it can."""
        await self._cache.put(_reduced_key(digest), data)

    async def form(self, media: MediaRecord, name: str) -> Cached:
        """One of `media.motion.forms.FORMS`. Raises `Missing` where it has none of that name, and
        what `get` does."""
        source, word = media.blob_hash, name.partition(".")[0]
        if not motion.AVAILABLE or (word == "motion") != media.mime.startswith("image/"):
            raise Missing("it has no such form")
        if word != "motion" and (media.motion is None or (word == "voice") == bool(media.still)):
            raise Missing("it has no such form")

        async def convert() -> bytes:
            return await self._convert(source, name)

        return await self._made(f"{source.hex()}-{name}-{forms.VERSION}", convert)

    async def _made(self, key: str, make: Callable[[], Awaitable[bytes]]) -> Cached:
        found = self._cache.get_nowait(key)
        if found is not None:
            self._from_memory.inc()
            return found
        found = await self._cache.get(key)
        if found is not None:
            self._metrics.variants.labels("hit").inc()
            return found
        if key in self._flights:
            self._metrics.variants.labels("joined").inc()

        async def encode() -> Cached:
            async with self._locks.hold(key):
                return await self._encode(key, make)

        return await self._flights.join(key, encode)

    async def _encode(self, key: str, make: Callable[[], Awaitable[bytes]]) -> Cached:
        # Another run may have ended between the look into the cache and the start of this one,
        # here or in another process.
        found = await self._cache.get(key)
        if found is not None:
            self._metrics.variants.labels("hit").inc()
            return found
        self._metrics.variants.labels("encoded").inc()
        try:
            return await self._cache.put(key, await make())
        except MediaRefused as error:
            self._metrics.refusals.labels(error.code).inc()
            raise

    async def _render(self, media: MediaRecord, digest: bytes, options: Options, ext: str) -> bytes:
        size = (media.width, media.height)
        if media.motion is None and reduced.serves(options, *size):
            copy = await self._cache.get(_reduced_key(digest))
            if copy is not None:
                self._metrics.sources.labels("reduced").inc()
                async with self._workers.encodes.slot(Priority.VIEWER) as slot:
                    return await slot.run(
                        "render",
                        images.render_reduced,
                        copy.data,
                        size,
                        options,
                        ext,
                        self._limits,
                    )
        self._metrics.sources.labels("original").inc()
        path = self._blobs.file(digest)
        async with self._workers.encodes.slot(Priority.VIEWER) as slot:
            if path is not None:
                made = await slot.run(
                    "render", stored.render, path, digest, options, ext, self._limits
                )
                if made is not None:
                    return made
            data = await read(self._blobs, digest)
            kind = sniff(data[:SNIFF_BYTES])
            if kind is None:
                raise Failed("a stored object is no image")
            return await slot.run("render", images.render, data, kind, options, ext, self._limits)

    async def _convert(self, digest: bytes, name: str) -> bytes:
        word, _, ext = name.partition(".")
        async with (
            self._workers.encodes.slot(Priority.VIEWER) as slot,
            self._blobs.open(digest) as blob,
            self._scratch.file(blob.chunks()) as path,
        ):
            with path.open("rb") as file:
                begin = file.read(SNIFF_BYTES)
            image, container = sniff(begin), sniff_motion(begin)
            if word == "motion" and image is not None:
                return await slot.run("clip", jobs.clip, path, image, ext, self._limits)
            if container is None:
                raise Failed("a stored object is of another type")
            if word == "preview":
                return await slot.run("preview", jobs.preview, path, container, self._motion)
            return await slot.run("voice", jobs.voice, path, container, ext, self._motion)


def _reduced_key(digest: bytes) -> str:
    return f"{digest.hex()}-reduced-{reduced.VERSION}"
