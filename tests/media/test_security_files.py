"""The security record of the field, line by line, as far as it is of files: what went wrong
elsewhere, tried here. `test_security_urls` has what is of URLs.

Hostile files are made by the tests. What a line needs more tests for has them beside its module:
`test_images`, `test_heif`, `test_workers`, `motion`.
"""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features
from werkzeug.datastructures import Headers

from media.errors import MediaRefused, WrongType
from media.images.formats import FORMATS, MIMES
from media.images.presets import PRESETS
from media.images.rendering import DECODERS, ImageLimits, inspect, render
from media.images.sniff import SNIFF_BYTES, ImageType, sniff
from media.motion.forms import SHOWN
from media.serving.answers import BytesSource, answer
from media.uploads import intake
from media.uploads.intake import known_type
from tests.media import samples
from tests.media.host import OTHER, OWNER, open_host
from tests.media.test_images import GOOD, KINDS, LIMITS
from tests.media.test_workers import lane_of_one, one_job

# Scripts in pictures, and unknown types.


@pytest.mark.parametrize(
    "data",
    [
        samples.SVG,
        b'<?xml version="1.0"?>' + samples.SVG,
        b"\xef\xbb\xbf" + samples.SVG,
        b"\n\n" + samples.SVG,
        b"\x1f\x8b\x08\0" + samples.SVG,  # svgz, by its first bytes
        samples.HTML,
        b"GIF" + samples.HTML,
        b"<!--\xff\xd8\xff-->" + samples.HTML,
    ],
)
async def test_svg_and_html_are_not_taken(tmp_path: Path, data: bytes) -> None:
    async with open_host(tmp_path) as host:
        pending = await host.reserve(data)
        for mime in ("image/svg+xml", "image/jpeg"):
            reply = await host.put(host.ticket(pending), data, Content_Type=mime)
            assert (reply.status, reply.code) == (415, "WRONG_TYPE")
        assert not await host.holds(data)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz+-./", min_size=1, max_size=30))
def test_what_is_not_on_the_list_is_a_download(mime: str) -> None:
    shown = SHOWN | set(MIMES.values())
    for kind in (mime, "image/svg+xml", "text/html", "application/pdf", "image/heic", ""):
        made = answer(BytesSource(b"x", b"d" * 32), kind, "no-store", Headers())
        wanted = "inline" if kind in shown else "attachment"
        assert made.headers["Content-Disposition"] == wanted


# Decoders (Mastodon, CVE-2023-36460: a delegate of the decoder wrote files; Pillow's advisories).

DELEGATES = {
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
    "EPS for DOS": b"\xc5\xd0\xd3\xc6" + bytes(60),
    "PDF by hand": b"%PDF-1.7\n1 0 obj\n",
    "MVG": b"push graphic-context\nimage over 0,0 0,0 'msl:/tmp/x'\npop graphic-context\n",
    "MSL": b'<?xml version="1.0"?><image><read filename="/etc/passwd"/></image>',
    "XBM": b"#define a_width 9\n#define a_height 9\nstatic char a_bits[] = {0};\n",
    "FITS": b"SIMPLE  =                    T",
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(60),
    "TIFF": b"II*\0" + bytes(60),
    "PSD": b"8BPS\0\1" + bytes(60),
    "FLI": bytes(4) + b"\x11\xaf" + bytes(60),
    "text": b"@/etc/passwd",
}


OTHERS = ("BMP", "TIFF", "PPM", "TGA", "PCX", "ICO", "SGI", "JPEG2000", "DDS", "PDF")
FOREIGN = (*DELEGATES, *OTHERS)


def foreign(name: str) -> bytes:
    """Of a format that is not on the list, written by Pillow where it can."""
    return DELEGATES[name] if name in DELEGATES else samples.encoded(name)


@pytest.mark.parametrize("name", FOREIGN)
async def test_no_other_format_is_taken_under_the_name_of_one(tmp_path: Path, name: str) -> None:
    data = foreign(name)
    assert sniff(data[:SNIFF_BYTES]) is None
    async with open_host(tmp_path) as host:
        pending = await host.reserve(data, name="photo.jpg")
        reply = await host.put(host.ticket(pending), data, Content_Type="image/jpeg")
        assert (reply.status, reply.code) == (415, "WRONG_TYPE")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FOREIGN)
