"""Decoding, checking and resizing photographs.

These functions run in a worker process (see `media.workers.confined`) and may meet hostile bytes.
Each takes a file, or bytes, whose type is known by their magic, opens them with that type's
decoder and no other, and raises `MediaRefused` for whatever is not a whole, sane image.
"""

from __future__ import annotations

import math
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
    ImageFilter,
)

from media.errors import MediaRefused
from media.images import heif
from media.images.formats import FORMATS, Format
from media.images.geometry import as_stored, plan
from media.images.options import Options
from media.images.reduced import QUALITY as REDUCED_QUALITY
from media.images.reduced import reduced_size
from media.images.sniff import ImageType
from media.images.thumbhash import thumbhash

P = ParamSpec("P")
T = TypeVar("T")

DECODERS = {
    ImageType.JPEG: "JPEG",
    ImageType.PNG: "PNG",
    ImageType.WEBP: "WEBP",
    ImageType.GIF: "GIF",
    ImageType.AVIF: "AVIF",
    ImageType.HEIF: "HEIF",
}
_ONE_PICTURE = ("HEIF", "MPO")  # with others behind or beside it, which are never shown
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the pool runs several processes already

GAP = 1.5  # how much larger than wanted the averaging of whole pixels may leave an image
HASHED = 32  # pixels, the longer side of what a hash is made of
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
    thumbhash: bytes
    frames: int
    reduced: bytes = b""  # a JPEG: see `media.images.reduced`


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
        if frames > 1:
            image.seek(0)
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        reduced = _reduced(image) if frames == 1 else b""
        return Inspection(width, height, _dominant_color(image), _thumbhash(image), frames, reduced)


def _reduced(image: ImageFile.ImageFile) -> bytes:
    """The copy that variants are made from, upright; empty where there is none."""
    size = reduced_size(*image.size)
    if size is None or image.has_transparency_data:
        return b""
    # Two thirds of the time of bicubic; variants are smaller still, and show no difference.
    smaller = _to_srgb(_true_color(image).resize(size, Image.Resampling.HAMMING))
    turn = _TURNS.get(_orientation(image))
    upright = smaller if turn is None else smaller.transpose(turn)
    upright.info = {}
    out = BytesIO()
    upright.save(out, "JPEG", quality=REDUCED_QUALITY)
    return out.getvalue()


@_refusing
def render(data: bytes, kind: ImageType, options: Options, ext: str, limits: ImageLimits) -> bytes:
    """A variant: upright, in sRGB, without metadata. Of a moving image it shows one frame."""
    opened = open_image(BytesIO(data), kind, limits)
    if options.frame:
        _go_to(opened, options.frame)
    return _rendered(opened, opened.size, _orientation(opened), options, ext)


@_refusing
def render_reduced(
    data: bytes, original: tuple[int, int], options: Options, ext: str, limits: ImageLimits
) -> bytes:
    """As `render`, from the reduced copy of an original of that upright size."""
    return _rendered(open_image(BytesIO(data), ImageType.JPEG, limits), original, 1, options, ext)


def _rendered(
    opened: ImageFile.ImageFile,
    stored: tuple[int, int],
    orientation: int,
    options: Options,
    ext: str,
) -> bytes:
    """A variant of the image that has the `stored` size, of which `opened` has all pixels or
    fewer."""
    width, height = stored
    lies = orientation >= 5
    upright = plan(options, height if lies else width, width if lies else height)
    box, size = as_stored(upright, orientation, width, height)
    # A JPEG is decoded at a half, a quarter or an eighth where that is still large enough.
    opened.draft(
        None,
        (
            math.ceil(size[0] * width / (box[2] - box[0])),
            math.ceil(size[1] * height / (box[3] - box[1])),
        ),
    )
    opened.load()
    x, y = opened.width / width, opened.height / height
    part = (box[0] * x, box[1] * y, box[2] * x, box[3] * y)
    image = _to_srgb(_resized(_true_color(opened), part, size))
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    if options.blur:
        image = _blurred(image, options.blur)
    return encode(image, FORMATS[ext], options.quality)


def encode(image: Image.Image, wanted: Format, quality: int = 0) -> bytes:
    """An image in RGB or RGBA, without anything that came along with it. `quality` 0 is the
    format's own."""
    if image.mode == "RGBA" and not wanted.transparent:
        image = _flattened(image)
    elif image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    image.info = {}  # encoders copy comments and profiles from here
    options = dict(wanted.options)
    if wanted.is_lossy:
        options["quality"] = quality or wanted.quality
    out = BytesIO()
    image.save(out, wanted.encoder, **options)
    return out.getvalue()


def open_image(file: IO[bytes], kind: ImageType, limits: ImageLimits) -> ImageFile.ImageFile:
    """Reads the header and holds it against the limits before a pixel is decoded."""
    if kind is ImageType.HEIF and "HEIF" not in Image.OPEN:
        heif.register()
    image = Image.open(file, formats=[DECODERS[kind]])
    _check_size(image, limits)
    if not isinstance(
        image, GifImagePlugin.GifImageFile
    ):  # which would have to read all of it to know
        _check_frames(getattr(image, "n_frames", 1), image, limits)
    return image


def _check_size(image: Image.Image, limits: ImageLimits) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise MediaRefused("the image has no pixels")
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise MediaRefused("the image has too many pixels")


def _check_frames(frames: int, image: Image.Image, limits: ImageLimits) -> None:
    pixels = frames * image.width * image.height
    if frames > limits.max_frames or (frames > 1 and pixels > limits.max_total_pixels):
        raise MediaRefused("the image has too many frames")


def _decode_all(image: ImageFile.ImageFile, limits: ImageLimits) -> int:
    if image.format in _ONE_PICTURE:
        image.load()
        _check_size(image, limits)  # some decoders know it only now
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


def _go_to(image: ImageFile.ImageFile, frame: int) -> None:
    try:
        if image.format in _ONE_PICTURE:
            raise EOFError
        image.seek(frame)
    except EOFError:
        raise MediaRefused("the image has no such frame") from None


def _resized(
    image: Image.Image, box: tuple[float, float, float, float], size: tuple[int, int]
) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=GAP)


def _blurred(image: Image.Image, sigma: int) -> Image.Image:
    """What cannot be seen lends its colour to nothing beside it."""
    blur = ImageFilter.GaussianBlur(sigma)
    if image.mode == "RGBA":
        return image.convert("RGBa").filter(blur).convert("RGBA")
    return image.filter(blur)


def _true_color(image: Image.Image) -> Image.Image:
    """A mode that can be resized smoothly: colours instead of indexes into a palette."""
    if image.mode in ("P", "PA", "LA") or "transparency" in image.info:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
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


def _thumbhash(image: Image.Image) -> bytes:
    """Upright, on a third of the pixels that there might be: see there."""
    scale = HASHED / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = _to_srgb(_resized(_true_color(image), (0, 0, *image.size), size)).convert("RGBA")
    orientation = _orientation(image)
    if orientation in _TURNS:
        small = small.transpose(_TURNS[orientation])
    return thumbhash(small.width, small.height, small.tobytes())
