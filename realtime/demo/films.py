"""Moving pictures and voices for the demo, made of the photographs: a camera that pans over one and
draws nearer, and a voice of a few tones. Without grain, equal arguments give equal bytes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from random import Random

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageChops

Size = tuple[int, int]

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
    for at in range(0, round(seconds * RATE), SPAN):
        frame = AudioFrame("s16", "mono", SPAN)
        frame.planes[0].update(array("h", map(_sample, range(at, at + SPAN))).tobytes())
        frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
        yield frame


def _sample(at: int) -> int:
    number, inside = divmod(at / RATE, SYLLABLE)
    turn = 2 * math.pi * TONES[int(number) % len(TONES)] * inside
    swell = math.sin(math.pi * inside / SYLLABLE)
    return int(LOUD * swell * (math.sin(turn) + math.sin(2 * turn) / 2 + math.sin(4 * turn) / 4))
