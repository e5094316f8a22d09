"""The manifest of a blob: its size, its digest and those of its chunks (pure).

    magic (8) | size (8) | SHA-256 of the blob (32) | digests of the chunks (16 each)
    | digest of all that (16)

Digests of chunks and of the manifest are BLAKE2b-128: they find damage, the SHA-256 names.
Numbers are big-endian.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

from store.blobs.interface import CHUNK, BlobInfo
from store.errors import Corrupt

MAGIC = b"SWBLOB1\n"
DIGEST = 16  # bytes of a chunk's digest
_HEAD = struct.Struct(">8sQ32s")


def chunk_digest(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


def chunk_count(size: int) -> int:
    return -(-size // CHUNK)


def manifest_size(size: int) -> int:
    """Bytes of the manifest of a blob of `size` bytes."""
    return _HEAD.size + DIGEST * (chunk_count(size) + 1)


class Manifest(NamedTuple):
    info: BlobInfo
    chunks: Sequence[bytes]

    def encode(self) -> bytes:
        head = _HEAD.pack(MAGIC, self.info.size, self.info.digest)
        body = head + b"".join(self.chunks)
        return body + chunk_digest(body)

    def verify(self, index: int, data: bytes) -> None:
        """Raises `Corrupt` when `data` is not the chunk of that index."""
        last = len(self.chunks) - 1
        expected = self.info.size - last * CHUNK if index == last else CHUNK
        if len(data) != expected or chunk_digest(data) != self.chunks[index]:
            raise Corrupt(f"chunk {index} of blob {self.info.digest.hex()} is damaged")


def decode_manifest(data: bytes) -> Manifest:
    """Raises `Corrupt` for anything but a whole manifest."""
    body, digest = data[:-DIGEST], data[-DIGEST:]
    if len(body) < _HEAD.size or chunk_digest(body) != digest:
        raise Corrupt("a damaged manifest")
    magic, size, name = _HEAD.unpack_from(body)
    digests = body[_HEAD.size :]
    if magic != MAGIC or len(digests) != DIGEST * chunk_count(size):
        raise Corrupt("not a manifest")
    return Manifest(
        BlobInfo(name, size),
        [digests[at : at + DIGEST] for at in range(0, len(digests), DIGEST)],
    )
