"""Blobs in a local folder.

A blob is one file: its chunks, then its manifest, then the manifest's length. So a chunk is
found by arithmetic, and one rename makes the blob exist:

    blobs/ab/abcdef…      by digest; the file's time is that of the last put
    staging/…             what is on its way in, locked by its writer
    collecting            held by all who put, against the one who collects
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio

from store.blobs.interface import CHUNK, BlobInfo, Digest, verify
from store.blobs.manifest import Manifest, chunk_digest, decode_manifest
from store.errors import Corrupt, NotFound, Unavailable

T = TypeVar("T")

_TAIL = struct.Struct(">I")
DIGEST_SIZE = 32  # bytes of a SHA-256
_FIRST_LOOK = 16 * 1024  # bytes read from the end: the whole manifest of most blobs


class Disk:
    """The calls that make bytes durable. Tests put failing ones in their place."""

    def write(self, fd: int, data: bytes | memoryview) -> None:
        """Writes all of it."""
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                done += os.write(fd, view[done:])

    def sync(self, fd: int) -> None:
        os.fsync(fd)

    def publish(self, staged: Path, final: Path) -> None:
        """Renames, durably."""
        if not final.parent.exists():
            final.parent.mkdir(exist_ok=True)
            self.sync_folder(final.parent.parent)
        os.rename(staged, final)
        self.sync_folder(final.parent)

    def sync_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync(fd)
        finally:
            os.close(fd)


class LocalBlobs:
    """A `BlobStore` (see `store.blobs.interface`) in the folder `root`.

    Several processes may share the folder. Each call to the disk is short and in a thread of
    its own limiter, so that an upload that stalls between two calls holds none.
    """

    def __init__(
        self,
        root: Path,
        *,
        threads: int = 8,
        disk: Disk | None = None,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        self._blobs = root / "blobs"
        self._staging = root / "staging"
        self._collecting = root / "collecting"
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._limiter = trio.CapacityLimiter(threads)
        self._disk = disk or Disk()
        try:
            for folder in (self._blobs, self._staging):
                folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise Unavailable(f"cannot use the blob folder {root}: {error.strerror}") from error

    def _sweep(self) -> None:
        """Removes what writers that no longer live have left."""
        for leftover in self._staging.iterdir():
            try:
                fd = os.open(leftover, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink(missing_ok=True)
            except BlockingIOError:
                pass  # its writer lives
            finally:
                os.close(fd)

    def _path(self, digest: Digest) -> Path:
        name = digest.hex()
        return self._blobs / name[:2] / name

    async def _run(self, fn: Callable[..., T], *args: Any) -> T:
        try:
            return await trio.to_thread.run_sync(fn, *args, limiter=self._limiter)
        except OSError as error:
            raise Unavailable(f"the blob folder failed: {error}") from error

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[LocalStaged]:
        path, fd = await self._run(self._new_staged)
        staged = LocalStaged(self, path, fd)
        try:
            yield staged
        finally:
            with trio.CancelScope(shield=True):
                await self._run(staged.discard)

    def _new_staged(self) -> tuple[Path, int]:
        while True:
            path = self._staging / secrets.token_hex(16)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.stat(path).st_ino == os.fstat(fd).st_ino:
                    return path, fd
            except (BlockingIOError, FileNotFoundError):
                pass  # a sweep of another process came between the two calls
            os.close(fd)

    async def _commit(self, path: Path, fd: int, info: BlobInfo) -> None:
        await self._run(self._disk.sync, fd)
        final = self._path(info.digest)
        if not await self._is_whole(info.digest) or not await self._run(self._renew, final):
            await self._run(self._publish, path, fd, final)

    def _renew(self, blob: Path) -> bool:
        """Puts what is there already once more. False when it has been collected meanwhile."""
        with self._locked(fcntl.LOCK_SH):
            try:
                os.utime(blob, ns=self._times())
            except FileNotFoundError:
                return False
            return True

    def _publish(self, staged: Path, fd: int, blob: Path) -> None:
        with self._locked(fcntl.LOCK_SH):
            os.utime(fd, ns=self._times())
            self._disk.publish(staged, blob)

    def _times(self) -> tuple[int, int]:
        now = self._now_ms() * 1_000_000
        return now, now

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        fd = os.open(self._collecting, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, how)
            yield
        finally:
            os.close(fd)

    async def _is_whole(self, digest: Digest) -> bool:
        try:
            async with self.open(digest) as blob:
                async for _ in blob.chunks():
                    pass
        except (NotFound, Corrupt):
            return False
        return True

    @asynccontextmanager
    async def open(self, digest: Digest) -> AsyncIterator[LocalBlob]:
        fd = await self._run(_open, self._path(digest))
        if fd is None:
            raise NotFound("no such blob")
        try:
            manifest = await self._run(_read_manifest, fd)
            if manifest.info.digest != digest:
                raise Corrupt(f"blob {digest.hex()} holds another")
            yield LocalBlob(self, fd, manifest)
        finally:
            os.close(fd)

    async def stat(self, digest: Digest) -> BlobInfo | None:
        try:
            async with self.open(digest) as blob:
                return blob.info
        except NotFound:
            return None

    async def exists(self, digest: Digest) -> bool:
        return await self._run(self._path(digest).exists)

    def file(self, digest: Digest) -> Path | None:
        return self._path(digest).absolute()

    async def delete(self, digest: Digest) -> bool:
        def unlink() -> bool:
            path = self._path(digest)
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            self._disk.sync_folder(path.parent)
            return True

        return await self._run(unlink)

    async def put_before(self, when_ms: int) -> AsyncGenerator[list[Digest], None]:
        for folder in await self._run(_names, self._blobs):
            found = await self._run(_older, self._blobs / folder, when_ms * 1_000_000)
            if found:
                yield found

    async def scrub(self, digest: Digest) -> int:
        await verify(self, digest)  # there is no other copy to mend it from
        return 0

    async def collect(self, digest: Digest, when_ms: int) -> bool:
        path = self._path(digest)

        def collect() -> bool:
            try:
                with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                    if path.stat().st_mtime_ns >= when_ms * 1_000_000:
                        return False
                    path.unlink()
            except (BlockingIOError, FileNotFoundError):
                return False  # somebody puts a blob just now: it has time
            self._disk.sync_folder(path.parent)
            return True

        return await self._run(collect)


def read_verified(path: Path, digest: Digest) -> bytes:
    """All bytes of a blob from its file; it blocks, and is for other processes. Raises `NotFound`,
    `Corrupt` where they do not have this digest, and `OSError`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound("no such blob") from None
    try:
        data = _pread(fd, _read_manifest(fd).info.size, 0)
    finally:
        os.close(fd)
    if hashlib.sha256(data).digest() != digest:
        raise Corrupt(f"the bytes of blob {digest.hex()} have another digest")
    return data


