"""ThumbHash: the bytes that other implementations make, and a picture that can be recognized."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.images.thumbhash import MAX_BYTES, is_transparent, thumbhash


def pattern(width: int, height: int, transparent: bool) -> bytes:
    made = bytearray()
    for y in range(height):
        for x in range(width):
            alpha = (x * 9 + y * 3 + x * y) % 256 if transparent else 255
            red, green, blue = x * x * 3 + y, y * y + 5 * x, x * y * 7 + x * 31
            made += bytes((red % 256, green % 256, blue % 256, alpha))
    return bytes(made)


@pytest.mark.parametrize(
    ("width", "height", "transparent", "wanted"),
    [  # as two independent implementations on PyPI make them: thash 1.2.1, thumbhash-python 1.0.1
        (32, 24, False, "ddf705158650446557778775776888a7704333c3ff"),
        (20, 30, False, "9be7051508206264765886487787a798526330d0fa"),
        (30, 30, True, "def7810d020780548879764868707710f2ee02233451567476"),
        (1, 1, False, "000802070000000000000000000000000000000000000000"),
        (100, 3, True, "21f88509841774b0779787609af579b733038777968698"),
    ],
)
def test_the_bytes_are_those_of_others(
    width: int, height: int, transparent: bool, wanted: str
) -> None:
    made = thumbhash(width, height, pattern(width, height, transparent))
    assert made.hex() == wanted
    assert is_transparent(made) == transparent


def shown(made: bytes, x: float, y: float) -> tuple[float, float, float]:
    """The colour that a client shows there, 0 to 1 from the left and from the top: the format
    read back, for hashes without transparency."""
    head, shape = int.from_bytes(made[:3], "little"), int.from_bytes(made[3:5], "little")
    landscape = bool(shape >> 15)
    nx, ny = (7, max(3, shape & 7)) if landscape else (max(3, shape & 7), 7)
    nibbles = [half for byte in made[5:] for half in (byte & 15, byte >> 4)]

    def channel(average: float, scale: float, nx: int, ny: int) -> float:
        value = average
        for cy in range(ny):
            for cx in range(0 if cy else 1, nx):
                if cx * ny < nx * (ny - cy):
                    term = (nibbles.pop(0) / 7.5 - 1) * scale
                    wave = math.cos(math.pi * cx * x) * math.cos(math.pi * cy * y)
                    value += 2 * term * wave
        return value

    light = channel((head & 63) / 63, (head >> 18 & 31) / 31, nx, ny)
    yellow = channel((head >> 6 & 63) / 31.5 - 1, (shape >> 3 & 63) / 63 * 1.25, 3, 3)
    rosy = channel((head >> 12 & 63) / 31.5 - 1, (shape >> 9 & 63) / 63 * 1.25, 3, 3)
    blue = light - 2 / 3 * yellow
    red = (3 * light - blue + rosy) / 2
    return red, red - rosy, blue


def test_a_picture_can_be_recognized() -> None:
    """Red on the left, blue on the right."""
    row = bytes((255, 0, 0, 255)) * 16 + bytes((0, 0, 255, 255)) * 16
    made = thumbhash(32, 16, row * 16)
    red, _, blue = shown(made, 0.1, 0.5)
    assert red > 0.7 > 0.3 > blue
    red, _, blue = shown(made, 0.9, 0.5)
    assert blue > 0.7 > 0.3 > red


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_any_pixels_have_a_hash(width: int, height: int, data: st.DataObject) -> None:
    pixels = data.draw(st.binary(min_size=width * height * 4, max_size=width * height * 4))
    made = thumbhash(width, height, pixels)
    assert 5 < len(made) <= MAX_BYTES
    assert is_transparent(made) == any(alpha != 255 for alpha in pixels[3::4])


def test_what_cannot_be_seen_has_a_hash_too() -> None:
    assert is_transparent(thumbhash(2, 2, bytes(16)))


@pytest.mark.parametrize(("width", "height", "size"), [(0, 1, 0), (101, 1, 404), (2, 2, 15)])
def test_what_is_no_small_picture(width: int, height: int, size: int) -> None:
    with pytest.raises(ValueError, match="small"):
        thumbhash(width, height, bytes(size))


def test_no_hash_is_not_transparent() -> None:
    assert not is_transparent(b"")
