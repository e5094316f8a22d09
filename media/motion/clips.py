"""Moving images as video, and video as a small moving image."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av.codec.context import Flags
from av.packet import Packet
from PIL import Image

from media.errors import MotionRefused
from media.images.rendering import ImageLimits, open_image
from media.images.sniff import ImageType
from media.motion.facts import MotionLimits
from media.motion.hls import timed_frames
from media.motion.kinds import Container
from media.motion.opening import opened, refusing
from media.motion.picture import Upright, fitted, frame_of, image_of, rotation_of, shown_size
from media.motion.writing import TICK, add_video, mux_indexed

SHORTEST_MS = 20  # a frame that asks for less is shown for 100 ms, as browsers do
USUAL_MS = 100
MAX_SIDE = 1080  # pixels of the shorter side

# (encoder, its options): speed first, for who asks waits.
CLIPS = {
    "mp4": ("libx264", {"preset": "veryfast", "crf": "23", "tune": "animation"}),
    "webm": (
        "libvpx-vp9",
        {"crf": "36", "b": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "0"},
    ),
}

PREVIEW_SECONDS = 3.0
PREVIEW_RATE = 8.0  # frames a second
PREVIEW_SIDE = 180  # pixels of the shorter side
PREVIEW_COLORS = 64


@refusing
def encode_clip(path: Path, kind: ImageType, form: str, limits: ImageLimits) -> bytes:
    """A moving image as a video without sound: `mp4` (H.264, index at the front) or `webm` (VP9),
    of even size, on white where it was transparent, each frame for as long as it was shown."""
    encoder, options = CLIPS[form]
    out = BytesIO()
    with path.open("rb") as file:
        image = open_image(file, kind, limits)
        if kind is ImageType.HEIF or not getattr(image, "is_animated", False):
            raise MotionRefused("the image does not move")
        size = fitted(image.size, MAX_SIDE)
        upright = Upright(size, 0)
        with av.open(out, "w", format=form) as made:
            stream = add_video(made, encoder, size, options)
            stream.codec_context.flags |= Flags.frame_duration  # also of the last one
            packets: list[Packet[Any]] = []
            at = 0
            for picture, milliseconds in _pictures(image, limits):
                frame = frame_of(picture)
                frame.time_base = TICK
                turned = upright(frame)
                turned.pts, turned.time_base, turned.duration = at * 90, TICK, milliseconds * 90
                at += milliseconds
                packets += stream.encode(turned)
            packets += stream.encode(None)
            if form == "mp4":
                mux_indexed(made, packets)
            else:
                made.mux(packets)
    return out.getvalue()


def _pictures(image: Image.Image, limits: ImageLimits) -> Iterator[tuple[Image.Image, int]]:
    """Each picture, without transparency, and for how many milliseconds it is shown."""
    for number in range(limits.max_frames + 1):
        try:
            image.seek(number)
            image.load()  # of a WebP it is known only then how long it is shown
        except EOFError:
            return
        if (number + 1) * image.width * image.height > limits.max_total_pixels:
            raise MotionRefused("the image has too many frames")
        shown = round(image.info.get("duration", 0)) or USUAL_MS
        yield _on_white(image), USUAL_MS if shown < SHORTEST_MS else min(shown, 60_000)
    raise MotionRefused("the image has too many frames")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode != "RGBA" and "transparency" not in image.info:
        return image.convert("RGB")
    whole = image.convert("RGBA")
    flat = Image.new("RGB", whole.size, (255, 255, 255))
    flat.paste(whole, mask=whole.getchannel("A"))
    return flat


@refusing
def encode_preview(path: Path, container: Container, limits: MotionLimits) -> bytes:
    """The first seconds of a video as a small GIF."""
    pictures: list[Image.Image] = []
    times: list[Fraction] = []
    with opened(path, container, limits) as found:
        if found.video is None:
            raise MotionRefused("the file has no picture")
        upright: Upright | None = None
        for frame, at in timed_frames(found, found.video, limits, PREVIEW_RATE):
            if at >= PREVIEW_SECONDS:
                break
            if upright is None:
                rotation = rotation_of(frame)
                size = fitted(shown_size(found.video, rotation), PREVIEW_SIDE)
                upright = Upright(size, rotation, "rgb24")
            pictures.append(image_of(upright(frame)))
            times.append(at)
    if not pictures:
        raise MotionRefused("the video has no frame")
    palette = pictures[0].quantize(PREVIEW_COLORS)
    shown = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    usual = round(1000 / PREVIEW_RATE)
    durations = [max(SHORTEST_MS, round((after - at) * 1000)) for at, after in pairwise(times)]
    out = BytesIO()
    shown[0].save(
        out,
        "GIF",
        save_all=True,
        append_images=shown[1:],
        duration=[*durations, usual],
        loop=0,
    )
    return out.getvalue()
