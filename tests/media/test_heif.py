"""HEIF, which telephones photograph as: taken in where its extra is installed, never given out."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from media.errors import MediaRefused, WrongType
from media.images import heif
from media.images.formats import FORMATS, MIMES
from media.images.options import parse
from media.images.presets import PRESETS
from media.images.rendering import ImageLimits, inspect, render
from media.images.sniff import ImageType, sniff
from media.motion import jobs
from media.uploads import intake
from media.uploads.intake import known_type
from store.records import Purpose
from tests.media import samples
from tests.media.host import BASE, OWNER, open_host
from tests.media.test_images import LIMITS, near, opened

needs_heif = pytest.mark.skipif(
    importlib.util.find_spec("pillow_heif") is None, reason="needs the extra `heif`"
)


def photograph(orientation: int = 1, *more: Image.Image) -> bytes:
    """As a telephone writes it: turned by the container, and told of in its EXIF too."""
    heif.register()
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SECRET CAMERA"
    image = samples.picture()
    image.info["exif"] = exif.tobytes()
    return samples.encoded("HEIF", image, save_all=bool(more), append_images=list(more))


def test_it_is_known_by_its_first_bytes_alone() -> None:
    assert sniff(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic") is ImageType.HEIF
    assert sniff(b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic") is ImageType.HEIF
    assert sniff(b"\0\0\0\x1cftypmif1\0\0\0\0avifheic") is ImageType.AVIF
    assert sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1") is None
    assert sniff(b"\0\0\0\x18ftypisom\0\0\0\0heic") is None


def test_without_the_extra_it_is_refused_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    without = tuple(kind for kind in intake.TAKEN if kind is not ImageType.HEIF)
    monkeypatch.setattr(intake, "TAKEN", without)
    with pytest.raises(WrongType, match="does not take HEIF"):
        known_type(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic")
    with pytest.raises(WrongType) as caught:
        known_type(b"%PDF-1.7")
    assert "HEIF" not in caught.value.message
    assert "GIF and AVIF images" in caught.value.message


@needs_heif
@pytest.mark.parametrize(("orientation", "size"), [(1, (400, 300)), (6, (300, 400))])
def test_it_is_shown_upright_without_what_it_tells_of_its_owner(
    orientation: int, size: tuple[int, int]
) -> None:
    data = photograph(orientation)
    assert b"SECRET" in data
    found = inspect(data, ImageType.HEIF, LIMITS)
    assert (found[:2], found.frames) == (size, 1)
    for ext, one in FORMATS.items():
        variant = render(data, ImageType.HEIF, PRESETS["medium"], ext, LIMITS)
        assert b"SECRET" not in variant
        image = opened(variant)
        assert (image.format, image.size) == (one.encoder, size)
        corner = (20, 20) if orientation == 1 else (image.width - 20, 20)
        assert near(image.convert("RGB").getpixel(corner), samples.BLUE, by=40)


@needs_heif
def test_of_several_pictures_the_first_is_shown_and_no_other() -> None:
    other = Image.new("RGB", (90, 60), (0, 255, 0))
    data = photograph(1, other, other)
    assert inspect(data, ImageType.HEIF, LIMITS).frames == 1
    with pytest.raises(MediaRefused, match="no such frame"):
        render(data, ImageType.HEIF, parse("fit,w-20,frame-1", "jpg"), "jpg", LIMITS)


@needs_heif
def test_limits_hold() -> None:
    data = photograph()
    with pytest.raises(MediaRefused, match="pixels"):
        inspect(data, ImageType.HEIF, LIMITS._replace(max_pixels=100_000))
    other = Image.new("RGB", (9, 6))
    with pytest.raises(MediaRefused, match="frames"):
        inspect(photograph(1, other, other), ImageType.HEIF, LIMITS._replace(max_frames=2))


@needs_heif
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_ones_are_refused(share: float) -> None:
    data = photograph()
    with pytest.raises(MediaRefused):
        inspect(data[: int(len(data) * share)], ImageType.HEIF, LIMITS)


@needs_heif
def test_what_is_another_type_is_not_opened_as_heif() -> None:
    for data in (samples.jpeg(), samples.encoded("AVIF"), samples.SVG):
        with pytest.raises(MediaRefused):
            inspect(data, ImageType.HEIF, LIMITS)
    with pytest.raises(MediaRefused):
        inspect(photograph(), ImageType.AVIF, LIMITS)


@needs_heif
def test_it_is_no_moving_image(tmp_path: Path) -> None:
    path = tmp_path / "burst"
    path.write_bytes(photograph(1, Image.new("RGB", (400, 300))))
    with pytest.raises(MediaRefused, match="not move"):
        jobs.clip(path, ImageType.HEIF, "mp4", ImageLimits())


@needs_heif
async def test_the_whole_way(tmp_path: Path) -> None:
    """By real workers. Its owner gets back what he sent, to be saved; nobody is shown HEIF."""
    data = photograph(6)
    async with open_host(tmp_path, real_workers=True) as host:
        media = await host.stored(data, Purpose.POST)
        assert (media.mime, media.width, media.height) == ("image/heic", 300, 400)
        assert media.thumbhash
        reply = await host.get(f"/m/{media.id}/small", Accept="image/heic,image/heif,image/*")
        assert reply.headers["content-type"] == "image/jpeg"
        assert opened(reply.body).size == (240, 320)
        for name in ("small.heic", "small.heif"):
            assert (await host.get(f"/m/{media.id}/{name}")).status == 404
        own = await host.get(
            host.signer.private_url(media, OWNER, "", host.clock.ms + 1000).removeprefix(BASE)
        )
        assert own.body == data
        assert own.headers["content-disposition"] == "attachment"
    assert not {"heic", "heif"} & set(FORMATS)
    assert "image/heic" not in MIMES.values()


NOT_IN_THE_SERVER = """
import sys
import media.app, media.images.rendering, media.uploads.intake
assert "pillow_heif" not in sys.modules
from media.images.rendering import disable_other_decoders
disable_other_decoders()
from PIL import Image
assert "HEIF" not in Image.OPEN
"""


@pytest.mark.real
def test_the_server_does_not_load_the_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOT_IN_THE_SERVER], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
