"""What jobs on motion are given and what they answer: plain values, without PyAV."""

from __future__ import annotations

import math
from typing import NamedTuple


class MotionLimits(NamedTuple):
    """What a file may ask of a demuxer and of the decoders."""

    max_seconds: float = 180.0  # of a video
    max_voice_seconds: float = 900.0
    max_pixels: int = 9_500_000  # a frame: 4K and a little
    max_side: int = 4_200
    max_frames: int = 45_000  # three minutes of slow motion
    max_packets: int = 200_000
    max_streams: int = 16  # phones write a few of data beside picture and sound
    max_channels: int = 8


class Encoding(NamedTuple):
    """How video is encoded. Sizes are of the shorter side, in pixels."""

    rungs: tuple[int, ...] = (360, 720, 1080)
    preset: str = "veryfast"  # x264's
    crf: int = 24
    segment_seconds: float = 4.0
    max_rate: float = 30.0  # frames a second
    audio_bit_rate: int = 128_000


class Probe(NamedTuple):
    """What is known of a file of motion whose packets were all read."""

    mime: str
    seconds: float
    width: int  # pixels, as it is shown: rotation and pixel shape applied; 0 for sound
    height: int
    rotation: int  # degrees clockwise that the camera asks for: 0, 90, 180 or 270
    frame_rate: float  # frames a second on average; 0 for sound
    video_codec: str  # "" for sound
    audio_codec: str  # "" where there is none
    poster: bytes  # a JPEG of the first frame, upright; empty for sound
    waveform: bytes  # of sound alone: `PEAKS` loudest values, 0 to 255


PEAKS = 64


class Segment(NamedTuple):
    data: bytes
    seconds: float


class Rendition(NamedTuple):
    """One rung of a ladder, or its sound: an initialization section and segments behind it."""

    init: bytes
    segments: tuple[Segment, ...]
    codecs: str  # as RFC 6381 writes them
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0

    @property
    def peak(self) -> int:
        """Bits a second of the segment with the most."""
        return max(math.ceil(len(one.data) * 8 / one.seconds) for one in self.segments)

    @property
    def average(self) -> int:
        bits = sum(len(one.data) * 8 for one in self.segments)
        return math.ceil(bits / sum(one.seconds for one in self.segments))
