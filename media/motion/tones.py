"""High dynamic range on a screen without: what a phone has recorded in HLG or PQ (ITU-R BT.2100)
as R'G'B' of BT.709 (pure, but for the filters of Pillow that are made of it).

Each colour by itself first: diffuse white, 203 cd/m² by ITU-R BT.2408, comes to nine tenths of the
signal; what is brighter, up to 1000 cd/m², into what is left above it, growing paler on its way to
white; what is darker than `KNEE` of white is shown as bright as it was. Then from the primaries of
BT.2020 to those of BT.709. So greys stay grey and none is shown darker than a darker one, which a
table for both at once would not hold: it is interpolated across colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import product

from PIL import Image, ImageFilter

Color = tuple[float, float, float]

PQ, HLG = 16, 18
"""Transfer characteristics by their numbers in ITU-T H.273."""

WHITE = 203.0  # cd/m²
PEAK = 1000.0
KNEE = 0.6
GAMMA = 2.4  # of the screen: ITU-R BT.1886
SIZE = 33  # steps of each colour in the table of primaries

_TO_709 = (
    (1.6605, -0.5876, -0.0729),
    (-0.1246, 1.1329, -0.0083),
    (-0.0182, -0.1006, 1.1188),
)
"""Linear light of BT.2020 in the primaries of BT.709 (ITU-R BT.2407)."""


def hlg_light(signal: float) -> float:
    """cd/m² on a screen of `PEAK`, whose system gamma is 1.2, for a signal from 0 to 1."""
    if signal <= 0.5:
        scene = signal * signal / 3
    else:
        scene = (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return PEAK * math.pow(scene, 1.2)


def pq_light(signal: float) -> float:
    """cd/m² for a signal from 0 to 1."""
    part = math.pow(signal, 1 / 78.84375)
    ratio = max(0.0, part - 0.8359375) / (18.8515625 - 18.6875 * part)
    return 10_000 * math.pow(ratio, 1 / 0.1593017578125)


LIGHT: dict[int, Callable[[float], float]] = {HLG: hlg_light, PQ: pq_light}


def shoulder(light: float) -> float:
    """0 to 1 for light in parts of white: up to the knee as it is, then flatter and flatter up to
    the peak."""
    if light <= KNEE:
        return light
    most = (PEAK / WHITE - KNEE) / (1 - KNEE)
    over = (min(light, PEAK / WHITE) - KNEE) / (1 - KNEE)
    return min(1.0, KNEE + (1 - KNEE) * over / (1 + over) * (1 + most) / most)


def toned(transfer: int, signal: float) -> float:
    """One colour of high dynamic range in standard range, both from 0 to 1."""
    return math.pow(shoulder(LIGHT[transfer](signal) / WHITE), 1 / GAMMA)


def narrowed(color: Color) -> Color:
    """R'G'B' of BT.2020 as that of BT.709; what that has not got, as near as it has."""
    red, green, blue = (one**GAMMA for one in color)
    made = [
        min(1.0, max(0.0, a * red + b * green + c * blue)) ** (1 / GAMMA) for a, b, c in _TO_709
    ]
    return made[0], made[1], made[2]


class Tones:
    """Brings images of one transfer to standard range."""

    def __init__(self, transfer: int) -> None:
        self._curve = [round(255 * toned(transfer, one / 255)) for one in range(256)] * 3
        self._primaries = _primaries()

    def __call__(self, image: Image.Image) -> Image.Image:
        """Of an image in RGB."""
        return image.point(self._curve).filter(self._primaries)


@cache
def _primaries() -> ImageFilter.Color3DLUT:
    steps = [one / (SIZE - 1) for one in range(SIZE)]
    # Of the table the first colour changes fastest.
    colors = (narrowed((red, green, blue)) for blue, green, red in product(steps, repeat=3))
    return ImageFilter.Color3DLUT(SIZE, [one for color in colors for one in color])


@cache
def tones_of(transfer: int) -> Tones | None:
    """None where the transfer is of standard range."""
    return Tones(transfer) if transfer in LIGHT else None
