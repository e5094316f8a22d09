"""Measures decoders' and encoders' settings on photographs: size, time and likeness.

`python -m bench.encoders` prints the tables of encoders.md. Everything runs in one thread of one
process, as in a worker, and times are of its processor. Likeness is the structural similarity
(SSIM: Wang et al., 2004) of the brightness, with a Gaussian window.

Encoders are compared at equal likeness: each setting is asked for the quality at which it is as
like the source as a goal is, by interpolation between the qualities of `SWEEP`. Only so do their
bytes and times say something.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from bench.pictures import camera_jpeg, scene
from media.images.formats import FORMATS
from media.images.presets import PRESETS
from media.images.rendering import ImageLimits, render
from media.images.sniff import ImageType

Picture = Image.Image
FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}
SWEEP = (40, 48, 56, 64, 72, 80, 88, 96)


class Point(NamedTuple):
    """What one setting made of one photograph."""

    size: float  # bytes
    seconds: float
    ssim: float


def luma(image: Picture) -> Any:
    return np.asarray(image.convert("L"))


def likeness(one: Any, other: Any) -> float:
    """Of two pictures' brightness."""
    compare: Any = structural_similarity
    found = compare(
        one, other, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return float(found)


def best_of(rounds: int, fn: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest time: what is more than that is other work on the machine."""
    best, made = float("inf"), None
    for _ in range(rounds):
        begin = time.process_time()
        made = fn()
        best = min(best, time.process_time() - begin)
    return best, made


# Decoding and reducing.


def reduced(data: bytes, longer: int, draft: float, gap: float | None, how: str) -> Picture:
    """As `media.images.rendering` does it. `draft` is how much larger than wanted a JPEG is
    decoded at least; 0 is in full."""
    opened = Image.open(BytesIO(data))
    scale = longer / max(opened.size)
    size = (round(opened.width * scale), round(opened.height * scale))
    if draft:
        opened.draft("RGB", (round(size[0] * draft), round(size[1] * draft)))
    opened.load()
    return opened.resize(size, FILTERS[how], reducing_gap=gap)


def decoding(shots: Sequence[bytes], longer: int, rounds: int) -> list[str]:
    wanted = [luma(reduced(data, longer, 0, None, "lanczos")) for data in shots]
    lines = [
        f"| 12 megapixels to {longer} | draft | gap | filter | ms | SSIM |",
        "|---|---|---|---|---|---|",
    ]
    for draft in (0, 1, 2):
        for gap in (None, 1.5, 2.0):
            for how in FILTERS:
                took, found = 0.0, 0.0
                for data, reference in zip(shots, wanted, strict=True):
                    seconds, image = best_of(
                        rounds, partial(reduced, data, longer, draft, gap, how)
                    )
                    took += seconds / len(shots)
                    found += likeness(luma(image), reference) / len(shots)
                lines.append(
                    f"| | {draft or 'off'} | {gap or 'off'} | {how} | {took * 1e3:.1f} "
                    f"| {found:.4f} |"
                )
    return lines


# Encoding.


def encoded(image: Picture, kind: str, options: Mapping[str, object]) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def measured(image: Picture, kind: str, options: Mapping[str, object], rounds: int) -> Point:
    seconds, data = best_of(rounds, lambda: encoded(image, kind, options))
    return Point(len(data), seconds, likeness(luma(Image.open(BytesIO(data))), luma(image)))


class Setting(NamedTuple):
    name: str
    kind: str
    options: Mapping[str, object]


def _avif(speed: int, **tuning: str) -> Setting:
    advanced = {"advanced": {name.replace("_", "-"): value for name, value in tuning.items()}}
    name = ", ".join([f"AVIF speed {speed}", *(f"{key} {value}" for key, value in tuning.items())])
    options: dict[str, object] = {"speed": speed, "max_threads": 1}
    return Setting(name.replace("_", "-"), "AVIF", options | (advanced if tuning else {}))


TUNINGS: tuple[dict[str, str], ...] = (
    {},
    {"tune": "ssim"},
    {"tune": "ssim", "deltaq_mode": "6"},
)

SETTINGS = (
    Setting("JPEG", "JPEG", {}),
    Setting("JPEG optimize", "JPEG", {"optimize": True}),
    Setting("JPEG progressive", "JPEG", {"progressive": True}),
    Setting("JPEG progressive, 4:4:4", "JPEG", {"progressive": True, "subsampling": 0}),
    *(Setting(f"WebP method {one}", "WEBP", {"method": one}) for one in range(7)),
    *(_avif(speed, **tuning) for speed in range(6, 11) for tuning in TUNINGS),
)
GOALS = (  # what Pillow does unless told otherwise, at a quality of 80
    Setting("WebP 80", "WEBP", {"quality": 80, "method": 4}),
    Setting("AVIF 80", "AVIF", {"quality": 80, "speed": 6, "max_threads": 1}),
)


class Costs(NamedTuple):
    """Of one setting at a goal's likeness; means of the photographs."""

    size: float  # of the goal's bytes
    ms: float
    quality: float


def at_goal(curves: Sequence[Sequence[Point]], goals: Sequence[Point]) -> Costs:
    """Each curve is one photograph at the qualities of `SWEEP`."""
    found = []
    for points, goal in zip(curves, goals, strict=True):
        known = [point.ssim for point in points]
        size = np.exp(np.interp(goal.ssim, known, [np.log(point.size) for point in points]))
        ms = np.interp(goal.ssim, known, [point.seconds * 1e3 for point in points])
        found.append((size / goal.size, ms, np.interp(goal.ssim, known, SWEEP)))
    return Costs(*(float(one) for one in np.mean(found, axis=0)))


def encoding(shots: Sequence[Picture], rounds: int) -> list[str]:
    goals = [[measured(shot, goal.kind, goal.options, rounds) for shot in shots] for goal in GOALS]
    lines = ["", ""]
    for goal, points in zip(GOALS, goals, strict=True):
        size = float(np.mean([one.size for one in points]))
        ssim = float(np.mean([one.ssim for one in points]))
        ms = float(np.mean([one.seconds for one in points])) * 1e3
        print(f"{goal.name}: {size:,.0f} bytes, SSIM {ssim:.4f}, {ms:.0f} ms")
        lines[0] += f" as like as {goal.name}: bytes of its | ms | quality |"
        lines[1] += "---|---|---|"
    print()
    print(f"| setting |{lines[0]}\n|---|{lines[1]}")
    rows = []
    for setting in SETTINGS:
        curves = [
            [
                measured(shot, setting.kind, {**setting.options, "quality": quality}, rounds)
                for quality in SWEEP
            ]
            for shot in shots
        ]
        costs = [at_goal(curves, points) for points in goals]
        cells = " | ".join(f"{one.size:.3f} | {one.ms:.1f} | {one.quality:.0f}" for one in costs)
        rows.append(f"| {setting.name} | {cells} |")
    return rows


# What a worker does.


def rendering(shots: Sequence[bytes], name: str, rounds: int) -> list[str]:
    lines = []
    for preset in ("large", "small", "thumb"):
        for ext in FORMATS:
            took, size = 0.0, 0.0
            for data in shots:
                run = partial(render, data, ImageType.JPEG, PRESETS[preset], ext, ImageLimits())
                seconds, made = best_of(rounds, run)
                took += seconds / len(shots)
                size += len(made) / len(shots)
            lines.append(f"| {name} | {preset}.{ext} | {took * 1e3:.1f} | {size / 1e3:.1f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shots", type=int, default=4, help="photographs")
    parser.add_argument("--only", choices=["decode", "encode", "render"])
    args = parser.parse_args()
    numbers = range(args.shots)
    if args.only in (None, "decode"):
        cameras = [camera_jpeg(4000, 3000, number) for number in numbers]
        for longer in (1080, 320):
            print("\n".join(decoding(cameras, longer, args.rounds)), end="\n\n", flush=True)
    if args.only in (None, "encode"):
        pictures = [
            scene(1600, 1250, number).resize((1080, 844), Image.Resampling.LANCZOS)
            for number in numbers
        ]
        print("\n".join(encoding(pictures, args.rounds)), end="\n\n", flush=True)
    if args.only in (None, "render"):
        print("| JPEG | variant | ms | KB |\n|---|---|---|---|")
        for width, height, name in ((4000, 3000, "12 megapixels"), (1600, 1250, "2 megapixels")):
            files = [camera_jpeg(width, height, number) for number in numbers]
            print("\n".join(rendering(files, name, args.rounds)), flush=True)


if __name__ == "__main__":
    main()
