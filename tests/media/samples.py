"""Images for the tests, good and hostile, made here: no file is shipped."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

RED, BLUE = (200, 30, 30), (20, 40, 210)


def picture(width: int = 400, height: int = 300, mode: str = "RGB") -> Image.Image:
    """Red, with a blue quarter at the upper left."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (0, 0, width // 2, height // 2))
    return image.convert(mode)


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    out = BytesIO()
    (image or picture()).save(out, kind, **options)
    return out.getvalue()


def jpeg(width: int = 400, height: int = 300, **options: Any) -> bytes:
    return encoded("JPEG", picture(width, height), **options)


def png(width: int = 400, height: int = 300, **options: Any) -> bytes:
    return encoded("PNG", picture(width, height), **options)


def noise(width: int, height: int, kind: str = "PNG") -> bytes:
    """An image that does not compress."""
    import random

    data = random.Random(1).randbytes(width * height * 3)
    return encoded(kind, Image.frombytes("RGB", (width, height), data))


def animation(kind: str = "GIF", frames: int = 4, size: int = 20) -> bytes:
    images = [Image.new("RGB", (size, size), (at * 40 % 256, at % 256, 90)) for at in range(frames)]
    return encoded(kind, images[0], save_all=True, append_images=images[1:], duration=20)


def turned(orientation: int) -> bytes:
    """A JPEG whose camera was held another way, with a place and a comment in it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SECRET CAMERA"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (48.0, 12.0, 30.0)
    return jpeg(exif=exif, comment=b"SECRET COMMENT", quality=95)


def with_profile() -> bytes:
    """A JPEG that brings a colour profile along."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return jpeg(icc_profile=profile)


def wide_profile() -> bytes:
    """The colour profile of a telephone (the primaries of Display P3, to D50; a gamma of 2.2),
    as ICC.1:2001 has it."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(2.2 * 256))
    tags = {
        b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ " + bytes(4) + fixed(0.51512, 0.24120, -0.00105),
        b"gXYZ": b"XYZ " + bytes(4) + fixed(0.29198, 0.69225, 0.04189),
        b"bXYZ": b"XYZ " + bytes(4) + fixed(0.15710, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data = struct.pack(">I", len(tags)), b""
    begin = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", begin + len(data), len(value))
        data += value
    head = struct.pack(">I4xI", begin + len(data), 0x02400000) + b"mntrRGB XYZ " + bytes(12)
    head += b"acsp" + bytes(28) + fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + table + data


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int, rows: int = 0) -> bytes:
    """A PNG whose header claims a size, with so many rows of black behind it."""
    packer = zlib.compressobj(9)
    data = b""
    if rows:
        row = b"\0" * (1 + width * 3)
        data = b"".join(packer.compress(row) for _ in range(rows))
    data += packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", data)
        + _chunk(b"IEND", b"")
    )


def bomb() -> bytes:
    """Some kilobytes that unpack to 300 MB: 10,000 by 10,000 pixels, complete and valid."""
    return png_claiming(10_000, 10_000, rows=10_000)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"
