"""A large photograph, reduced once to what every preset is made from (pure).

An upload is decoded whole in any case. What a screen shows of twelve megapixels is a fraction, and
to read all of them again for each variant is most of what a variant costs: so a copy of moderate
size is kept in the cache, where it may go at any time. Variants that need more of the photograph
than it has are made of the original, and so are all of them when it has gone.
"""

from __future__ import annotations

import math

from media.images import presets
from media.images.geometry import plan
from media.images.options import Options

SIDE = 2 * presets.PRESETS[presets.LARGEST].width  # pixels of the longer side
WORTH = 1.5  # how much larger an original is than that, at least, for which one is made
QUALITY = 92  # of its JPEG: what is made of it loses nothing that can be seen
VERSION = 1  # raise it when one of these changes


def reduced_size(width: int, height: int) -> tuple[int, int] | None:
    """Of the copy of an original of that size; None where there is none."""
    longer = max(width, height)
    if longer < SIDE * WORTH:
        return None
    return max(1, round(width * SIDE / longer)), max(1, round(height * SIDE / longer))


def serves(options: Options, width: int, height: int) -> bool:
    """Whether the copy of an original of that size has all pixels that this variant shows. Raises
    `MediaRefused` as `plan` does."""
    size = reduced_size(width, height)
    if size is None or options.frame:
        return False
    box, wanted = plan(options, width, height)
    return (
        math.ceil(wanted[0] * width / (box[2] - box[0])) <= size[0]
        and math.ceil(wanted[1] * height / (box[3] - box[1])) <= size[1]
    )
