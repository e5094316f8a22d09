"""The named sizes in which photographs are served (pure).

An image is never enlarged. A crop is square, from the middle.
"""

from __future__ import annotations

from typing import NamedTuple

VERSION = 1
"""Part of every stored variant's key: raise it when a preset or an encoder setting changes."""


class Preset(NamedTuple):
    name: str
    size: int  # pixels of the longer side
    crop: bool = False


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("thumb", 150, crop=True),
        Preset("small", 320),
        Preset("medium", 640),
        Preset("large", 1080),
        Preset("avatar64", 64, crop=True),
        Preset("avatar160", 160, crop=True),
        Preset("avatar320", 320, crop=True),
    )
}
PRESET_NAMES = frozenset(PRESETS)
DEFAULT = "medium"  # what a public object's URL names; clients put another in its place
LARGEST = "large"

MIMES = {"jpg": "image/jpeg", "webp": "image/webp"}
"""What variants are encoded as, by the extension in the URL."""


def chosen_format(accept: str) -> str:
    """The extension for a URL that names none, from the request's Accept header."""
    for part in accept.split(","):
        name, _, parameters = part.strip().partition(";")
        if name.strip().lower() == "image/webp":
            return "jpg" if parameters.replace(" ", "") in ("q=0", "q=0.0") else "webp"
    return "jpg"
