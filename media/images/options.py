"""How a picture is asked for, and the one spelling of that (pure).

    fit,w-640,h-640                       all of it, within a size
    fill,w-400,h-300,f-250-400            a size filled, about a focus
    crop,w-400,h-300,f-250-400            so many pixels of the original, about a focus
    crop,w-640,box-100-50-800-600         a box of the original, within a size

and behind these `up`, `blur-N`, `q-N` and `frame-N`, in this order. What is left at its default
is not spelled, and numbers have no zeros in front: equal options are equal text, so a picture has
one URL, one signature and one entry in a cache.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from media.images.formats import FORMATS

MAX_SIDE = 4096  # pixels of a result
MAX_OUTPUT_PIXELS = 12_000_000  # after everything else, enlarging included
MAX_BOX = 65_535
MAX_BLUR = 100
MAX_FRAME = 9_999
MIDDLE = (500, 500)
MAX_TEXT = 100  # characters of the longest spelling there can be

_NUMBER = r"(0|[1-9][0-9]{0,4})"
_PARAMETERS = {
    name: re.compile(name + f"-{_NUMBER}" * count)
    for name, count in (("w", 1), ("h", 1), ("box", 4), ("f", 2), ("blur", 1), ("q", 1))
} | {"up": re.compile("up"), "frame": re.compile(f"frame-{_NUMBER}")}


class BadOptions(ValueError):
    """Options that contradict each other, lie outside their limits, or are spelled otherwise
    than they have to be."""


class Options(NamedTuple):
    """What a variant shows. Make them by `checked`, or read them by `parse`."""

    mode: str  # fit, fill or crop
    width: int = 0  # pixels of the result; 0: as the other one says
    height: int = 0
    box: tuple[int, int, int, int] | None = (
        None  # left, top, width, height: of the upright original
    )
    focus: tuple[int, int] = MIDDLE  # thousandths, from the left and from the top
    enlarge: bool = False
    blur: int = 0  # standard deviation, in pixels of the result
    quality: int = 0  # 1 to 100, of an encoder that has one; 0: its default
    frame: int = 0  # of a moving image, from 0

    def __str__(self) -> str:
        """The one spelling."""
        said = [
            self.mode,
            f"w-{self.width}" if self.width else "",
            f"h-{self.height}" if self.height else "",
            "box-" + "-".join(map(str, self.box)) if self.box is not None else "",
            f"f-{self.focus[0]}-{self.focus[1]}" if self.focus != MIDDLE else "",
            "up" if self.enlarge else "",
            f"blur-{self.blur}" if self.blur else "",
            f"q-{self.quality}" if self.quality else "",
            f"frame-{self.frame}" if self.frame else "",
        ]
        return ",".join(one for one in said if one)


def parse(text: str, ext: str) -> Options:
    """Of text in its one spelling, for a picture of that extension ("": Accept chooses). Takes
    time in proportion to the text. Raises `BadOptions`."""
    if len(text) > MAX_TEXT:
        raise BadOptions("too long")
    mode, *said = text.split(",")
    found: dict[str, tuple[int, ...]] = {}
    for one in said:
        name = one.partition("-")[0]
        match = _PARAMETERS[name].fullmatch(one) if name in _PARAMETERS else None
        if match is None or name in found:
            raise BadOptions("an unknown or repeated option")
        found[name] = tuple(int(number) for number in match.groups())
    (width,), (height,) = found.get("w", (0,)), found.get("h", (0,))
    (blur,), (quality,), (frame,) = (found.get(name, (0,)) for name in ("blur", "q", "frame"))
    across, down = found.get("f", MIDDLE)
    options = Options(
        mode,
        width,
        height,
        focus=(across, down),
        enlarge="up" in found,
        blur=blur,
        quality=quality,
        frame=frame,
    )
    if "box" in found:
        left, top, wide, high = found["box"]
        options = options._replace(box=(left, top, wide, high))
    checked(options, ext)
    if str(options) != text:
        raise BadOptions("not the spelling of these options")
    return options


def checked(options: Options, ext: str) -> Options:
    """The same options, when they make sense together. Raises `BadOptions`, which says why not."""
    width, height, box = options.width, options.height, options.box
    if not (0 <= width <= MAX_SIDE and 0 <= height <= MAX_SIDE):
        raise BadOptions(f"width and height are 1 to {MAX_SIDE}")
    match options.mode:
        case "fit":
            sized = bool(width or height)
        case "fill":
            sized = bool(width and height)
        case "crop":
            sized = bool(width and height) or box is not None
        case _:
            raise BadOptions("the mode is fit, fill or crop")
    if not sized:
        raise BadOptions("a size is missing")
    if box is not None and options.mode != "crop":
        raise BadOptions("a box is for crop")
    if box is not None and not (max(box) <= MAX_BOX and min(box[:2]) >= 0 and min(box[2:]) >= 1):
        raise BadOptions(f"a box has at least a pixel, and no number above {MAX_BOX}")
    cuts_by_focus = options.mode != "fit" and box is None
    if not all(0 <= part <= 1000 for part in options.focus):
        raise BadOptions("the focus is 0 to 1 from the left and from the top")
    if options.focus != MIDDLE and not cuts_by_focus:
        raise BadOptions("a focus is for fill, and for crop without a box")
    if options.enlarge and ((options.mode == "crop" and box is None) or not (width or height)):
        raise BadOptions("there is nothing to enlarge to")
    if options.mode != "fit" and width * height > MAX_OUTPUT_PIXELS and box is None:
        raise BadOptions(f"a result has at most {MAX_OUTPUT_PIXELS} pixels")
    if not 0 <= options.blur <= MAX_BLUR:
        raise BadOptions(f"blur is at most {MAX_BLUR}")
    if not 0 <= options.frame <= MAX_FRAME:
        raise BadOptions(f"frames are counted from 0 to {MAX_FRAME}")
    if not 0 <= options.quality <= 100:
        raise BadOptions("quality is 1 to 100")
    if options.quality and (ext not in FORMATS or not FORMATS[ext].is_lossy):
        # Without an extension nobody knows what the number means: each encoder has a scale.
        raise BadOptions("quality is for a format that has one, and that is named")
    return options
