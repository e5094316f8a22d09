"""Bytes by their digest: the interface, a local folder, and memory for tests."""

from store.blobs.interface import CHUNK, Blob, BlobInfo, BlobStore, Digest, Staged, put, read
from store.blobs.local import LocalBlobs
from store.blobs.memory import MemoryBlobs

__all__ = [
    "CHUNK",
    "Blob",
    "BlobInfo",
    "BlobStore",
    "Digest",
    "LocalBlobs",
    "MemoryBlobs",
    "Staged",
    "put",
    "read",
]
