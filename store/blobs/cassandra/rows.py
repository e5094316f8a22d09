"""What the rows hold (pure)."""

from __future__ import annotations

import hashlib
from typing import NamedTuple
from uuid import UUID, uuid4

from store.blobs.interface import Digest
from store.blobs.manifest import DIGEST, chunk_count

PART = 64  # chunks of a partition of `chunks`
SHARDS = 16  # partitions of `loose`


def chunk_digest(generation: UUID, index: int, data: bytes) -> bytes:
    """Covers the place, too: another chunk's row is as wrong as damaged bytes."""
    place = generation.bytes + index.to_bytes(8, "big")
    return hashlib.blake2b(data, digest_size=DIGEST, key=place).digest()


def part_count(chunks: int) -> int:
    return -(-chunks // PART)


class Loose(NamedTuple):
    """A mark on a generation that may be unwanted; chunks of it are in `parts` partitions at
    most, and the blob that may yet want it has this digest."""

    generation: UUID
    mark: UUID
    parts: int
    digest: Digest | None

    @classmethod
    def of(cls, generation: UUID, *, parts: int, digest: Digest | None = None) -> Loose:
        return cls(generation, uuid4(), parts, digest)

    @property
    def key(self) -> tuple[int, UUID, UUID]:
        return self.generation.bytes[0] % SHARDS, self.generation, self.mark


class Manifest(NamedTuple):
    generation: UUID
    size: int
    put_ms: int

    def loose(self, digest: Digest) -> Loose:
        return Loose.of(self.generation, parts=part_count(chunk_count(self.size)), digest=digest)
