"""Which format a client gets that lets its Accept header choose."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import AvifImagePlugin, Image

from media.images import formats
from media.images.accept import chosen_format
from media.images.formats import FORMATS

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
SAFARI_13 = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"


@pytest.mark.parametrize(
    ("accept", "ext"),
    [
        (CHROME, "avif"),
        (FIREFOX, "avif"),
        (SAFARI_13, "jpg"),
        ("", "jpg"),
        ("*/*", "jpg"),
        ("image/*", "jpg"),
        # q is what the client wants; where it is equal we choose.
        ("image/webp,image/avif", "avif"),
        ("image/avif;q=0.5,image/webp", "webp"),
        ("image/avif;q=0.5,image/webp;q=0.6,image/jpeg", "jpg"),
        ("image/avif;q=0.5,image/*;q=0.4", "avif"),
        ("image/avif;q=0.5,*/*", "jpg"),
        ("IMAGE/WEBP;q=0.5", "webp"),
        ("image/webp ; q=0.500", "webp"),
        # 0 is a refusal, and the type's own word counts before a range's.
        ("image/webp; q=0, image/jpeg", "jpg"),
        ("image/avif;q=0,image/webp;q=0.000,*/*", "jpg"),
        ("image/jpeg;q=0,image/*", "png"),
        ("image/jpeg;q=0,*/*;q=0.1", "png"),
        ("image/png", "png"),
        ("image/gif", "gif"),
        # Nothing that we have, or nothing that can be read: what every client shows.
        ("image/jxl", "jpg"),
        ("text/html", "jpg"),
        ("*/*;q=0", "jpg"),
        ("image/webpx", "jpg"),
        ("image/webp;q=2", "jpg"),
        ("image/webp;q=-1", "jpg"),
        ("image/webp;q=nan", "jpg"),
        ("image/webp;q=0.5;q=1", "jpg"),
        (",,;;,", "jpg"),
    ],
)
def test_the_header_chooses(accept: str, ext: str) -> None:
    assert chosen_format(accept) == ext


@pytest.mark.parametrize(
    ("accept", "ext"),
    [
        (CHROME, "avif"),
        ("image/webp,*/*", "webp"),
        ("*/*", "png"),
        ("", "png"),
        (SAFARI_13, "png"),
        ("image/jpeg", "jpg"),
        ("image/png;q=0,*/*", "jpg"),
    ],
)
def test_what_is_transparent_is_no_jpeg_where_png_is_taken(accept: str, ext: str) -> None:
    assert chosen_format(accept, transparent=True) == ext


def test_a_format_without_an_encoder_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FORMATS, "avif")
    assert chosen_format(CHROME) == "webp"
    monkeypatch.delitem(FORMATS, "webp")
    assert chosen_format(CHROME) == "jpg"


def test_an_encoder_without_the_tuning_is_used_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow may be built with an older one, which refuses what it does not know."""
    save = AvifImagePlugin._save

    def strict(image: Any, *args: Any, **kwargs: Any) -> None:
        if "advanced" in image.encoderinfo:
            raise ValueError("Invalid codec-specific option")
        save(image, *args, **kwargs)

    monkeypatch.setitem(Image.SAVE, "AVIF", strict)
    assert formats._working()["avif"] is formats._OLD_AVIF
    monkeypatch.undo()
    assert formats._working()["avif"] is formats.AVIF


def test_an_encoder_that_fails_is_no_encoder() -> None:
    assert not formats._works(formats.AVIF._replace(options={"codec": "no such codec"}))
    assert all(formats._works(one) for one in FORMATS.values())


@given(st.text(max_size=200), st.booleans())
def test_any_text_chooses_something(accept: str, transparent: bool) -> None:
    assert chosen_format(accept, transparent=transparent) in FORMATS
