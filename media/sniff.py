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
    if _is_avif(data):
        return ImageType.AVIF
    return None


def _is_avif(data: bytes) -> bool:
    """ISO base media with an AVIF brand: the major one, or one among the compatible."""
    if data[4:8] != b"ftyp":
        return False
    size = min(int.from_bytes(data[:4]), len(data), SNIFF_BYTES)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, size - 3, 4))]
    return b"avif" in brands or b"avis" in brands
