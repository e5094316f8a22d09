"""Light of high dynamic range, and how it is shown without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from media.motion.tones import (
    HLG,
    LIGHT,
    PEAK,
    PQ,
    WHITE,
    hlg_light,
    narrowed,
    pq_light,
    shoulder,
    toned,
    tones_of,
)

SIGNAL = st.floats(0, 1)
TRANSFER = st.sampled_from(sorted(LIGHT))


@pytest.mark.parametrize(
    ("light", "signal", "wanted"),
    [
        # ITU-R BT.2408, table 1: a grey card, diffuse white; and the peak.
        (hlg_light, 0.38, 26),
        (hlg_light, 0.75, 203),
        (hlg_light, 1.0, 1000),
        (pq_light, 0.38, 26),
        (pq_light, 0.58, 203),
        (pq_light, 0.7518, 1000),
        (pq_light, 1.0, 10_000),
        (hlg_light, 0.0, 0),
        (pq_light, 0.0, 0),
    ],
)
def test_what_signals_mean(light: Callable[[float], float], signal: float, wanted: float) -> None:
    assert light(signal) == pytest.approx(wanted, rel=0.03, abs=0.01)


def test_a_grey_card_is_as_in_standard_range_and_white_nearly_white() -> None:
    for transfer, card, white in ((HLG, 0.38, 0.75), (PQ, 0.38, 0.58)):
        assert toned(transfer, card) == pytest.approx(0.42, abs=0.02)
        assert toned(transfer, white) == pytest.approx(0.92, abs=0.01)
    assert toned(HLG, 1) == pytest.approx(1)


@given(SIGNAL, SIGNAL)
def test_what_is_brighter_is_never_shown_darker(one: float, other: float) -> None:
    low, high = sorted((one * 60, other * 60))
    assert shoulder(low) <= shoulder(high) <= 1
    assert shoulder(PEAK / WHITE) == pytest.approx(1)


@given(SIGNAL, SIGNAL, SIGNAL)
def test_every_colour_has_one_in_the_narrower_range(red: float, green: float, blue: float) -> None:
    assert all(0 <= one <= 1 for one in narrowed((red, green, blue)))
    assert narrowed((red, red, red)) == pytest.approx((red,) * 3, abs=0.001)


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_greys_stay_grey_and_in_order(transfer: int) -> None:
    tones = tones_of(transfer)
    assert tones is not None
    ramp = Image.new("RGB", (256, 1))
    ramp.putdata([(one, one, one) for one in range(256)])
    before = 0
    for at in range(256):
        pixel = tones(ramp).getpixel((at, 0))
        assert isinstance(pixel, tuple)
        assert max(pixel) - min(pixel) <= 3
        assert pixel[1] >= before
        assert pixel[1] == pytest.approx(255 * toned(transfer, at / 255), abs=3)
        before = int(pixel[1])


def test_standard_range_is_left_alone() -> None:
    assert [tones_of(one) for one in (1, 2, 6, 13)] == [None] * 4
    assert tones_of(HLG) is tones_of(HLG)
