"""Photographs, good and hostile, met directly: the workers run these same functions."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps, ImageStat

from media.errors import MediaRefused
from media.images.formats import FORMATS, MIMES
from media.images.options import parse
from media.images.presets import PRESETS
from media.images.rendering import _TURNS, DECODERS, ImageLimits, Inspection, inspect, render
from media.images.sniff import SNIFF_BYTES, ImageType, sniff
from media.images.thumbhash import MAX_BYTES, is_transparent
from media.motion.kinds import sniff_motion
from tests.media import samples

LIMITS = ImageLimits()
GOOD = {
    ImageType.JPEG: samples.jpeg(),
    ImageType.PNG: samples.png(),
    ImageType.WEBP: samples.encoded("WEBP"),
    ImageType.GIF: samples.encoded("GIF"),
    ImageType.AVIF: samples.encoded("AVIF"),
}
KINDS = sorted(GOOD)


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def near(pixel: object, wanted: tuple[int, ...], by: int = 24) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(one - other) <= by for one, other in zip(pixel, wanted, strict=True))


# Types.


@pytest.mark.parametrize("kind", KINDS)
def test_types_are_known_by_their_content(kind: ImageType) -> None:
    assert sniff(GOOD[kind][:64]) is kind
    assert sniff(GOOD[kind][:3]) in (None, kind)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        samples.SVG,
        samples.HTML,
        b"%PDF-1.7",
        b"BM" + bytes(60),
        b"II*\0" + bytes(60),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"RIFF\0\0\0\0WAVE",
        b"\0\0\0\x20ftypmif1\0\0\0\0mif1miaf",
        b"\0\0\0\x20ftypisom\0\0\0\0isomavc1",
        b" \xff\xd8\xff",
    ],
)
def test_all_other_types_are_refused(data: bytes) -> None:
    assert sniff(data) is None


magics = st.sampled_from(
    [
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBP",
        b"\0\0\0\x20ftyp",
        b"\x1a\x45\xdf\xa3\x42\x82\x84webm",
        b"OggS",
    ]
)
brands = st.lists(
    st.sampled_from(
        [b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"isom", b"mp42", b"qt  ", b"M4A "]
    ),
    max_size=10,
).map(b"".join)


@settings(max_examples=500)
@given(magics, magics, brands, st.binary(max_size=64))
def test_any_bytes_are_of_one_type_or_of_none(
    first: bytes, second: bytes, brand: bytes, rest: bytes
) -> None:
    """And the type does not depend on what follows the bytes that are looked at."""
    data = first + brand + second + rest
    image, film = sniff(data), sniff_motion(data)
    assert image is None or film is None
    assert (image, film) == (sniff(data + b"\0" * 64), sniff_motion(data + b"\0" * 64))
    if image is not None:
        assert sniff(data[:SNIFF_BYTES]) is image


# What is said of a good image.


@pytest.mark.parametrize("kind", KINDS)
def test_inspection(kind: ImageType) -> None:
    found = inspect(GOOD[kind], kind, LIMITS)
    assert found[:2] == (400, 300)
    assert found.frames == 1
    red, green, blue = bytes.fromhex(found.color[1:])
    assert near((red, green, blue), samples.RED), found.color
    assert 5 < len(found.thumbhash) <= MAX_BYTES


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_hash_is_of_the_upright_picture(orientation: int) -> None:
    data = samples.turned(orientation)
    upright = samples.encoded("PNG", ImageOps.exif_transpose(opened(data)))
    own = inspect(data, ImageType.JPEG, LIMITS).thumbhash
    other = inspect(upright, ImageType.PNG, LIMITS).thumbhash
    assert own[4] == other[4]  # shape
    nibbles = [half for one in (own, other) for byte in one[5:] for half in (byte & 15, byte >> 4)]
    half = len(nibbles) // 2
    assert all(abs(one - two) <= 1 for one, two in zip(nibbles[:half], nibbles[half:], strict=True))


def test_the_hash_knows_what_is_transparent() -> None:
    for mode, transparent in (("RGB", False), ("RGBA", False), ("P", False)):
        data = samples.encoded("PNG", samples.picture(mode=mode))
        assert is_transparent(inspect(data, ImageType.PNG, LIMITS).thumbhash) == transparent
    clear = samples.picture(mode="RGBA")
    clear.putpixel((5, 5), (0, 0, 0, 0))
    data = samples.encoded("PNG", clear)
    assert is_transparent(inspect(data, ImageType.PNG, LIMITS).thumbhash)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_cameras_orientation_is_applied(orientation: int) -> None:
    data = samples.turned(orientation)
    upright = (400, 300) if orientation < 5 else (300, 400)
    assert inspect(data, ImageType.JPEG, LIMITS)[:2] == upright
    image = opened(render(data, ImageType.JPEG, PRESETS["medium"], "jpg", LIMITS))
    assert image.size == upright
    blue = {1: "lt", 2: "rt", 3: "rb", 4: "lb", 5: "lt", 6: "rt", 7: "rb", 8: "lb"}[orientation]
    x = 20 if blue[0] == "l" else image.width - 20
    y = 20 if blue[1] == "t" else image.height - 20
    assert near(image.getpixel((x, y)), samples.BLUE)
    assert near(image.getpixel((image.width - x, image.height - y)), samples.RED)


@pytest.mark.parametrize("ext", sorted(MIMES))
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_becomes_every_variant(kind: ImageType, ext: str) -> None:
    for preset in PRESETS.values():
        image = opened(render(GOOD[kind], kind, preset, ext, LIMITS))
        assert image.format == FORMATS[ext].encoder
        if preset.mode == "fill":
            assert image.size == (min(preset.width, 300),) * 2
        else:
            assert image.size == {320: (320, 240)}.get(preset.width, (400, 300))
        assert near(image.convert("RGB").getpixel((2, 2)), samples.BLUE)


def test_nothing_is_enlarged_and_nothing_vanishes() -> None:
    thin = samples.png(3000, 1)
    image = opened(render(thin, ImageType.PNG, PRESETS["small"], "jpg", LIMITS))
    assert image.size == (320, 1)
    dot = samples.png(1, 1)
    assert opened(render(dot, ImageType.PNG, PRESETS["thumb"], "webp", LIMITS)).size == (1, 1)


@pytest.mark.parametrize("ext", sorted(MIMES))
def test_no_metadata_leaves(ext: str) -> None:
    data = samples.turned(6)
    assert b"SECRET" in data
    variant = render(data, ImageType.JPEG, PRESETS["medium"], ext, LIMITS)
    assert b"SECRET" not in variant
    image = opened(variant)
    assert not dict(image.getexif())
    assert not {"exif", "icc_profile", "xmp", "comment"} & set(image.info)


@pytest.mark.parametrize("ext", sorted(MIMES))
def test_a_profile_that_cannot_be_used_is_dropped(ext: str) -> None:
    variant = render(samples.with_profile(), ImageType.JPEG, PRESETS["small"], ext, LIMITS)
    assert "icc_profile" not in opened(variant).info


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_of_a_wide_profile_become_srgb(kind: str, mode: str) -> None:
    """What a telephone writes as (200, 100, 100) is a redder red than that of the web."""
    if mode == "RGBA" and kind == "JPEG":
        return
    image = Image.new(mode, (64, 64), (200, 100, 100, 128)[: len(mode)])
    options: dict[str, Any] = {} if kind == "PNG" else {"quality": 95}
    data = samples.encoded(kind, image, icc_profile=samples.wide_profile(), **options)
    found = sniff(data)
    assert found is not None
    for ext in MIMES:
        made = opened(render(data, found, PRESETS["small"], ext, LIMITS))
        assert "icc_profile" not in made.info
        if mode == "RGB" or ext in ("webp", "avif", "png"):
            assert near(made.convert("RGB").getpixel((32, 32)), (216, 93, 97), by=7), ext
    if mode == "RGB":
        color = inspect(data, found, LIMITS).color
        assert near(tuple(bytes.fromhex(color[1:])), (216, 93, 97), by=7)


def test_the_cmyk_of_a_printer_becomes_srgb() -> None:
    data = samples.encoded("JPEG", samples.picture(mode="CMYK"), quality=95)
    made = opened(render(data, ImageType.JPEG, PRESETS["small"], "png", LIMITS))
    assert made.mode == "RGB"
    assert near(made.getpixel((300, 200)), samples.RED)


def test_transparency_is_kept_or_laid_on_white() -> None:
    clear = samples.encoded("PNG", Image.new("RGBA", (40, 40), (0, 0, 0, 0)))
    for ext in ("webp", "avif", "png", "gif"):
        made = opened(render(clear, ImageType.PNG, PRESETS["small"], ext, LIMITS)).convert("RGBA")
        assert made.getchannel("A").getextrema() == (0, 0), ext
    flat = opened(render(clear, ImageType.PNG, PRESETS["small"], "jpg", LIMITS))
    assert near(flat.getpixel((5, 5)), (255, 255, 255))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16"])
def test_unusual_modes(mode: str) -> None:
    data = samples.encoded("PNG", samples.picture(mode="L").convert(mode))
    assert inspect(data, ImageType.PNG, LIMITS)[:2] == (400, 300)
    for ext in MIMES:
        assert opened(render(data, ImageType.PNG, PRESETS["thumb"], ext, LIMITS)).size == (150, 150)


def test_sixteen_bits_of_grey_keep_their_brightness() -> None:
    data = samples.encoded("PNG", Image.new("I;16", (30, 30), 30_000))
    flat = opened(render(data, ImageType.PNG, PRESETS["small"], "jpg", LIMITS))
    assert near(flat.getpixel((5, 5)), (117, 117, 117), by=3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "PNG"])
def test_a_moving_image_shows_its_first_frame(kind: str) -> None:
    data = samples.animation(kind, frames=4)
    found = sniff(data)
    assert found is not None
    assert inspect(data, found, LIMITS).frames == 4
    assert opened(render(data, found, PRESETS["small"], "jpg", LIMITS)).size == (20, 20)


# Hostile ones.


def refused(data: bytes, kind: ImageType, limits: ImageLimits = LIMITS) -> str:
    with pytest.raises(MediaRefused) as caught:
        inspect(data, kind, limits)
    return caught.value.message


def test_a_decompression_bomb() -> None:
    data = samples.bomb()
    assert len(data) < 400_000
    assert "too many pixels" in refused(data, ImageType.PNG)
    with pytest.raises(MediaRefused):
        render(data, ImageType.PNG, PRESETS["thumb"], "jpg", LIMITS)


@pytest.mark.parametrize(
    "size", [(65_500, 65_500), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (17_000, 1), (0, 5)]
)
def test_a_header_that_claims_a_huge_or_empty_image(size: tuple[int, int]) -> None:
    refused(samples.png_claiming(*size), ImageType.PNG)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_truncated_files(kind: ImageType, share: float) -> None:
    data = samples.noise(80, 60, DECODERS[kind])
    refused(data[: int(len(data) * share)], kind)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_files_are_refused_or_shown_and_never_crash(
    kind: ImageType, data: st.DataObject
) -> None:
    damaged = bytearray(GOOD[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = inspect(bytes(damaged), kind, LIMITS)
    except MediaRefused:
        return
    assert isinstance(found, Inspection)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_decoder_of_its_own_type_is_tried(kind: ImageType) -> None:
    for other in KINDS:
        if other is not kind:
            refused(GOOD[other], kind)


def test_html_and_svg_are_no_image_to_any_decoder() -> None:
    for kind in KINDS:
        refused(samples.SVG, kind)
        refused(samples.HTML, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_what_trails_an_image_is_dropped(kind: ImageType) -> None:
    polyglot = GOOD[kind] + b"<script>TRAILER</script>PK\3\4"
    for ext in MIMES:
        assert b"TRAILER" not in render(polyglot, kind, PRESETS["small"], ext, LIMITS)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "PNG"])
def test_too_many_frames(kind: str) -> None:
    data = samples.animation(kind, frames=30, size=16)
    found = sniff(data)
    assert found is not None
    assert "frames" in refused(data, found, LIMITS._replace(max_frames=10))
    assert "frames" in refused(data, found, LIMITS._replace(max_total_pixels=16 * 16 * 20))
    assert inspect(data, found, LIMITS).frames == 30


ONLY_THE_LIST = """
from io import BytesIO
from PIL import Image, ImageChops, ImageOps, ImageStat
from media.images.rendering import disable_other_decoders
disable_other_decoders()
assert set(Image.OPEN) == {"JPEG", "PNG", "WEBP", "GIF", "AVIF"}, set(Image.OPEN)
eps = b"%!PS-Adobe-3.0 EPSF-3.0\\n%%BoundingBox: 0 0 9 9\\n"
for data in (b"BM" + bytes(80), eps, b"P6 1 1 255 abc"):
    try:
        Image.open(BytesIO(data))
    except Image.UnidentifiedImageError:
        continue
    raise SystemExit("opened")
