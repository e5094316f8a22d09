"""Renditions of a video for HLS: one rung of the picture, or its sound, as fragmented MP4."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from media.errors import MotionRefused
from media.motion.facts import Encoding, MotionLimits, Rendition
from media.motion.kinds import Container
from media.motion.opening import Opened, frames_of, opened, refusing
from media.motion.picture import Upright, fitted, rotation_of, shown_size
from media.motion.playlists import AAC_CODEC, avc_codec, split
from media.motion.voice import RATE, sound_of
from media.motion.writing import TICK, add_video

_FRAGMENTED = "delay_moov+default_base_moof+skip_trailer"


class _Sink:
    """What cannot be gone back in, as a muxer sees it; no file of a worker's."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def timed_frames(
    found: Opened, stream: VideoStream, limits: MotionLimits, max_rate: float
) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Frames with their times from the first on, in seconds, each later than the one before; those
    past a rate are left out; one that is early by a quarter of the interval is not."""
    begin: Fraction | None = None
    due = Fraction(0)
    step = 1 / Fraction(max_rate)
    for frame in frames_of(found, stream, limits):
        assert isinstance(frame, VideoFrame)
        if frame.pts is None or frame.time_base is None:
            continue
        at = frame.pts * frame.time_base
        begin = at if begin is None else begin
        at -= begin
        if at < due - step / 4:
            continue
        if at > limits.max_seconds:
            return
        due = max(due + step, at + step * 3 / 4)
        yield frame, at


@refusing
def encode_picture(
    path: Path, container: Container, shorter: int, encoding: Encoding, limits: MotionLimits
) -> Rendition:
    """The picture with its shorter side at most so many pixels: H.264, upright, each segment
    begun by a frame that needs no other, at the same times on every rung."""
    sink = _Sink()
    options = {"movflags": f"frag_keyframe+{_FRAGMENTED}"}
    with (
        opened(path, container, limits) as found,
        av.open(sink, "w", format="mp4", options=options) as made,
    ):
        if found.video is None:
            raise MotionRefused("the file has no picture")
        stream: VideoStream | None = None
        upright: Upright | None = None
        end = Fraction(0)
        frames, segment = 0, -1
        for frame, at in timed_frames(found, found.video, limits, encoding.max_rate):
            if stream is None or upright is None:
                rotation = rotation_of(frame)
                size = fitted(shown_size(found.video, rotation), shorter)
                upright = Upright(size, rotation)
                stream = add_video(made, "libx264", size, options_of(encoding))
            turned = upright(frame)
            turned.pts, turned.time_base = round(at / TICK), TICK
            whole = int(at / Fraction(encoding.segment_seconds))
            turned.pict_type = PictureType.I if whole > segment else PictureType.NONE
            segment = max(segment, whole)
            made.mux(stream.encode(turned))
            last, end, frames = end, at, frames + 1
        if stream is None or not frames:
            raise MotionRefused("the video has no frame")
        made.mux(stream.encode(None))
        width, height = stream.width, stream.height
    seconds = float(end + (end - last if frames > 1 else Fraction(1, 30)))
    init, segments = split(bytes(sink.data), seconds)
    rate = frames / seconds
    return Rendition(init, segments, avc_codec(init), width, height, rate)


def options_of(encoding: Encoding) -> dict[str, str]:
    """For x264."""
    return {
        "preset": encoding.preset,
        "crf": str(encoding.crf),
        # Frames that begin a segment are asked for one by one, and there are no others.
        "forced-idr": "1",
        "x264-params": "scenecut=0:keyint=infinite",
    }


@refusing
def encode_sound(
    path: Path, container: Container, encoding: Encoding, limits: MotionLimits
) -> Rendition:
    """The sound of a video: AAC in two channels."""
    sink = _Sink()
    options = {
        "movflags": _FRAGMENTED,
        "frag_duration": str(round(encoding.segment_seconds * 1_000_000)),
    }
    with (
        opened(path, container, limits) as found,
        av.open(sink, "w", format="mp4", options=options) as made,
    ):
        if found.audio is None:
            raise MotionRefused("the file has no sound")
        stream = made.add_stream("aac", rate=RATE)
        assert isinstance(stream, AudioStream)
        stream.layout = "stereo"
        stream.bit_rate = encoding.audio_bit_rate
        stream.codec_context.thread_count = 1
        samples = 0
        late = _late(found, limits)
        for frame in sound_of(found, limits, stream.format.name, RATE, "stereo", late=late):
            samples += frame.samples
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    init, segments = split(bytes(sink.data), samples / RATE)
    return Rendition(init, segments, AAC_CODEC)


def _late(found: Opened, limits: MotionLimits) -> float:
    """How many seconds after the picture the sound begins."""
    starts = [
        one.start_time * one.time_base
        for one in (found.audio, found.video)
        if one is not None and one.start_time is not None and one.time_base is not None
    ]
    if len(starts) < 2:
        return 0.0
    return max(-limits.max_seconds, min(limits.max_seconds, float(starts[0] - starts[1])))
