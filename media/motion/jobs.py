"""What worker processes do with files of motion. A worker imports PyAV at the first job that
needs it; the server never does. All raise `MotionRefused`."""

from __future__ import annotations

from pathlib import Path

from media.images.rendering import ImageLimits
from media.images.sniff import ImageType
from media.motion import AVAILABLE
from media.motion.facts import Encoding, MotionLimits, Probe, Rendition
from media.motion.kinds import Container


def warm() -> None:
    """Imports what the others need, where it is installed."""
    if AVAILABLE:
        from media.motion import clips, hls, probing, voice

        del clips, hls, probing, voice


def probe(path: Path, container: Container, limits: MotionLimits) -> Probe:
    """See `media.motion.probing`."""
    from media.motion import probing

    return probing.probe(path, container, limits)


def picture(
    path: Path, container: Container, shorter: int, encoding: Encoding, limits: MotionLimits
) -> Rendition:
    """See `media.motion.hls.encode_picture`."""
    from media.motion import hls

    return hls.encode_picture(path, container, shorter, encoding, limits)


def sound(path: Path, container: Container, encoding: Encoding, limits: MotionLimits) -> Rendition:
    """See `media.motion.hls.encode_sound`."""
    from media.motion import hls

    return hls.encode_sound(path, container, encoding, limits)


def clip(path: Path, kind: ImageType, form: str, limits: ImageLimits) -> bytes:
    """See `media.motion.clips.encode_clip`."""
    from media.motion import clips

    return clips.encode_clip(path, kind, form, limits)


def preview(path: Path, container: Container, limits: MotionLimits) -> bytes:
    """See `media.motion.clips.encode_preview`."""
    from media.motion import clips

    return clips.encode_preview(path, container, limits)


def voice(path: Path, container: Container, form: str, limits: MotionLimits) -> bytes:
    """See `media.motion.voice.encode_voice`."""
    from media.motion import voice

    return voice.encode_voice(path, container, form, limits)
