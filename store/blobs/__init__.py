"""Bytes by their digest: the interface, a local folder, and memory for tests."""

from store.blobs.interface import (
    CHUNK,
    Blob,
    BlobInfo,
    BlobStore,
    Digest,
    Staged,
    put,
    put_bytes,
    read,
    verify,
)
from store.blobs.local import LocalBlobs
from store.blobs.memory import MemoryBlobs
from store.blobs.moving import Copied, MovingBlobs, copy

__all__ = [
    "CHUNK",
    "Blob",
    "BlobInfo",
    "BlobStore",
    "Copied",
    "Digest",
    "LocalBlobs",
    "MemoryBlobs",
    "MovingBlobs",
    "Staged",
    "copy",
    "put",
    "put_bytes",
    "read",
    "verify",
]
