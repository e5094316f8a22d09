"""What is measured, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.photos.servers import Variant


@dataclass(frozen=True)
class Row:
    key: str
    title: str
    kind: Literal["first", "cached"]
    variant: Variant
    source: Literal["12mp", "2mp", "cached"]
    least: float
    """The ratio to thumbor's figure that is asked for."""
    uploaded: bool = True
    """The cache has what uploads leave in it; else it is empty, and all is made of originals."""
    equal_size: bool = False
    """thumbor's quality is chosen so that its files have our size, within `TOLERANCE`; the
    similarity to the original may not be less than its."""


TOLERANCE = 0.05
CONNECTIONS = {"first": 8, "cached": 32}

CACHED = Variant("medium", 640, "jpg")
RATE = 300.0  # requests a second for cached variants while others are encoded
BUSY = (Variant("large", 1080, "avif"), Variant("medium", 640, "avif"))
""" What is encoded then."""
MOST = 3.0  # times the 99th percentile of an idle server

ROWS = (
    Row(
        "first-1080",
        "12-megapixel JPEG to 1080, first request",
        "first",
        Variant("large", 1080, "jpg"),
        "12mp",
        1.2,
    ),
    Row(
        "first-320",
        "12-megapixel JPEG to 320, first request",
        "first",
        Variant("small", 320, "jpg"),
        "12mp",
        1.2,
    ),
    Row(
        "emptied-1080",
        "the same to 1080, when the copy of the upload has gone",
        "first",
        Variant("large", 1080, "jpg"),
        "12mp",
        0.0,
        uploaded=False,
    ),
    Row(
        "emptied-320",
        "the same to 320",
        "first",
        Variant("small", 320, "jpg"),
        "12mp",
        0.0,
        uploaded=False,
    ),
    Row(
        "webp",
        "WebP of 1080 from 2 megapixels, equal size",
        "first",
        Variant("large", 1080, "webp"),
        "2mp",
        1.0,
        equal_size=True,
    ),
    Row(
        "avif",
        "AVIF of 1080 from 2 megapixels, equal size",
        "first",
        Variant("large", 1080, "avif"),
        "2mp",
        1.0,
        equal_size=True,
    ),
    Row(
        "cached",
        "a cached variant of some 30 KB, one process",
        "cached",
        CACHED,
        "cached",
        3.0,
    ),
)
