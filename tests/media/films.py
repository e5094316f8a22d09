"""Films and sound for the tests, good and hostile, made here: no file is shipped."""

from __future__ import annotations

import math
import random
import struct
from array import array
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image

from media.images.rendering import ImageLimits
from media.images.sniff import ImageType
from media.motion.jobs import clip
from media.motion.picture import frame_of
from media.motion.playlists import boxes
from tests.media.samples import picture

SECRET = "N48 SECRET PLACE"

_CODECS = {
    "mp4": ("libx264", "aac"),
    "mov": ("libx264", "aac"),
    "webm": ("libvpx", "libopus"),
    "ogg": ("", "libopus"),
    "ipod": ("", "aac"),
}
_OPTIONS = {"libx264": {"preset": "ultrafast"}, "libvpx": {"deadline": "realtime", "cpu-used": "8"}}


@cache
def film(
    seconds: float = 1.0,
    width: int = 160,
    height: int = 120,
    *,
    form: str = "mp4",
    rate: int = 10,
    sound: bool = True,
    codec: str = "",
) -> bytes:
    """Red, with a blue quarter at the upper left, and a line of sound; of the form "ogg" or
    "ipod" sound alone. Its recorder has written a place into it."""
    of_picture, of_sound = _CODECS[form]
    of_picture = codec or of_picture
    out = BytesIO()
    with av.open(out, "w", format=form) as made:
        made.metadata["comment"] = made.metadata["location"] = SECRET
        video = audio = None
        if of_picture:
            video = made.add_stream(of_picture, rate=rate, options=_OPTIONS.get(of_picture, {}))
            assert isinstance(video, VideoStream)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        if sound:
            audio = made.add_stream(of_sound, rate=48_000)
            assert isinstance(audio, AudioStream)
            audio.layout = "mono"
        if isinstance(video, VideoStream):
            image = picture(width, height)
            for number in range(round(seconds * rate)):
                frame = frame_of(image)
                frame.pts, frame.time_base = number, Fraction(1, rate)
                made.mux(video.encode(frame))
            made.mux(video.encode(None))
        if isinstance(audio, AudioStream):
            for piece in _tone(seconds):
                made.mux(audio.encode(piece))
            made.mux(audio.encode(None))
    return out.getvalue()


