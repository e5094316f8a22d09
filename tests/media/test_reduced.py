"""The reduced copy of a large photograph, from which its variants are made."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from media.errors import MediaRefused
from media.images.geometry import plan
from media.images.options import Options
from media.images.presets import PRESETS
from media.images.reduced import SIDE, reduced_size, serves
from media.images.rendering import ImageLimits, inspect, render, render_reduced
from media.images.sniff import ImageType
from tests.media import samples
from tests.media.host import Host, open_host

LIMITS = ImageLimits()
LARGE = (3600, 2700)


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def test_what_is_much_larger_than_a_screen_is_reduced() -> None:
    assert reduced_size(4000, 3000) == (2160, 1620)
    assert reduced_size(3000, 4000) == (1620, 2160)
    assert reduced_size(16_000, 2) == (2160, 1)
    assert reduced_size(3239, 3000) is None
    assert 2 * PRESETS["large"].width == SIDE


def test_every_preset_of_a_photograph_is_served_by_it() -> None:
    for preset in PRESETS.values():
        assert serves(preset, 4000, 3000)
        assert serves(preset, 3000, 4000)
        assert not serves(preset, 1600, 1200)
    assert not serves(PRESETS["avatar320"], 12_000, 800)  # of which a square is cut


@pytest.mark.parametrize(
    ("options", "held"),
    [
        (Options("fit", width=2160), True),
        (Options("fit", width=2161), False),
        (Options("crop", box=(0, 0, 400, 400)), False),  # pixel by pixel
        (Options("crop", width=100, box=(0, 0, 400, 400)), True),
        (Options("crop", width=300, box=(0, 0, 400, 400)), False),
        (Options("fit", width=100, frame=1), False),
        (Options("fill", width=400, height=400, blur=3), True),
    ],
)
def test_nothing_is_made_of_fewer_pixels_than_it_shows(options: Options, held: bool) -> None:
    assert serves(options, 4000, 3000) is held


@given(
    st.integers(1, 16_000),
    st.integers(1, 16_000),
    st.integers(1, 2000),
    st.integers(1, 2000),
    st.sampled_from(["fit", "fill", "crop"]),
)
def test_what_it_serves_is_never_enlarged(
    width: int, height: int, wide: int, high: int, mode: str
) -> None:
    options = Options(mode, width=wide, height=high)
    size = reduced_size(width, height)
    if size is None or not serves(options, width, height):
        return
    box, result = plan(options, width, height)
    # As many pixels of the copy as of the result, for the part that is shown.
    assert (box[2] - box[0]) * size[0] / width >= result[0] - 1e-6
    assert (box[3] - box[1]) * size[1] / height >= result[1] - 1e-6


def test_variants_of_either_are_alike() -> None:
    data = samples.jpeg(*LARGE)
    copy = inspect(data, ImageType.JPEG, LIMITS).reduced
    assert opened(copy).size == (2160, 1620)
    for options in (
        *PRESETS.values(),
        Options("crop", width=300, height=200, box=(100, 50, 2000, 1500)),
        Options("fill", width=500, height=500, focus=(0, 1000), blur=2),
    ):
        one = opened(render(data, ImageType.JPEG, options, "png", LIMITS)).convert("RGB")
        other = opened(render_reduced(copy, LARGE, options, "png", LIMITS)).convert("RGB")
        assert one.size == other.size
        far = [abs(a - b) for a, b in zip(one.tobytes(), other.tobytes(), strict=True)]
        assert sum(far) / len(far) < 1, options


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_upright_and_says_nothing_of_the_camera(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SECRET CAMERA"
    data = samples.jpeg(*LARGE, exif=exif, comment=b"SECRET COMMENT")
    found = inspect(data, ImageType.JPEG, LIMITS)
    assert b"SECRET" not in found.reduced
    options = PRESETS["small"]
    one = opened(render(data, ImageType.JPEG, options, "png", LIMITS)).convert("RGB")
    copy = render_reduced(found.reduced, (found.width, found.height), options, "png", LIMITS)
    other = opened(copy).convert("RGB")
    assert one.size == other.size
    far = [abs(a - b) for a, b in zip(one.tobytes(), other.tobytes(), strict=True)]
    assert sum(far) / len(far) < 1


def test_what_is_transparent_or_moves_has_none() -> None:
    glass = samples.encoded("PNG", samples.picture(*LARGE, mode="RGBA"))
    assert inspect(glass, ImageType.PNG, LIMITS).reduced == b""
    assert inspect(samples.png(*LARGE), ImageType.PNG, LIMITS).reduced != b""
    assert inspect(samples.jpeg(), ImageType.JPEG, LIMITS).reduced == b""


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *((ImageType.PNG, mode) for mode in ("1", "L", "P", "I;16", "RGB")),
        *((ImageType.GIF, mode) for mode in ("1", "L", "P")),
        *((ImageType.JPEG, mode) for mode in ("L", "CMYK")),
    ],
)
def test_a_large_picture_of_any_mode_is_taken(kind: ImageType, mode: str) -> None:
    out = BytesIO()
    grey = Image.linear_gradient("L").resize((3300, 40))
    picture = grey.convert(mode) if mode == "I;16" else grey.convert("RGB").convert(mode)
    picture.save(out, kind.name)
    found = inspect(out.getvalue(), kind, LIMITS)
    assert opened(found.reduced).mode == "RGB"


def test_a_copy_that_is_broken_is_refused() -> None:
    with pytest.raises(MediaRefused):
        render_reduced(b"\xff\xd8\xff", LARGE, PRESETS["small"], "jpg", LIMITS)


def made_from(host: Host) -> tuple[float, float]:
    reduced, original = (
        host.figure("sunwire_media_sources_total", source=one) for one in ("reduced", "original")
    )
    return reduced, original


async def test_variants_are_made_of_the_copy_while_it_is_there(tmp_path: Path) -> None:
    async with open_host(tmp_path, hot_bytes=0) as host:
        media = await host.stored(samples.jpeg(*LARGE))
        assert (await host.get(f"/m/{media.id}/large.jpg")).status == 200
        assert made_from(host) == (1, 0)
        shutil.rmtree(host.settings.cache_folders[0])
        reply = await host.get(f"/m/{media.id}/small.jpg")
        assert opened(reply.body).size == (320, 240)
        assert made_from(host) == (1, 1)


async def test_small_photographs_have_no_copy(tmp_path: Path) -> None:
    async with open_host(tmp_path) as host:
        media = await host.stored(samples.jpeg())
        assert (await host.get(f"/m/{media.id}/small.jpg")).status == 200
        assert made_from(host) == (0, 1)
