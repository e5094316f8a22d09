"""The table of the comparison with thumbor."""

from __future__ import annotations

from typing import Any

from bench.photos.report import page

ABOUT = {"machine": "two cores", "versions": {"thumbor": "7"}, "load": "2.0"}


def figures(requests: int) -> dict[str, Any]:
    return {
        "requests": requests,
        "seconds": 1.0,
        "p50": 1.0,
        "p99": 2.0,
        "sizes": [1],
        "cpu": 0.2,
        "server": 0.0,
    }


def row(own: list[int], peer: list[int], likeness: float = 0.9) -> dict[str, Any]:
    seen = {"size": (4, 3), "bytes": 1000, "ssim": 0.9, "quality": 0}
    return {
        "seen": {"Sunwire": {**seen, "ssim": likeness}, "thumbor": seen},
        "rounds": [
            {"Sunwire": figures(one), "thumbor": figures(other)}
            for one, other in zip(own, peer, strict=True)
        ],
    }


def line(text: str, begin: str) -> str:
    return next(one for one in text.splitlines() if one.startswith(f"| {begin}"))


def test_ratios_are_of_one_round() -> None:
    text = page({"cached": row([300, 600, 400], [100, 100, 200])}, ABOUT)
    assert "| 3.00 (2.00–6.00) |  | 3 | yes |" in line(text, "a cached variant")
    assert "20% to 20%" in text
    text = page({"cached": row([299], [100])}, ABOUT)
    assert line(text, "a cached variant").endswith("| **no** |")


def test_a_processor_may_give_more_than_a_second_does() -> None:
    found = row([10], [10])
    found["rounds"][0]["Sunwire"]["server"] = 1.0
    found["rounds"][0]["thumbor"]["server"] = 2.5
    assert "| 1.00 (1.00–1.00) | 2.50 (2.50–2.50) |" in line(page({"webp": found}, ABOUT), "WebP")


def test_files_of_one_size_must_be_as_good() -> None:
    assert line(page({"webp": row([2], [1])}, ABOUT), "WebP").endswith("| yes |")
    worse = page({"webp": row([2], [1], likeness=0.89)}, ABOUT)
    assert line(worse, "WebP").endswith("| **no** |")


def test_percentiles_behind_encodes() -> None:
    def both(idle: float, behind: float) -> dict[str, Any]:
        return {"idle": {"p50": 1, "p99": idle}, "behind": {"p50": 1, "p99": behind}}

    text = page({"behind-encodes": {"rounds": [both(1, 2), both(1, 4), both(1, 2.5)]}}, ABOUT)
    assert "2.50 (2.00–4.00); asked: under 3; yes" in text
