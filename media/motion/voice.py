"""Voice messages: how loud they are, and as sound that every client plays."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.packet import Packet

from media.errors import MotionRefused
from media.motion.facts import PEAKS, MotionLimits
from media.motion.kinds import Container
from media.motion.opening import Opened, frames_of, opened, refusing
from media.motion.writing import mux_indexed

LOOK_RATE = 8000  # samples a second that a waveform is made of
STEP = 80  # samples of which the loudest is kept: 10 ms

TOLERANCE = 0.05  # seconds that sound may be away from its time

# (FFmpeg's muxer, encoder, bits a second)
FORMS = {"ogg": ("ogg", "libopus", 32_000), "m4a": ("ipod", "aac", 48_000)}
RATE = 48_000


def waveform_of(found: Opened, limits: MotionLimits) -> bytes:
    """`PEAKS` values from 0 to 255: the loudest of each part, as a share of full scale."""
    steps: list[int] = []
    rest = array("h")
    for frame in sound_of(found, limits, "s16", LOOK_RATE):
        rest.frombytes(bytes(frame.planes[0])[: frame.samples * 2])
        whole = len(rest) // STEP * STEP
        for at in range(0, whole, STEP):
            part = rest[at : at + STEP]
            steps.append(max(max(part), -min(part)))
        del rest[:whole]
    if rest:
        steps.append(max(max(rest), -min(rest)))
    return peaks(steps)


def peaks(steps: list[int]) -> bytes:
    """The loudest of each of `PEAKS` equal parts of values from 0 to 32768 (pure)."""
    if not steps:
        return bytes(PEAKS)
    edges = [len(steps) * one // PEAKS for one in range(PEAKS + 1)]
    return bytes(
        min(255, max(steps[begin : max(end, begin + 1)]) >> 7) for begin, end in pairwise(edges)
    )


@refusing
def encode_voice(path: Path, container: Container, form: str, limits: MotionLimits) -> bytes:
    """The sound of a file in one channel, as Opus in Ogg (`ogg`) or AAC in MP4 (`m4a`), without
    what the recorder wrote into it."""
    muxer, encoder, bit_rate = FORMS[form]
    out = BytesIO()
    with opened(path, container, limits) as found:
        if found.audio is None:
            raise MotionRefused("the file has no sound")
        with av.open(out, "w", format=muxer) as made:
            stream = made.add_stream(encoder, rate=RATE)
            assert isinstance(stream, av.AudioStream)
            stream.layout = "mono"
            stream.bit_rate = bit_rate
            stream.codec_context.thread_count = 1
            packets: list[Packet[Any]] = []
            for frame in sound_of(found, limits, stream.format.name, RATE):
                packets += stream.encode(frame)
            packets += stream.encode(None)
            if form == "m4a":
                mux_indexed(made, packets)
            else:
                made.mux(packets)
    return out.getvalue()


def sound_of(
    found: Opened,
    limits: MotionLimits,
    sample_format: str,
    rate: int,
    layout: str = "mono",
    *,
    late: float = 0.0,
) -> Iterator[AudioFrame]:
    """The sound, resampled, as one unbroken run from 0 on: silence where a part of it is missing,
    and what goes back in time left out. It begins `late` seconds after that, with silence before
    it, or where that is negative without its beginning."""
    assert found.audio is not None
    as_made = (sample_format, layout, rate)
    at, skip = 0, round(max(0.0, -late) * rate)
    for made in chain(_silence(late, *as_made), _resampled(found, limits, *as_made)):
        if skip > 0:
            skip -= made.samples
            continue
        if at > rate * limits.max_voice_seconds:
            return
        made.pts, made.time_base, at = at, Fraction(1, rate), at + made.samples
        yield made


def _resampled(
    found: Opened, limits: MotionLimits, sample_format: str, layout: str, rate: int
) -> Iterator[AudioFrame]:
    assert found.audio is not None
    resampler = AudioResampler(sample_format, layout, rate)
    begin: float | None = None
    heard = 0.0  # seconds
    for frame in frames_of(found, found.audio, limits):
        assert isinstance(frame, AudioFrame)
        if frame.time is not None:
            begin = frame.time if begin is None else begin
            missing = frame.time - begin - heard
            if missing < -TOLERANCE:
                continue
            if missing > TOLERANCE:
                heard += missing
                yield from _silence(missing, sample_format, layout, rate)
        heard += frame.samples / frame.sample_rate
        frame.pts = None  # the resampler counts by itself
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _silence(seconds: float, sample_format: str, layout: str, rate: int) -> Iterator[AudioFrame]:
    left = round(seconds * rate)
    while left > 0:
        quiet = AudioFrame(sample_format, layout, min(left, 1024))
        for plane in quiet.planes:
            plane.update(bytes(plane.buffer_size))
        quiet.sample_rate = rate
        left -= quiet.samples
        yield quiet