def test_magic_in_front_opens_no_other_decoder(
    kind: ImageType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that begin as one type go to its decoder alone."""
    tried: list[str] = []
    data = foreign(name)
    inspect(GOOD[kind], kind, LIMITS)
    for other, (_, accept) in list(Image.OPEN.items()):
        if other != DECODERS[kind]:
            note: Any = lambda *args, other=other: tried.append(other)  # noqa: E731
            monkeypatch.setitem(Image.OPEN, other, (note, accept))
    for begin in (GOOD[kind][:12], GOOD[kind][:3]):
        if sniff((begin + data)[:SNIFF_BYTES]) is kind:
            with suppress(MediaRefused):
                inspect(begin + data, kind, LIMITS)
    assert not tried


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_has_nothing_of_the_file_but_its_picture(kind: ImageType) -> None:
    """Trailing bytes, comments, places and profiles go; to PNG, too, which could keep them all."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET"
    extra: dict[str, Any] = {"exif": exif} if kind is not ImageType.GIF else {"comment": b"SECRET"}
    if kind is ImageType.PNG:
        from PIL.PngImagePlugin import PngInfo

        extra["pnginfo"] = PngInfo()
        extra["pnginfo"].add_text("Comment", "SECRET")
    data = samples.encoded(kind.value.removeprefix("image/").upper(), **extra) + b"SECRET TRAILER"
    assert b"SECRET" in data.removesuffix(b"SECRET TRAILER")
    for ext in FORMATS:
        assert b"SECRET" not in render(data, kind, PRESETS["medium"], ext, LIMITS)


async def test_an_original_is_as_it_came_and_its_owners_alone(tmp_path: Path) -> None:
    data = samples.turned(6) + b"TRAILER"
    async with open_host(tmp_path) as host:
        stored = await host.stored(data)
        assert (await host.get(host.link(stored, OWNER))).body == data
        assert (await host.get(host.link(stored, OTHER))).status == 403
        assert (await host.get(f"/m/{stored.id}/original")).status == 403


def test_a_bomb_that_is_only_warned_of_is_refused() -> None:
    """Pillow warns from 89 million pixels on, and raises from twice as many."""
    assert Image.MAX_IMAGE_PIXELS is not None
    generous = LIMITS._replace(max_pixels=10**10, max_side=10**6, max_total_pixels=10**12)
    side = int(Image.MAX_IMAGE_PIXELS**0.5)
    for width, height in ((side + 100, side), (side * 2, side)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whatever the process thinks of it
            with pytest.raises(MediaRefused, match="too many pixels"):
                inspect(samples.png_claiming(width, height), ImageType.PNG, generous)


def test_frames_count_by_their_pixels() -> None:
    limits = ImageLimits(max_frames=1000, max_total_pixels=64 * 64 * 10)
    for kind in ("GIF", "WEBP", "AVIF", "PNG"):
        found = {"GIF": ImageType.GIF, "WEBP": ImageType.WEBP}.get(kind)
        found = found or {"AVIF": ImageType.AVIF, "PNG": ImageType.PNG}[kind]
        assert inspect(samples.animation(kind, 10, 64), found, limits).frames == 10
        with pytest.raises(MediaRefused, match="frames"):
            inspect(samples.animation(kind, 11, 64), found, limits)


def limits_of_the_process() -> dict[str, Any]:
    return {
        "memory": resource.getrlimit(resource.RLIMIT_AS)[1],
        "processor": resource.getrlimit(resource.RLIMIT_CPU)[1],
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "written": resource.getrlimit(resource.RLIMIT_FSIZE)[1],
        "decoders": set(Image.OPEN),
    }


@pytest.mark.real
async def test_decoding_runs_in_a_limited_process() -> None:
    async with lane_of_one() as pool:
        found = await one_job(pool, limits_of_the_process)
    assert 0 < found["memory"] <= 1536 * 1024**2
    assert 0 < found["processor"] <= 700
    assert 0 < found["files"] <= 64
    assert found["written"] == 0
    assert found["decoders"] == {"JPEG", "PNG", "WEBP", "GIF", "AVIF"}


# What is promised.

WITHOUT_AVIF = """
from PIL import AvifImagePlugin, Image, features
Image.SAVE.pop("AVIF")
check = features.check
features.check = lambda name: name != "avif" and check(name)
from media.images.accept import chosen_format
from media.images.formats import MIMES
from media.uploads.intake import TAKEN, known_type
from media.errors import WrongType
from media.images.sniff import ImageType
from media.urls import BadUrl, Signer
assert "avif" not in MIMES
assert chosen_format("image/avif,image/webp") == "webp"
try:
    Signer([b"k" * 32]).parse_media(b"/m/" + b"0" * 32 + b"/small.avif", b"", 0)
except BadUrl:
    pass
else:
    raise SystemExit("a URL for what cannot be made")
assert ImageType.AVIF not in TAKEN
for data in (b"\\0\\0\\0\\x1cftypavif", b"%PDF"):
    try:
        known_type(data)
    except WrongType as error:
        assert "AVIF" not in error.message or "not take AVIF" in error.message
    else:
        raise SystemExit("taken")
"""


@pytest.mark.real
def test_formats_without_their_library_are_not_promised() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_AVIF], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_every_promised_format_can_be_read_and_written() -> None:
    assert set(intake.TAKEN) >= {ImageType.JPEG, ImageType.PNG, ImageType.GIF}
    assert features.check("avif") == (ImageType.AVIF in intake.TAKEN)
    for kind in set(intake.TAKEN) & set(KINDS):
        assert known_type(GOOD[kind][:SNIFF_BYTES]) is kind
        for ext in FORMATS:
            assert render(GOOD[kind], kind, PRESETS["small"], ext, LIMITS)
    with pytest.raises(WrongType):
        known_type(b"")


def test_a_digest_names_what_is_served() -> None:
    """A validator is of the bytes, so a cache cannot be made to hold others under it."""
    data = render(GOOD[ImageType.JPEG], ImageType.JPEG, PRESETS["small"], "jpg", LIMITS)
    digest = hashlib.sha256(data).digest()
    made = answer(BytesSource(data, digest), "image/jpeg", "no-store", Headers())
    assert made.headers["ETag"] == f'"{digest.hex()}"'
    assert Image.open(BytesIO(data)).format == "JPEG"
