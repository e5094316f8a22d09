"""Options of variants: one spelling each, and limits that hold."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from media.errors import MediaRefused
from media.images.formats import FORMATS
from media.images.geometry import Plan, as_stored, plan
from media.images.options import (
    MAX_OUTPUT_PIXELS,
    MAX_SIDE,
    MIDDLE,
    BadOptions,
    Options,
    checked,
    parse,
)

LOSSY = sorted(ext for ext, one in FORMATS.items() if one.is_lossy)
sides = st.integers(0, MAX_SIDE)
pixels = st.integers(1, 20_000)


@st.composite
def good_options(draw: st.DrawFn) -> Options:
    mode = draw(st.sampled_from(["fit", "fill", "crop"]))
    box = None
    if mode == "crop" and draw(st.booleans()):
        box = draw(st.tuples(st.integers(0, 20_000), st.integers(0, 20_000), pixels, pixels))
    cuts = mode != "fit" and box is None
    options = Options(
        mode,
        draw(sides),
        draw(sides),
        box=box,
        focus=draw(st.tuples(st.integers(0, 1000), st.integers(0, 1000))) if cuts else MIDDLE,
        enlarge=draw(st.booleans()),
        blur=draw(st.integers(0, 100)),
        quality=draw(st.integers(0, 100)),
        frame=draw(st.integers(0, 599)),
    )
    try:
        return checked(options, "webp")
    except BadOptions:
        assume(False)
        raise


@given(good_options())
def test_what_is_made_is_read_as_it_was_made(options: Options) -> None:
    assert parse(str(options), "webp") == options
    assert len(str(options)) <= 80


@given(options=good_options(), data=st.data())
def test_there_is_no_second_spelling(options: Options, data: st.DataObject) -> None:
    """Whatever else is read as something, it is not read as the same."""
    text = str(options)
    index = data.draw(st.integers(0, len(text)))
    piece = data.draw(
        st.sampled_from(["0", ",", "-", "+", " ", "%2d", "1", "w-1", ",up", ",f-0-0"])
    )
    cut = data.draw(st.integers(0, 3))
    changed = text[:index] + piece + text[index + cut :]
    if changed == text:
        return
    try:
        assert parse(changed, "webp") != options
    except BadOptions:
        pass


@given(st.text(alphabet="fitlcropwhbxuqa0123456789,-.", max_size=120))
def test_text_at_random_is_refused_or_is_its_own_spelling(text: str) -> None:
    try:
        assert str(parse(text, "jpg")) == text
    except BadOptions:
        pass


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fit",
        "fill,w-10",
        "crop,w-10",
        "crop",
        "zoom,w-10",
        "Fit,w-10",
        "fit,w-0",
        "fit,w-010",
        "fit,w-+10",
        "fit,w--10",
        "fit,w-1e3",
        "fit,w-١٠",  # digits, but not ours
        "fit,w-4097",
        "fit,w-99999999999999999999",
        "fit,h-10,w-10",  # another order
        "fit,w-10,w-10",
        "fit,w-10,w-20",
        "fit,w-10,",
        "fit,,w-10",
        "fit,w-10,x-1",
        "fit,w-10,f-500-500",
        "fit,w-10,f-1-1",
        "fill,w-10,h-10,f-500-500",  # the default is not spelled
        "fill,w-10,h-10,f-1001-0",
        "fill,w-10,h-10,f-1",
        "fill,w-4096,h-4096",  # too many pixels
        "fit,w-10,box-0-0-1-1",
        "crop,box-0-0-0-1",
        "crop,box-0-0-1",
        "crop,w-10,box-0-0-5-5,f-1-1",
        "crop,w-10,h-10,up",
        "crop,box-0-0-5-5,up",
        "fit,w-10,blur-0",
        "fit,w-10,blur-101",
        "fit,w-10,q-0",
        "fit,w-10,q-101",
        "fit,w-10,frame-0",
        "fit,w-10,up-1",
        "fit,w-10\n",
        "fit,w-10,q-80/../x",
        "http://example.com/a.jpg",
    ],
)
def test_what_is_no_option(text: str) -> None:
    with pytest.raises(BadOptions):
        parse(text, "jpg")


@pytest.mark.parametrize("ext", [*sorted(set(FORMATS) - set(LOSSY)), "", "mp4"])
def test_quality_needs_a_format_that_has_one(ext: str) -> None:
    parse("fit,w-10", ext)
    with pytest.raises(BadOptions, match="quality"):
        parse("fit,w-10,q-50", ext)
    for lossy in LOSSY:
        assert parse("fit,w-10,q-50", lossy).quality == 50


def test_long_text_is_refused_by_its_length() -> None:
    with pytest.raises(BadOptions, match="long"):
        parse("fit" + ",w-1" * 100_000, "jpg")


# Geometry.


def laid(text: str, width: int, height: int) -> tuple[tuple[int, ...], tuple[int, int]]:
    return plan(parse(text, ""), width, height)


@pytest.mark.parametrize(
    ("text", "source", "box", "size"),
    [
        ("fit,w-320,h-320", (4000, 3000), (0, 0, 4000, 3000), (320, 240)),
        ("fit,w-320", (3000, 4000), (0, 0, 3000, 4000), (320, 427)),
        ("fit,h-320", (3000, 4000), (0, 0, 3000, 4000), (240, 320)),
        ("fit,w-320,h-100", (4000, 3000), (0, 0, 4000, 3000), (133, 100)),
        ("fit,w-800", (400, 300), (0, 0, 400, 300), (400, 300)),
        ("fit,w-800,up", (400, 300), (0, 0, 400, 300), (800, 600)),
        ("fit,w-10", (3000, 1), (0, 0, 3000, 1), (10, 1)),
        ("fill,w-100,h-100", (400, 300), (50, 0, 350, 300), (100, 100)),
        ("fill,w-100,h-100,f-0-0", (400, 300), (0, 0, 300, 300), (100, 100)),
        ("fill,w-100,h-100,f-1000-1000", (400, 300), (100, 0, 400, 300), (100, 100)),
        ("fill,w-100,h-100,f-400-0", (400, 300), (10, 0, 310, 300), (100, 100)),
        ("fill,w-100,h-200", (400, 300), (125, 0, 275, 300), (100, 200)),
        ("fill,w-800,h-800", (400, 300), (50, 0, 350, 300), (300, 300)),
        ("fill,w-800,h-400", (400, 300), (0, 50, 400, 250), (400, 200)),
        ("fill,w-800,h-800,up", (400, 300), (50, 0, 350, 300), (800, 800)),
        ("crop,w-100,h-50", (400, 300), (150, 125, 250, 175), (100, 50)),
        ("crop,w-100,h-50,f-1000-0", (400, 300), (300, 0, 400, 50), (100, 50)),
        ("crop,w-1000,h-50", (400, 300), (0, 125, 400, 175), (400, 50)),
        ("crop,box-10-20-100-50", (400, 300), (10, 20, 110, 70), (100, 50)),
        ("crop,w-50,box-10-20-100-50", (400, 300), (10, 20, 110, 70), (50, 25)),
        ("crop,box-390-290-100-50", (400, 300), (390, 290, 400, 300), (10, 10)),
        ("crop,w-200,box-10-20-100-50,up", (400, 300), (10, 20, 110, 70), (200, 100)),
    ],
)
def test_what_is_shown(
    text: str, source: tuple[int, int], box: tuple[int, ...], size: tuple[int, int]
) -> None:
    assert laid(text, *source) == (box, size)


def test_a_box_outside_the_picture_is_refused() -> None:
    for box in ("400-0-5-5", "0-300-5-5"):
        with pytest.raises(MediaRefused, match="outside"):
            laid(f"crop,box-{box}", 400, 300)


@given(options=good_options(), width=pixels, height=pixels)
def test_every_plan_lies_within_its_picture_and_its_limits(
    options: Options, width: int, height: int
) -> None:
    try:
        (left, top, right, bottom), size = plan(options, width, height)
    except MediaRefused:
        return
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert min(size) >= 1
    assert size[0] * size[1] <= MAX_OUTPUT_PIXELS
    assert max(size) <= MAX_SIDE
    if options.width:
        assert size[0] <= options.width
    if options.height:
        assert size[1] <= options.height
    if not options.enlarge:
        assert size[0] <= right - left
        assert size[1] <= bottom - top


def test_the_cap_counts_what_comes_out_not_what_was_asked() -> None:
    """A narrow picture, one side given, enlarged: the other side is not in the URL."""
    with pytest.raises(MediaRefused, match="pixels"):
        laid("fit,w-4096,up", 100, 400)
    with pytest.raises(MediaRefused, match="pixels"):
        laid("crop,w-4096,box-0-0-1-100,up", 100, 400)


@pytest.mark.parametrize(
    "text", ["fit,w-600", "fit,w-400,up", "crop,box-0-0-2-5000", "crop,w-2,box-0-0-2-5000"]
)
def test_a_side_that_is_not_in_the_url_has_the_same_bound(text: str) -> None:
    with pytest.raises(MediaRefused, match="longer than 4096"):
        laid(text, 600, 16_000)
    assert laid("fit,w-600,h-4096", 600, 16_000)[1] == (154, 4096)


@given(
    orientation=st.integers(1, 8),
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    data=st.data(),
)
def test_a_part_is_the_same_part_of_a_file_that_lies_on_its_side(
    orientation: int, width: int, height: int, data: st.DataObject
) -> None:
    pixels = (bytes(range(251)) * 44)[: width * height * 3]
    stored = Image.frombytes("RGB", (width, height), pixels)
    stored.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(stored)
    left, right = sorted(data.draw(st.integers(0, upright.width)) for _ in "lr")
    top, bottom = sorted(data.draw(st.integers(0, upright.height)) for _ in "tb")
    assume(left < right and top < bottom)
    wanted = upright.crop((left, top, right, bottom))
    size = (right - left, bottom - top)
    box, stored_size = as_stored(
        Plan((left, top, right, bottom), size),
        orientation,
        width,
        height,
    )
    part = stored.crop(box)
    assert part.size == stored_size
    part.getexif()[0x0112] = orientation
    assert ImageOps.exif_transpose(part).tobytes() == wanted.tobytes()
