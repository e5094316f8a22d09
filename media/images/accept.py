"""Which format is for a client, by its Accept header (pure; RFC 9110, 12.5.1)."""

from __future__ import annotations

import re

from media.images.formats import FORMATS, MIMES

_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
MAX_RANGES = 64  # the rest of a longer list is not read


def chosen_format(accept: str, *, transparent: bool = False) -> str:
    """The extension for a URL that names none.

    Of AVIF, WebP and JPEG the one with the greatest q, and in this order where they are equal.
    AVIF and WebP count only by their own names: browsers that show neither ask for `image/*`
    and `*/*` too. In place of JPEG it is PNG where the picture is transparent and PNG is taken,
    or where JPEG is not; GIF where nothing else is. A header that takes none of these, or that
    cannot be read, gets what every client shows.
    """
    ranges = _ranges(accept) or {"*/*": 1.0}
    shown = [
        (q, ext)
        for ext in ("avif", "webp", "jpg")
        if ext in FORMATS and (q := _quality(ranges, MIMES[ext], by_name=ext != "jpg")) > 0
    ]
    # The first of the greatest: `max` keeps the order of equals.
    best = max(shown, key=lambda found: found[0])[1] if shown else ""
    if best in ("avif", "webp"):
        return best
    if (transparent or not best) and _quality(ranges, MIMES["png"]) > 0:
        return "png"
    if not best and _quality(ranges, MIMES["gif"]) > 0:
        return "gif"
    return "jpg"


def _quality(ranges: dict[str, float], mime: str, *, by_name: bool = False) -> float:
    """What the most specific range that covers the type says; 0 where none does."""
    names = (mime,) if by_name else (mime, "image/*", "*/*")
    return next((ranges[name] for name in names if name in ranges), 0.0)


def _ranges(accept: str) -> dict[str, float]:
    """Media ranges and their q. One that is spelled wrong counts for nothing."""
    found: dict[str, float] = {}
    for part in accept.split(",", MAX_RANGES)[:MAX_RANGES]:
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if not name:
            continue
        values = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
        if len(values) > 1 or (values and _QVALUE.fullmatch(values[0]) is None):
            continue
        found[name] = float(values[0]) if values else 1.0
    return found