def _tone(seconds: float) -> list[AudioFrame]:
    """Silence, and from the middle on a loud tone."""
    frames = []
    half = int(seconds * 24_000)
    for at in range(0, half * 2, 960):
        loud = 30_000 if at >= half else 0
        wave = array("h", (int(loud * math.sin(one / 10)) for one in range(at, at + 960)))
        frame = AudioFrame("s16", "mono", 960)
        frame.planes[0].update(wave.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
        frames.append(frame)
    return frames


def boxed(data: bytes, path: bytes) -> int:
    """Where the content of the first box of this type begins, wherever it lies."""
    return data.index(path) + 4


def turned(data: bytes, degrees: int) -> bytes:
    """An MP4 whose camera was held another way, by so many degrees clockwise."""
    patched = bytearray(data)
    at = boxed(data, b"tkhd") + 40
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 65536
    matrix = (cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", patched, at, *matrix)
    return bytes(patched)


def padded(data: bytes, size: int) -> bytes:
    """An MP4 of that size: what is wanting is in a box that no decoder reads, and does not
    compress."""
    lack = size - len(data)
    return data + struct.pack(">I", lack) + b"free" + random.Random(size).randbytes(lack - 8)


def claiming(data: bytes, width: int, height: int) -> bytes:
    """An MP4 whose header claims a size of its frames."""
    patched = bytearray(data)
    struct.pack_into(">HH", patched, boxed(data, b"avc1\0\0\0\0\0\0") + 24, width, height)
    return bytes(patched)


@cache
def moving(
    frames: int = 5, size: tuple[int, int] = (41, 31), kind: str = "GIF", duration: int = 40
) -> bytes:
    """A moving image of odd size, of which a part is transparent."""
    images = []
    for number in range(frames):
        image = Image.new("RGBA", size, (0, 0, 0, 0))
        image.paste((200, 40, 40, 255), (number, 5, number + 20, 25))
        images.append(image)
    out = BytesIO()
    images[0].save(
        out, kind, save_all=True, append_images=images[1:], duration=duration, disposal=2, loop=0
    )
    return out.getvalue()


def boxed_anew(data: bytes, path: list[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """An MP4 with the content of one box changed, and the sizes of the boxes around it. Offsets
    stay true where the changed box lies behind the samples."""
    if not path:
        return change(data)
    for kind, start, stop in boxes(data):
        if kind == path[0]:
            content = boxed_anew(data[start:stop], path[1:], change)
            size = struct.pack(">I", len(content) + 8)
            return data[: start - 8] + size + kind + content + data[stop:]
    raise ValueError(f"no {path[0]!r}")


def referring(data: bytes, where: str) -> bytes:
    """An MP4 whose samples are said to lie in another file."""
    url = b"url \0\0\0\0" + where.encode() + b"\0"
    dref = struct.pack(">II", 0, 1) + struct.pack(">I", len(url) + 4) + url
    return boxed_anew(data, [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"], lambda _: dref)


def crowded(data: bytes, streams: int) -> bytes:
    """An MP4 with its first stream in it so many times more."""

    def repeat(moov: bytes) -> bytes:
        trak = next(moov[start - 8 : stop] for kind, start, stop in boxes(moov) if kind == b"trak")
        return moov + trak * streams

    return boxed_anew(data, [b"moov"], repeat)


def swollen(data: bytes, width: int, height: int) -> bytes:
    """A WebM in VP8 whose frames claim a size that its header does not tell of."""
    patched = bytearray(data)
    at = patched.index(b"\x9d\x01\x2a") + 3
    struct.pack_into("<HH", patched, at, width, height)
    return bytes(patched)


def sparse(*seconds: int) -> bytes:
    """A film of few frames at these times."""
    out = BytesIO()
    with av.open(out, "w", format="mp4") as made:
        video = made.add_stream("libx264", rate=10, options=_OPTIONS["libx264"])
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        for at in seconds:
            frame = frame_of(picture(32, 32))
            frame.pts, frame.time_base = at * 10, Fraction(1, 10)
            made.mux(video.encode(frame))
        made.mux(video.encode(None))
    return out.getvalue()


@cache
def indexed(frames: int = 12, size: tuple[int, int] = (160, 120), duration: int = 40) -> bytes:
    """An MP4 with its index before its samples: what is cut off its end are samples."""
    with NamedTemporaryFile() as file:
        file.write(moving(frames, size, duration=duration))
        file.flush()
        return clip(Path(file.name), ImageType.GIF, "mp4", ImageLimits())


def noisy(frames: int, size: tuple[int, int]) -> bytes:
    """A GIF of what a camera might see: a picture with noise that drifts."""
    noise = Image.effect_noise((size[0] + frames, size[1]), 40).convert("RGB")
    images = [
        Image.blend(picture(*size), noise.crop((at, 0, at + size[0], size[1])), 0.4)
        for at in range(frames)
    ]
    out = BytesIO()
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=40, loop=0)
    return out.getvalue()


@cache
def clapped(
    seconds: float = 3.0,
    at: tuple[float, ...] = (0.5, 2.0),
    *,
    form: str = "mp4",
    picture_from: float = 0.0,
    sound_from: float = 0.0,
    hole: tuple[float, float] = (0.0, 0.0),
    rate: int = 25,
    size: tuple[int, int] = (96, 64),
) -> bytes:
    """A black film with a tenth of a second of white, and of a tone, at the same moments. Picture
    or sound may begin later than the other, and a part of the sound may have been lost."""
    of_picture, of_sound = _CODECS[form]
    out = BytesIO()
    black, white = (frame_of(Image.new("RGB", size, (one,) * 3)) for one in (0, 255))
    with av.open(out, "w", format=form) as made:
        video = made.add_stream(of_picture, rate=rate, options=_OPTIONS[of_picture])
        audio = made.add_stream(of_sound, rate=48_000)
        assert isinstance(video, VideoStream)
        assert isinstance(audio, AudioStream)
        video.width, video.height = size
        video.pix_fmt, audio.layout = "yuv420p", "mono"
        packets = []

        def claps(moment: float) -> bool:
            return any(one <= moment < one + 0.1 for one in at)

        for number in range(math.ceil(picture_from * rate), round(seconds * rate)):
            frame = white if claps(number / rate) else black
            frame.pts, frame.time_base = number, Fraction(1, rate)
            packets += video.encode(frame)
        packets += video.encode(None)
        for start in range(round(sound_from * 50) * 960, round(seconds * 50) * 960, 960):
            if hole[0] <= start / 48_000 < hole[1]:
                continue
            loud = 20_000 if claps(start / 48_000) else 0
            wave = array("h", (int(loud * math.sin(one / 8)) for one in range(start, start + 960)))
            sound = AudioFrame("s16", "mono", 960)
            sound.planes[0].update(wave.tobytes())
            sound.sample_rate, sound.pts, sound.time_base = 48_000, start, Fraction(1, 48_000)
            packets += audio.encode(sound)
        packets += audio.encode(None)
        made.mux(sorted(packets, key=lambda one: float((one.dts or 0) * (one.time_base or 0))))
    return out.getvalue()


def flashes(data: bytes | str, stream: int = 0) -> list[float]:
    """When a film, or what a URL leads to, turns white, in seconds."""
    with av.open(_source(data), "r") as file:
        return _begins(
            (frame.time or 0.0, frame.to_ndarray(format="gray").mean() > 128)
            for frame in file.decode(video=stream)
        )


def bangs(data: bytes | str) -> list[float]:
    """When it grows loud."""
    with av.open(_source(data), "r") as file:
        return _begins(
            ((frame.time or 0.0) + place / frame.sample_rate, bool(loud))
            for frame in file.decode(audio=0)
            for place, loud in enumerate(abs(frame.to_ndarray()[0]) > 0.2)
        )


def _source(data: bytes | str) -> BytesIO | str:
    return data if isinstance(data, str) else BytesIO(data)


def _begins(moments: Iterable[tuple[float, bool]]) -> list[float]:
    found: list[float] = []
    last = -1.0
    for moment, there in moments:
        if there and moment > last + 0.05:
            found.append(moment)
        last = moment if there else last
    return found


ORANGE = (200, 60, 30)


def bright(color: tuple[int, int, int], transfer: int) -> bytes:
    """A film of one colour in high dynamic range, by the number of its transfer in H.273."""
    out = BytesIO()
    with av.open(out, "w", format="mp4") as made:
        video = made.add_stream("libx264", rate=10, options={**_OPTIONS["libx264"], "crf": "8"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        context = video.codec_context
        context.colorspace, context.color_range = 9, 1
        context.color_primaries, context.color_trc = 9, transfer
        for number in range(3):
            frame = frame_of(Image.new("RGB", (160, 120), color)).reformat(
                format="yuv420p", dst_colorspace=Colorspace.BT2020, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = number, Fraction(1, 10)
            made.mux(video.encode(frame))
        made.mux(video.encode(None))
    return out.getvalue()


def orange(size: tuple[int, int], matrix: int, full: bool) -> bytes:
    """A film of one colour, whose brightness and colours are taken apart by a matrix, by its
    number in ITU-T H.273, in the range of video or in the full one. With 2 it says nothing of
    that, and is what is usual for its size."""
    out = BytesIO()
    high = matrix == 1 or (matrix == 2 and min(size) >= 720)
    with av.open(out, "w", format="mp4") as made:
        video = made.add_stream("libx264", rate=10, options={**_OPTIONS["libx264"], "crf": "8"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        if matrix != 2:
            context = video.codec_context
            context.colorspace, context.color_range = matrix, 2 if full else 1
        for number in range(3):
            frame = frame_of(Image.new("RGB", size, ORANGE)).reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709 if high else Colorspace.ITU601,
                dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            )
            frame.pts, frame.time_base = number, Fraction(1, 10)
            made.mux(video.encode(frame))
        made.mux(video.encode(None))
    return out.getvalue()
