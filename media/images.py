"""Decoding, checking and resizing photographs.

These functions run in a worker process (see `media.confined`) and may meet hostile bytes. Each
takes a file, or bytes, whose type is known by their magic, opens them with that type's decoder
and no other, and raises `MediaRefused` for whatever is not a whole, sane image.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple, ParamSpec, TypeVar

from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from media.errors import MediaRefused
from media.presets import Preset
from media.sniff import ImageType

P = ParamSpec("P")
T = TypeVar("T")

DECODERS = {
    ImageType.JPEG: "JPEG",
    ImageType.PNG: "PNG",
    ImageType.WEBP: "WEBP",
    ImageType.GIF: "GIF",
    ImageType.AVIF: "AVIF",
}
# Imported, so registered: Pillow would look for them itself only together with all others.
_PLUGINS = (
    AvifImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the pool runs several processes already

JPEG_QUALITY = 82
WEBP_QUALITY = 80
WEBP_METHOD = 0  # four times as fast as the default, for a tenth more bytes
WHITE = (255, 255, 255)


Source = bytes | Path


class ImageLimits(NamedTuple):
    """What an image may ask of a decoder."""

    max_pixels: int = 64_000_000
    max_side: int = 16_384
    max_frames: int = 600
    max_total_pixels: int = 256_000_000  # frames times pixels


class Inspection(NamedTuple):
    """What is known of an image that was decoded to its end."""

    width: int  # pixels, as it is shown: the camera's orientation applied
    height: int
    color: str  # the dominant colour, "#rrggbb"
    frames: int


def disable_other_decoders() -> None:
    """From here on no decoder off the list can be reached in this process, by any name."""
    for name in set(Image.OPEN) - set(DECODERS.values()):
        del Image.OPEN[name]
    Image.ID[:] = [name for name in Image.ID if name in Image.OPEN]
    Image._initialized = 2  # Pillow's word for "all plugins are loaded"


def _refusing(fn: Callable[P, T]) -> Callable[P, T]:
    """Turns whatever a decoder may raise into a refusal. This is the boundary: what hostile
    bytes make a decoder raise is not a closed list."""

    @wraps(fn)
    def refusing(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                return fn(*args, **kwargs)
        except MediaRefused:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise MediaRefused("the image has too many pixels") from None
        except MemoryError:
            raise MediaRefused("the image needs too much memory") from None
        except Exception:
            # What the decoder said is not passed on: it may not survive the way between the
            # processes, and it may quote the file.
            raise MediaRefused("the image is broken") from None

    return refusing


@_refusing
def inspect(source: Source, kind: ImageType, limits: ImageLimits) -> Inspection:
    """Decodes every frame, so that a truncated file is found out, and describes the first."""
    with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        image = open_image(file, kind, limits)
        frames = _decode_all(image, limits)
        image.seek(0)
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        return Inspection(width, height, _dominant_color(image), frames)


@_refusing
def render(data: bytes, kind: ImageType, preset: Preset, ext: str, limits: ImageLimits) -> bytes:
    """A variant: upright, in sRGB, without metadata, no larger than its preset. Of a moving
    image it shows the first frame."""
    opened = open_image(BytesIO(data), kind, limits)
    # A JPEG is decoded at a half, a quarter or an eighth where that is still large enough.
    opened.draft(None, (preset.size * 2, preset.size * 2))
    opened.load()
    turn = _TURNS.get(_orientation(opened))
    image = _to_srgb(_resized(_true_color(opened), preset))
    if turn is not None:
        image = image.transpose(turn)
    image.info = {}  # encoders copy comments and profiles from here
    out = BytesIO()
    if ext == "webp":
        image.save(out, "WEBP", quality=WEBP_QUALITY, method=WEBP_METHOD)
    else:
        flat = _flattened(image)
        flat.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
    return out.getvalue()


def open_image(file: IO[bytes], kind: ImageType, limits: ImageLimits) -> ImageFile.ImageFile:
    """Reads the header and holds it against the limits before a pixel is decoded."""
    image = Image.open(file, formats=[DECODERS[kind]])
    width, height = image.size
    if width < 1 or height < 1:
        raise MediaRefused("the image has no pixels")
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise MediaRefused("the image has too many pixels")
    if not isinstance(
        image, GifImagePlugin.GifImageFile
    ):  # which would have to read all of it to know
        _check_frames(getattr(image, "n_frames", 1), image, limits)
    return image


def _check_frames(frames: int, image: Image.Image, limits: ImageLimits) -> None:
    pixels = frames * image.width * image.height
    if frames > limits.max_frames or (frames > 1 and pixels > limits.max_total_pixels):
        raise MediaRefused("the image has too many frames")


def _decode_all(image: ImageFile.ImageFile, limits: ImageLimits) -> int:
    if image.format == "MPO":  # a JPEG with more pictures behind it, which are never shown
        image.load()
        return 1
    frames = 0
    while True:
        try:
            image.seek(frames)
        except EOFError:
            return frames
        image.load()
        frames += 1
        _check_frames(frames, image, limits)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 where there is none that can be read."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image of each orientation upright."""


def _resized(image: Image.Image, preset: Preset) -> Image.Image:
    width, height = image.size
    if preset.crop:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
        size = (min(preset.size, side),) * 2
    else:
        box = (0, 0, width, height)
        scale = min(1.0, preset.size / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)


def _true_color(image: Image.Image) -> Image.Image:
    """A mode that can be resized smoothly: colours instead of indexes into a palette."""
    if image.mode in ("P", "PA", "LA") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("RGB", "RGBA", "L", "CMYK"):
        return image
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.point(lambda value: value / 257).convert("L")
    return image.convert("RGB")


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA in sRGB. A profile that cannot be used is taken for sRGB."""
    profile = image.info.get("icc_profile")
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    base = image.convert("RGB") if alpha is not None else image
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                base, ImageCms.ImageCmsProfile(BytesIO(profile)), _SRGB, outputMode="RGB"
            )
            base = converted if converted is not None else base
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    if base.mode != "RGB":
        base = base.convert("RGB")
    if alpha is not None:
        base.putalpha(alpha)
    return base


_SRGB = ImageCms.createProfile("sRGB")


def _flattened(image: Image.Image) -> Image.Image:
    """On white, for a format without transparency."""
    if image.mode != "RGBA":
        return image
    flat = Image.new("RGB", image.size, WHITE)
    flat.paste(image, mask=image.getchannel("A"))
    return flat


def _dominant_color(image: Image.Image) -> str:
    small = image.resize((64, 64), Image.Resampling.NEAREST)
    reduced = _flattened(_to_srgb(_true_color(small))).quantize(5)
    histogram = reduced.histogram()
    index = histogram.index(max(histogram))
    red, green, blue = (reduced.getpalette() or [])[index * 3 : index * 3 + 3]
    return f"#{red:02x}{green:02x}{blue:02x}"
