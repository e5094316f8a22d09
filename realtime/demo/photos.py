"""The photographs that scikit-image's wheel ships."""

from __future__ import annotations

import importlib.util
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


def photographs() -> list[Path]:
    """Those of `NAMES` that are installed. Nothing is downloaded, nor scikit-image imported.
    Raises `ValueError` when there are none."""
    spec = importlib.util.find_spec("skimage")
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    paths = [Path(folder) / "data" / name for folder in folders for name in NAMES]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise ValueError(
            "the demo posts photographs that scikit-image ships: install the extra `demo` "
            "(pip install 'sunwire[demo]')"
        )
    return found
