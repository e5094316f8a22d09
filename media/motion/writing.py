"""Writing what was encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

TICK = Fraction(1, 90_000)
"""Seconds: in these the times of frames are written."""

INDEX = 4096  # bytes that the index of an MP4 takes, and
INDEX_OF_PACKET = 40  # at most for each packet


def add_video(
    made: OutputContainer, encoder: str, size: tuple[int, int], options: Mapping[str, str]
) -> VideoStream:
    """A stream for frames of an even size in yuv420p, whose times are in ticks. One thread: the
    pool runs several processes already."""
    stream = made.add_stream(encoder, rate=30, options=dict(options))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.thread_count = 1
    context = stream.codec_context  # as `media.motion.picture.Upright` writes colours
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    stream.time_base = stream.codec_context.time_base = TICK
    return stream


def mux_indexed(made: OutputContainer, packets: Sequence[Packet[Any]]) -> None:
    """Writes all packets of an MP4 with its index before them, so that it plays before all of it
    has come. Nothing may have been written before."""
    made.options["moov_size"] = str(INDEX + INDEX_OF_PACKET * len(packets))
    made.mux(packets)