assert set(Image.OPEN) == {"JPEG", "PNG", "WEBP", "GIF", "AVIF"}, set(Image.OPEN)
"""


@pytest.mark.real
def test_a_confined_process_knows_no_other_decoder() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONLY_THE_LIST], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout


# Options.


def quartered() -> Image.Image:
    """Four colours: what is cut out of it says where from."""
    image = Image.new("RGB", (400, 200), (255, 0, 0))
    image.paste((0, 255, 0), (200, 0, 400, 100))
    image.paste((0, 0, 255), (0, 100, 200, 200))
    image.paste((255, 255, 255), (200, 100, 400, 200))
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "text",
    [
        "fill,w-40,h-40,f-0-0",
        "fill,w-40,h-40,f-1000-1000",
        "crop,w-60,h-40,f-1000-0",
        "crop,w-50,box-20-110-100-60",
        "fit,w-90",
    ],
)
def test_options_speak_of_the_picture_as_it_is_seen(orientation: int, text: str) -> None:
    upright = quartered()
    back = {5: 5, 6: 8, 8: 6, 7: 7}.get(orientation, orientation)
    stored = upright if back == 1 else upright.transpose(_TURNS[back])
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = samples.encoded("PNG", stored, exif=exif)
    plain = samples.encoded("PNG", upright)
    options = parse(text, "png")
    one = opened(render(turned, ImageType.PNG, options, "png", LIMITS))
    other = opened(render(plain, ImageType.PNG, options, "png", LIMITS))
    assert one.size == other.size
    # Averages are taken from the file's own corner: edges within it may differ by a little.
    apart = ImageStat.Stat(ImageChops.difference(one, other)).mean
    assert max(apart) < 2


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("crop,w-10,h-10,f-100-100", (255, 0, 0)),
        ("crop,w-10,h-10,f-900-100", (0, 255, 0)),
        ("crop,box-10-110-50-50", (0, 0, 255)),
        ("fill,w-30,h-60,f-1000-1000", (255, 255, 255)),
    ],
)
def test_a_focus_and_a_box_choose_what_is_shown(text: str, colour: tuple[int, ...]) -> None:
    data = samples.encoded("PNG", quartered())
    made = opened(render(data, ImageType.PNG, parse(text, "png"), "png", LIMITS))
    assert near(made.getpixel((made.width - 2, made.height - 2)), colour)


def test_a_part_of_a_large_jpeg_is_the_same_part_when_it_is_decoded_small() -> None:
    large = samples.encoded("JPEG", quartered().resize((4000, 2000)), quality=95)
    made = opened(
        render(
            large, ImageType.JPEG, parse("crop,w-50,box-2000-1000-2000-1000", "png"), "png", LIMITS
        )
    )
    assert made.size == (50, 25)
    assert near(made.getpixel((1, 1)), (255, 255, 255))


def test_enlarging_has_to_be_asked_for() -> None:
    dot = samples.png(4, 4)
    for text, size in (("fit,w-100", (4, 4)), ("fit,w-100,up", (100, 100))):
        made = opened(render(dot, ImageType.PNG, parse(text, "png"), "png", LIMITS))
        assert made.size == size


def test_blur_spreads_an_edge_and_nothing_that_cannot_be_seen() -> None:
    data = samples.encoded("PNG", quartered())
    sharp = opened(render(data, ImageType.PNG, parse("fit,w-400", "png"), "png", LIMITS))
    soft = opened(render(data, ImageType.PNG, parse("fit,w-400,blur-9", "png"), "png", LIMITS))
    assert near(sharp.getpixel((195, 50)), (255, 0, 0), by=0)
    red, green, _ = soft.getpixel((195, 50))  # type: ignore[misc]
    assert red > green > 60
    clear = Image.new("RGBA", (60, 60), (0, 255, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 30, 60))
    made = opened(
        render(
            samples.encoded("PNG", clear),
            ImageType.PNG,
            parse("fit,w-60,blur-5", "png"),
            "png",
            LIMITS,
        )
    )
    assert near(made.getpixel((28, 30))[:3], (255, 0, 0), by=3)  # type: ignore[index]


@pytest.mark.parametrize("ext", sorted(ext for ext, one in FORMATS.items() if one.is_lossy))
def test_quality_costs_bytes(ext: str) -> None:
    data = samples.noise(120, 90)
    sizes = [
        len(render(data, ImageType.PNG, parse(f"fit,w-120,q-{q}", ext), ext, LIMITS))
        for q in (10, 50, 95)
    ]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "PNG"])
def test_a_frame_is_chosen_and_one_too_many_is_refused(kind: str) -> None:
    data = samples.animation(kind, frames=4)
    found = sniff(data)
    assert found is not None
    for frame in range(4):
        text = f"fit,w-20,frame-{frame}" if frame else "fit,w-20"
        made = opened(render(data, found, parse(text, "png"), "png", LIMITS)).convert("RGB")
        assert near(made.getpixel((9, 9)), (frame * 40, frame, 90), by=8)
    with pytest.raises(MediaRefused, match="frame"):
        render(data, found, parse("fit,w-20,frame-4", "png"), "png", LIMITS)


def test_the_result_is_capped_after_everything_else() -> None:
    thin = samples.png(100, 400)
    with pytest.raises(MediaRefused, match="pixels"):
        render(thin, ImageType.PNG, parse("fit,w-4096,up", "jpg"), "jpg", LIMITS)


def test_what_is_opaque_is_not_stored_as_transparent() -> None:
    opaque = samples.encoded("PNG", samples.picture(mode="RGBA"))
    for ext in MIMES:
        made = opened(render(opaque, ImageType.PNG, PRESETS["small"], ext, LIMITS))
        assert made.mode in ("RGB", "P")
