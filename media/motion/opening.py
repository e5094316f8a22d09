"""Opening files of motion that may be hostile: by the demuxer that their first bytes name and no
other, with no way to any other file, and with a bound on everything that is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.errors import MotionRefused
from media.motion.facts import MotionLimits
from media.motion.kinds import AUDIO_CODECS, DEMUXERS, VIDEO_CODECS, Container

P = ParamSpec("P")
T = TypeVar("T")

PROBE_BYTES = 4 * 1024 * 1024  # that FFmpeg may read to find out what the streams are


def refusing(fn: Callable[P, T]) -> Callable[P, T]:
    """Turns whatever a demuxer or a decoder may raise into a refusal: it is not a closed list,
    and what FFmpeg said may quote the file."""

    @wraps(fn)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return fn(*args, **kwargs)
        except MotionRefused:
            raise
        except MemoryError:
            raise MotionRefused("the file needs too much memory") from None
        except Exception:
            raise MotionRefused("the file is broken") from None

    return wrapped


class Opened(NamedTuple):
    """A file with the streams that are used of it."""

    file: InputContainer
    video: VideoStream | None
    audio: AudioStream | None


@contextmanager
def opened(path: Path, container: Container, limits: MotionLimits) -> Iterator[Opened]:
    """Opens a file and holds its header against the limits before a frame is decoded. FFmpeg is
    given the open file, and no protocol by which it could reach another one: not by a playlist,
    not by a reference inside the file."""
    # Of two decoders of one codec either may be asked.
    codecs = VIDEO_CODECS[container] | AUDIO_CODECS[container] | {"libdav1d", "libopus"}
    options = {
        "format_whitelist": DEMUXERS[container],
        "codec_whitelist": ",".join(sorted(codecs)),
        "protocol_whitelist": "none",
        "max_streams": str(limits.max_streams),
        "probesize": str(PROBE_BYTES),
    }
    with (
        path.open("rb") as data,
        av.open(data, "r", format=container.value, options=options) as file,
    ):
        if len(file.streams) > limits.max_streams:
            raise MotionRefused("the file has too many streams")
        yield Opened(file, _video(file, container, limits), _audio(file, container, limits))


def _video(file: InputContainer, container: Container, limits: MotionLimits) -> VideoStream | None:
    # A cover picture is a stream that is no video.
    streams = [one for one in file.streams.video if not one.disposition & _COVER]
    if not streams:
        return None
    stream = streams[0]
    if stream.codec_context is None or stream.codec.canonical_name not in VIDEO_CODECS[container]:
        raise MotionRefused("the video has a codec that is not taken")
    context = stream.codec_context
    if context.width < 2 or context.height < 2:
        raise MotionRefused("the video has no pixels")
    if (
        context.width * context.height > limits.max_pixels
        or max(context.width, context.height) > limits.max_side
    ):
        raise MotionRefused("the video has too many pixels")
    context.options = {"max_pixels": str(limits.max_pixels)}  # also where they grow on the way
    context.thread_count = 1  # the pool runs several processes already
    return stream


def _audio(file: InputContainer, container: Container, limits: MotionLimits) -> AudioStream | None:
    streams = file.streams.audio
    if not streams:
        return None
    for stream in streams:
        context = stream.codec_context
        if context is not None and stream.codec.canonical_name in AUDIO_CODECS[container]:
            if context.channels > limits.max_channels or not 0 < context.sample_rate <= 192_000:
                raise MotionRefused("the sound is none that is taken")
            return stream
    raise MotionRefused("the sound has a codec that is not taken")


_COVER = av.stream.Disposition.attached_pic


def frames_of(
    found: Opened, stream: VideoStream | AudioStream, limits: MotionLimits
) -> Iterator[VideoFrame | AudioFrame]:
    """The decoded frames of a stream, in order. What cannot be decoded ends them: a phone's last
    packets may be damaged, and what was whole before them is still worth showing."""
    decoded = 0
    for packet in found.file.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            if not decoded:
                raise
            continue
        for frame in frames:
            decoded += 1
            if decoded > limits.max_packets:
                raise MotionRefused("the file has too many frames")
            if isinstance(frame, VideoFrame | AudioFrame):
                yield frame
