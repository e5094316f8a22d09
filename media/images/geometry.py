"""Which part of a picture a variant shows, and how large (pure).

Options speak of the picture as it is seen; its file may lie on its side. So everything is found
for the upright picture first, and then for the pixels as they are stored.
"""

from __future__ import annotations

from typing import NamedTuple

from media.errors import MediaRefused
from media.images.options import MAX_OUTPUT_PIXELS, MAX_SIDE, Options

Box = tuple[int, int, int, int]  # left, top, right, bottom


class Plan(NamedTuple):
    """A part of a picture, and the size that it gets."""

    box: Box
    size: tuple[int, int]


def plan(options: Options, width: int, height: int) -> Plan:
    """For an upright picture of that size. Nothing is enlarged unless the options say so, and
    what would vanish keeps a pixel. Raises `MediaRefused` for a box outside the picture, and for
    a result with too many pixels, in all or along a side."""
    if options.box is not None:
        left, top, wide, high = options.box
        box = (left, top, min(left + wide, width), min(top + high, height))
        if left >= width or top >= height:
            raise MediaRefused("the box lies outside the picture")
        made = Plan(box, _within(options, box[2] - left, box[3] - top))
    elif options.mode == "fit":
        made = Plan((0, 0, width, height), _within(options, width, height))
    elif options.mode == "crop":
        size = (min(options.width, width), min(options.height, height))
        made = Plan(_about(options.focus, size, width, height), size)
    else:
        made = _filling(options, width, height)
    if made.size[0] * made.size[1] > MAX_OUTPUT_PIXELS:
        raise MediaRefused("the result has too many pixels")
    if max(made.size) > MAX_SIDE:  # the one that is not in the URL
        raise MediaRefused(f"the result is longer than {MAX_SIDE} pixels: bound both its sides")
    return made


def _within(options: Options, width: int, height: int) -> tuple[int, int]:
    """All of so many pixels within the bounds that there are."""
    scales = [options.width / width] if options.width else []
    scales += [options.height / height] if options.height else []
    scale = min(scales, default=1.0)
    if not options.enlarge:
        scale = min(1.0, scale)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _filling(options: Options, width: int, height: int) -> Plan:
    """As much of the picture as has the shape of the result."""
    scale = min(width / options.width, height / options.height)  # pixels of it for one of ours
    part = (
        min(width, max(1, round(options.width * scale))),
        min(height, max(1, round(options.height * scale))),
    )
    if scale >= 1 or options.enlarge:
        size = (options.width, options.height)
    else:
        size = part
    return Plan(_about(options.focus, part, width, height), size)


def _about(focus: tuple[int, int], part: tuple[int, int], width: int, height: int) -> Box:
    """The part with the focus in its middle, or as near to that as the edges let it be."""
    left = min(max(0, round(width * focus[0] / 1000 - part[0] / 2)), width - part[0])
    top = min(max(0, round(height * focus[1] / 1000 - part[1] / 2)), height - part[1])
    return left, top, left + part[0], top + part[1]


def as_stored(upright: Plan, orientation: int, width: int, height: int) -> Plan:
    """The same for a file of that EXIF orientation, whose own width and height these are."""
    left, top, right, bottom = upright.box
    if orientation >= 5:  # it lies on its side: what is seen as x is y in the file
        left, top, right, bottom = top, left, bottom, right
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    size = upright.size[::-1] if orientation >= 5 else upright.size
    return Plan((left, top, right, bottom), size)