class LocalStaged:
    """A file on its way in."""

    def __init__(self, store: LocalBlobs, path: Path, fd: int) -> None:
        self._store = store
        self._path = path
        self._fd = fd
        self._buffer = bytearray()  # less than a chunk between calls
        self._hash = hashlib.sha256()
        self._chunks: list[bytes] = []
        self._manifest: Manifest | None = None
        self.size = 0

    async def write(self, data: bytes) -> None:
        self._buffer += data
        self.size += len(data)
        if len(self._buffer) >= CHUNK:
            whole = len(self._buffer) // CHUNK * CHUNK
            await self._append(bytes(memoryview(self._buffer)[:whole]))
            del self._buffer[:whole]

    async def _append(self, data: bytes) -> None:
        def append() -> None:
            with memoryview(data) as view:
                for at in range(0, len(view), CHUNK):
                    self._chunks.append(chunk_digest(view[at : at + CHUNK]))
                self._hash.update(view)
                self._store._disk.write(self._fd, view)

        await self._store._run(append)

    async def finish(self) -> BlobInfo:
        if self._buffer:
            await self._append(bytes(self._buffer))
            self._buffer.clear()
        info = BlobInfo(self._hash.digest(), self.size)
        self._manifest = Manifest(info, self._chunks)
        encoded = self._manifest.encode()
        await self._store._run(
            self._store._disk.write, self._fd, encoded + _TAIL.pack(len(encoded))
        )
        return info

    def _finished(self) -> Manifest:
        if self._manifest is None:
            raise RuntimeError("finish() comes first")
        return self._manifest

    async def commit(self) -> BlobInfo:
        info = self._finished().info
        await self._store._commit(self._path, self._fd, info)
        return info

    def discard(self) -> None:
        """Removes the file unless it has become a blob, and lets go of the lock."""
        self._path.unlink(missing_ok=True)
        os.close(self._fd)


class LocalBlob:
    """An open file with its manifest."""

    def __init__(self, store: LocalBlobs, fd: int, manifest: Manifest) -> None:
        self._store = store
        self._fd = fd
        self._manifest = manifest

    @property
    def info(self) -> BlobInfo:
        return self._manifest.info

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        stop = self.info.size if stop is None else min(stop, self.info.size)
        for index in range(start // CHUNK, len(self._manifest.chunks)):
            first = index * CHUNK
            if first >= stop:
                return
            data = await self._store._run(self._read, index)
            yield data[max(0, start - first) : stop - first]

    def _read(self, index: int) -> bytes:
        size = min(CHUNK, self.info.size - index * CHUNK)
        data = _pread(self._fd, size, index * CHUNK)
        self._manifest.verify(index, data)
        return data


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _older(folder: Path, when_ns: int) -> list[Digest]:
    found = []
    for name in _names(folder):
        try:
            digest = bytes.fromhex(name)
            if len(digest) == DIGEST_SIZE and os.stat(folder / name).st_mtime_ns < when_ns:
                found.append(digest)
        except (ValueError, FileNotFoundError):
            continue  # not a blob of ours, or gone already
    return found


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None


def _pread(fd: int, size: int, at: int) -> bytes:
    """Up to `size` bytes: fewer only where the file ends."""
    pieces = []
    while size > 0 and (piece := os.pread(fd, size, at)):
        pieces.append(piece)
        size -= len(piece)
        at += len(piece)
    return b"".join(pieces)


def _read_manifest(fd: int) -> Manifest:
    length = os.fstat(fd).st_size
    end = _pread(fd, _FIRST_LOOK, max(0, length - _FIRST_LOOK))
    if len(end) < _TAIL.size:
        raise Corrupt("a blob's file is cut short")
    (size,) = _TAIL.unpack(end[-_TAIL.size :])
    begin = length - _TAIL.size - size
    if begin < 0:
        raise Corrupt("a blob's file is cut short")
    if size + _TAIL.size > len(end):
        end = _pread(fd, size + _TAIL.size, begin)
    manifest = decode_manifest(end[-_TAIL.size - size : -_TAIL.size])
    if manifest.info.size != begin:
        raise Corrupt("a blob's file has another size than its manifest says")
    return manifest


def is_disk_full(error: Unavailable) -> bool:
    """Whether a failure means that there is no room left."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
