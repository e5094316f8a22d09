"""What variants are encoded as: names, types, and the encoders' settings.

The settings are chosen from the tables in `bench/encoders.md`, and stand here alone. The three
lossy formats have qualities at which their pictures are alike, so that the choice between them
is one of bytes and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import NamedTuple

from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

# Imported, so registered: Pillow would look for them itself only together with all others.
PLUGINS = (AvifImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin)


class Format(NamedTuple):
    """An encoder and how it is used."""

    ext: str  # in URLs
    mime: str
    encoder: str  # Pillow's name
    options: Mapping[str, object]
    quality: int = 0  # unless a URL says otherwise; 0 where the format has none
    transparent: bool = True

    @property
    def is_lossy(self) -> bool:
        return bool(self.quality)


JPEG = Format(
    "jpg",
    "image/jpeg",
    "JPEG",
    {"progressive": True, "optimize": True},
    quality=80,
    transparent=False,
)
PNG = Format("png", "image/png", "PNG", {"compress_level": 6})
WEBP = Format("webp", "image/webp", "WEBP", {"method": 4}, quality=80)
GIF = Format("gif", "image/gif", "GIF", {})
AVIF = Format(
    "avif",
    "image/avif",
    "AVIF",
    # One thread: the pool runs several processes. Tuned for likeness, and with more bits for what
    # is smooth, where blocks would be seen.
    {"speed": 7, "max_threads": 1, "advanced": {"tune": "ssim", "deltaq-mode": "6"}},
    quality=53,
)
_OLD_AVIF = AVIF._replace(options={"speed": 7, "max_threads": 1}, quality=61)
"""As like, in a few percent more bytes: for encoders that do not know the tuning."""


def _works(one: Format) -> bool:
    """Whether the encoder is really there: Pillow may know a format that its libraries, as they
    were built, cannot write."""
    try:
        Image.new("RGB", (1, 1)).save(BytesIO(), one.encoder, **one.options)
    except Exception:
        return False
    return True


def _working() -> dict[str, Format]:
    # Of two with the same name the latter counts.
    known = (JPEG, PNG, WEBP, GIF, _OLD_AVIF, AVIF)
    return {one.ext: one for one in known if _works(one)}


FORMATS = _working()
"""By extension, those alone whose encoder works: no URL names another."""

MIMES = {one.ext: one.mime for one in FORMATS.values()}
