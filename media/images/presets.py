"""The named sizes in which photographs are served (pure): free to ask for, as other options are
not. An image is never enlarged. A crop is square, from the middle.
"""

from __future__ import annotations

from media.images.options import Options

VERSION = 4
"""Part of every stored variant's key: raise it when options come to mean something else, or an
encoder setting changes."""


def _bounded(size: int) -> Options:
    return Options("fit", size, size)


def _square(size: int) -> Options:
    return Options("fill", size, size)


PRESETS = {
    "thumb": _square(150),
    "small": _bounded(320),
    "medium": _bounded(640),
    "large": _bounded(1080),
    "avatar64": _square(64),
    "avatar160": _square(160),
    "avatar320": _square(320),
}
PRESET_NAMES = frozenset(PRESETS)
DEFAULT = "medium"  # what a public object's URL names; clients put another in its place
LARGEST = "large"
