"""Photographs of a camera's size, made of those that scikit-image ships.

No photograph of 12 megapixels comes with a package, so four are laid side by side, each enlarged
to its quarter, with a sensor's noise on top: reduced to what a phone shows, they have the detail
of photographs, and their encoders the work of photographs.
"""

from __future__ import annotations

import importlib.util
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = (
    "astronaut.png",
    "coffee.png",
    "chelsea.png",
    "retina.jpg",
    "rocket.jpg",
    "motorcycle_left.png",
    "hubble_deep_field.jpg",
    "grass.png",
)
NOISE = 2.0  # standard deviation, of 255


def photographs() -> list[Image.Image]:
    """The photographs themselves, in RGB."""
    spec = importlib.util.find_spec("skimage")
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    if not folders:
        raise SystemExit("the photographs are those of scikit-image: pip install 'sunwire[demo]'")
    return [Image.open(Path(folders[0], "data", name)).convert("RGB") for name in NAMES]


def scene(width: int, height: int, number: int) -> Image.Image:
    """Four of them beside and below each other; the same for the same `number`."""
    shots = photographs()
    canvas = Image.new("RGB", (width, height))
    for quarter in range(4):
        shot = shots[(number + quarter * 3) % len(shots)]
        left, top = quarter % 2 * width // 2, quarter // 2 * height // 2
        size = (width - width // 2, height - height // 2)
        canvas.paste(_covering(shot, size), (left, top))
    noise = np.random.default_rng(number).normal(0.0, NOISE, (height, width, 3))
    noisy = np.clip(np.asarray(canvas, dtype=np.float64) + noise, 0, 255)
    return Image.fromarray(noisy.astype(np.uint8))


def _covering(shot: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of it in this size."""
    scale = max(size[0] / shot.width, size[1] / shot.height)
    wide, high = size[0] / scale, size[1] / scale
    left, top = (shot.width - wide) / 2, (shot.height - high) / 2
    return shot.resize(size, Image.Resampling.LANCZOS, box=(left, top, left + wide, top + high))


def camera_jpeg(width: int, height: int, number: int, quality: int = 92) -> bytes:
    """As a camera writes it."""
    out = BytesIO()
    scene(width, height, number).save(out, "JPEG", quality=quality)
    return out.getvalue()
