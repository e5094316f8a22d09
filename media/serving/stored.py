"""Variants of what is stored in files: the worker reads the original by itself.

To send megapixels through the server and a pipe to the worker would cost as much as a small
variant. Runs in a worker process.
"""

from __future__ import annotations

from pathlib import Path

from media.images import rendering as images
from media.images.options import Options
from media.images.rendering import ImageLimits
from media.images.sniff import SNIFF_BYTES, sniff
from store.blobs.local import read_verified
from store.errors import Corrupt, NotFound


def render(
    path: Path, digest: bytes, options: Options, ext: str, limits: ImageLimits
) -> bytes | None:
    """As `images.render`, of a blob's file. None where the blob is not there, or not whole, or no
    image: the server finds out what it is then. Raises `MediaRefused`."""
    try:
        data = read_verified(path, digest)
    except (NotFound, Corrupt, OSError):
        return None
    kind = sniff(data[:SNIFF_BYTES])
    if kind is None:
        return None
    return images.render(data, kind, options, ext, limits)
