"""Moving pictures and voices for the demo, made of the photographs: a camera that pans over one and
draws nearer, and a voice of a few tones. Without grain, equal arguments give equal bytes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random
from typing import NamedTuple

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageChops

from realtime.demo.sources import FILM, GIF, VOICE, Source

Size = tuple[int, int]

SECONDS, FILM_RATE, FILM_SIZE = 0.8, 20, (600, 450)  # two rungs of a ladder
GIF_FRAMES, GIF_SIZE = 12, (240, 180)

RATE = 48_000  # samples a second
SPAN = 960  # samples a frame
SYLLABLE = 0.25  # seconds
TONES = (147.0, 165.0, 196.0, 220.0)  # Hz
LOUD = 9_000  # of 32,767
_QUALITY = {"preset": "ultrafast", "crf": "21", "maxrate": "16M", "bufsize": "16M"}
GRAIN = 64  # pixels that a sheet of noise is wider and higher than a frame


def pan(photograph: Path, count: int, size: Size, *, grain: float = 0.0) -> Iterator[Image.Image]:
    """The frames of a pan over a photograph from its left to its right and into it. `grain` is the
    standard deviation of a camera's noise, of 255 levels."""
    with Image.open(photograph) as opened:
        image = opened.convert("RGB")
    width, height = size
    fits = min(image.width / width, image.height / height)
    random = Random(count)
    noise = None
    if grain:
        noise = Image.effect_noise((width + GRAIN, height + GRAIN), grain).convert("RGB")
    for number in range(count):
        part = number / max(1, count - 1)
        scale = fits * (0.9 - 0.3 * part)
        x = (image.width - width * scale) * part
        y = (image.height - height * scale) * (1 - part) / 2
        frame = image.resize(
            size, Image.Resampling.BICUBIC, box=(x, y, x + width * scale, y + height * scale)
        )
        if noise is not None:
            at, down = random.randrange(GRAIN), random.randrange(GRAIN)
            sheet = noise.crop((at, down, at + width, down + height))
            frame = ImageChops.add(frame, sheet, offset=-128)
        yield frame


def gif(photograph: Path, count: int, size: Size, milliseconds: int = 40) -> bytes:
    """An animated GIF as programs write them: one palette of 256 colours, dithered."""
    frames = list(pan(photograph, count, size))
    palette = frames[count // 2].quantize(256)
    first, *others = [frame.quantize(palette=palette) for frame in frames]
    out = BytesIO()
    first.save(out, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return out.getvalue()


def film(
    photograph: Path, seconds: float, size: Size, rate: int = 30, *, grain: float = 0.0
) -> bytes:
    """An MP4 as a phone writes it: H.264 at up to 16 Mbit/s with the voice as AAC, the index
    last."""
    out = BytesIO()
    with av.open(out, "w", format="mp4") as made:
        video = made.add_stream("libx264", rate=rate, options=_QUALITY)
        audio = made.add_stream("aac", rate=RATE)
        assert isinstance(video, VideoStream)
        assert isinstance(audio, AudioStream)
        video.width, video.height = size
        video.pix_fmt, audio.layout = "yuv420p", "mono"
        count = round(seconds * rate)
        said = voice_frames(seconds)
        for number, image in enumerate(pan(photograph, count, size, grain=grain)):
            frame: VideoFrame = VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
            frame.pts, frame.time_base = number, Fraction(1, rate)
            made.mux(video.encode(frame))
            if number % rate == 0:  # picture and sound of a second lie side by side
                _say(made, audio, said, RATE // SPAN)
        _say(made, audio, said, None)
        made.mux(video.encode(None))
        made.mux(audio.encode(None))
    return out.getvalue()


def voice(seconds: float) -> bytes:
    """A voice message as a browser records it: Opus in Ogg."""
    out = BytesIO()
    with av.open(out, "w", format="ogg") as made:
        audio = made.add_stream("libopus", rate=RATE)
        assert isinstance(audio, AudioStream)
        audio.layout = "mono"
        _say(made, audio, voice_frames(seconds), None)
        made.mux(audio.encode(None))
    return out.getvalue()


def _say(
    made: OutputContainer, audio: AudioStream, said: Iterator[AudioFrame], most: int | None
) -> None:
    for number, frame in enumerate(said, 1):
        made.mux(audio.encode(frame))
        if number == most:
            return


def voice_frames(seconds: float) -> Iterator[AudioFrame]:
    """Syllables that swell and fade, each a tone with its octaves."""
    said = array("h")
    for number in range(math.ceil(seconds / SYLLABLE)):
        said += _syllable(TONES[number % len(TONES)])
    for at in range(0, round(seconds * RATE), SPAN):
        piece = said[at : at + SPAN]
        frame = AudioFrame("s16", "mono", len(piece))
        frame.planes[0].update(piece.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
        yield frame


@cache
def _syllable(tone: float) -> array[int]:
    count = round(SYLLABLE * RATE)
    turns = [2 * math.pi * tone * at / RATE for at in range(count)]
    swell = [LOUD * math.sin(math.pi * at / count) for at in range(count)]
    return array(
        "h",
        (
            int(loud * (math.sin(turn) + math.sin(2 * turn) / 2 + math.sin(4 * turn) / 4))
            for loud, turn in zip(swell, turns, strict=True)
        ),
    )


class Clips(NamedTuple):
    """What somebody uploads besides photographs; `sent` goes to a room, as the voice does."""

    posted: Source
    sent: Source | None
    voice: Source


def clips(photographs: Sequence[Path], number: int) -> Clips:
    """Of the person of that number: every third posts a film and the others a moving image, and
    every third sends a film."""
    photograph, other = (photographs[one % len(photographs)] for one in (number, number + 5))
    sent = None
    if number % 3 == 0:
        posted = Source(FILM, film(photograph, SECONDS, FILM_SIZE, FILM_RATE), SECONDS)
    else:
        posted = Source(GIF, gif(photograph, GIF_FRAMES, GIF_SIZE), GIF_FRAMES * 0.04)
    if number % 3 == 1:
        sent = Source(FILM, film(other, SECONDS, FILM_SIZE, FILM_RATE), SECONDS)
    seconds = 1.0 + number * SYLLABLE % 2
    return Clips(posted, sent, Source(VOICE, voice(seconds), seconds))
