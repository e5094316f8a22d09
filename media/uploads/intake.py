"""What an upload is: looked into before anybody sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import features

from media import motion
from media.errors import WrongType
from media.images import heif
from media.images import rendering as images
from media.images.sniff import ImageType, sniff
from media.motion import jobs
from media.motion.facts import Probe
from media.motion.kinds import Container, mime_of, sniff_motion
from media.settings import MediaSettings
from media.uploads.incoming import Incoming
from media.workers.pools import Workers
from media.workers.slots import Priority
from store.blobs import BlobStore, put_bytes
from store.records import FileKind, MediaFile, MotionRecord, MotionState, Purpose

MediaType = ImageType | Container


@dataclass(frozen=True, kw_only=True)
class Described:
    """What an object is said to be."""

    mime: str
    width: int = 0
    height: int = 0
    color: str = ""
    thumbhash: bytes = b""
    motion: MotionRecord | None = None
    files: tuple[MediaFile, ...] = ()
    reduced: bytes = b""  # see `media.images.reduced`


_NAMES = {
    ImageType.JPEG: "JPEG",
    ImageType.PNG: "PNG",
    ImageType.WEBP: "WebP",
    ImageType.GIF: "GIF",
    ImageType.AVIF: "AVIF",
    ImageType.HEIF: "HEIF",
}
_DECODERS = {ImageType.JPEG: "jpg", ImageType.PNG: "zlib", ImageType.WEBP: "webp"}
_DECODERS[ImageType.AVIF] = "avif"


def _is_taken(kind: ImageType) -> bool:
    """Whether its decoder is really there, as Pillow was built."""
    if kind is ImageType.HEIF:
        return heif.AVAILABLE
    return kind not in _DECODERS or bool(features.check(_DECODERS[kind]))


TAKEN = tuple(kind for kind in ImageType if _is_taken(kind))


def known_type(begin: bytes) -> MediaType:
    """By the first `SNIFF_BYTES`. Raises `WrongType`."""
    kind = sniff(begin) or sniff_motion(begin)
    if kind is None:
        names = [_NAMES[one] for one in TAKEN]
        raise WrongType(
            f"only {', '.join(names[:-1])} and {names[-1]} images, MP4 and WebM video, and voice "
            "in MP4, WebM and Ogg are taken"
        )
    if isinstance(kind, ImageType) and kind not in TAKEN:
        raise WrongType(f"this server does not take {_NAMES[kind]}: send a JPEG")
    return kind


class Intake:
    """Looks into what has come, in the worker processes."""

    def __init__(self, settings: MediaSettings, blobs: BlobStore, workers: Workers) -> None:
        self._settings = settings
        self._blobs = blobs
        self._workers = workers

    async def describe(self, kind: MediaType, incoming: Incoming, purpose: Purpose) -> Described:
        """Of bytes that are all there. A video's poster is in the blob store when this returns.
        Raises `MediaRefused`, `Busy` or `Unavailable`."""
        if isinstance(kind, Container):
            if purpose is Purpose.AVATAR:
                raise WrongType("this is no picture")
            if not motion.AVAILABLE:
                return Described(mime=mime_of(kind, incoming.begin))
            return await self._motion(kind, await incoming.file())
        file = await incoming.file()
        async with self._workers.decodes.slot(Priority.UPLOAD) as slot:
            found = await slot.run("inspect", images.inspect, file, kind, self._settings.image)
        return Described(
            mime=kind.value,
            width=found.width,
            height=found.height,
            color=found.color,
            thumbhash=found.thumbhash,
            reduced=found.reduced,
        )

    async def _motion(self, kind: Container, file: Path) -> Described:
        limits = self._settings.motion
        async with self._workers.decodes.slot(Priority.UPLOAD) as slot:
            found = await slot.run("probe", jobs.probe, file, kind, limits)
            if not found.poster:
                return Described(mime=found.mime, motion=_record(found))
            still = await slot.run(
                "inspect", images.inspect, found.poster, ImageType.JPEG, self._settings.image
            )
        poster = await put_bytes(self._blobs, found.poster)
        return Described(
            mime=found.mime,
            width=found.width,
            height=found.height,
            color=still.color,
            thumbhash=still.thumbhash,
            motion=_record(found, poster.digest),
            files=(MediaFile(digest=poster.digest, kind=FileKind.POSTER, size=poster.size),),
        )


def _record(found: Probe, poster: bytes = b"") -> MotionRecord:
    return MotionRecord(
        duration_ms=max(1, round(found.seconds * 1000)),
        video_codec=found.video_codec,
        audio_codec=found.audio_codec,
        rotation=found.rotation,
        poster=poster,
        waveform=found.waveform,
        state=MotionState.PREPARING if found.video_codec else MotionState.NONE,
    )
