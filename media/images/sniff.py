"""Which image type some bytes begin as (pure). Names and announced types count for nothing."""

from __future__ import annotations

from enum import StrEnum

SNIFF_BYTES = 64  # how many bytes from the beginning are enough


class ImageType(StrEnum):
    """The types that are taken in: each has one decoder, and no other is tried."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    GIF = "image/gif"
    AVIF = "image/avif"
    HEIF = "image/heic"  # with the extra `heif`: see `media.images.heif`


def sniff(data: bytes) -> ImageType | None:
    """The type by magic bytes, or None for everything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return ImageType.JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageType.PNG
    if data.startswith((b"GIF87a", b"GIF89a")):
        return ImageType.GIF
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return ImageType.WEBP
    return _by_brand(data)


_COMMON = (b"mif1", b"msf1")  # of every image in this container; the compatible brands tell more
_AVIF = (b"avif", b"avis")
_HEIF = (b"heic", b"heix", b"heim", b"heis")


def _by_brand(data: bytes) -> ImageType | None:
    """ISO base media with the brand of an image: the major one, or one among the compatible where
    the major one says no more than that it is an image. Video may have those, too."""
    if data[4:8] != b"ftyp":
        return None
    size = min(int.from_bytes(data[:4]), len(data), SNIFF_BYTES)
    brands = [data[8:12]]
    if brands[0] in _COMMON:
        brands += [data[at : at + 4] for at in range(16, size - 3, 4)]
    if any(brand in _AVIF for brand in brands):
        return ImageType.AVIF
    if any(brand in _HEIF for brand in brands):
        return ImageType.HEIF
    return None
