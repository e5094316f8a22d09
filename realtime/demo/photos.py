"""The photographs that scikit-image's wheel ships."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cached_property
from pathlib import Path

NAMES = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "retina.jpg",
    "hubble_deep_field.jpg",
    "camera.png",
    "coins.png",
    "moon.png",
    "brick.png",
    "grass.png",
    "gravel.png",
)


class Photograph:
    """A file, and what it must be when it comes back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def photographs() -> list[Photograph]:
    """Those of `NAMES` that are installed. Nothing is downloaded, nor scikit-image imported.
    Raises `ValueError` when there are none."""
    spec = importlib.util.find_spec("skimage")
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    paths = [Path(folder) / "data" / name for folder in folders for name in NAMES]
    found = [Photograph(path) for path in paths if path.is_file()]
    if not found:
        raise ValueError(
            "the demo posts photographs that scikit-image ships: install the extra `demo` "
            "(pip install 'sunwire[demo]')"
        )
    return found
