"""The blob stores: the contract, and what a folder's disk may do to it."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from store.blobs import CHUNK, BlobInfo, BlobStore, LocalBlobs, MemoryBlobs, put, read
from store.blobs.local import Disk, is_disk_full
from store.blobs.manifest import Manifest, chunk_count, decode_manifest, manifest_size
from store.errors import Corrupt, Unavailable
from tests.contracts.blobs import check_blobs, check_damage, digest_of, pattern, pieces


def path_of(root: Path, digest: bytes) -> Path:
    return root / "blobs" / digest.hex()[:2] / digest.hex()


def leftovers(root: Path) -> list[Path]:
    return list((root / "staging").iterdir())


class Folders:
    """Fresh local stores below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0

    @asynccontextmanager
    async def make(self) -> AsyncIterator[BlobStore]:
        self.count += 1
        folder = self.root / str(self.count)
        yield LocalBlobs(folder, threads=2)
        assert leftovers(folder) == []

    async def damage(self, store: BlobStore, digest: bytes, index: int) -> None:
        flip(path_of(self.root / str(self.count), digest), index)


def flip(path: Path, index: int) -> None:
    with path.open("r+b") as file:
        file.seek(index)
        byte = file.read(1)
        file.seek(index)
        file.write(bytes([byte[0] ^ 1]))


async def test_local_blobs_keep_the_contract(tmp_path: Path) -> None:
    await check_blobs(Folders(tmp_path).make)


async def test_memory_blobs_keep_the_contract() -> None:
    @asynccontextmanager
    async def make() -> AsyncIterator[BlobStore]:
        store = MemoryBlobs()
        yield store
        assert store.staged == 0

    await check_blobs(make)


async def test_local_blobs_hand_out_no_damaged_byte(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    await check_damage(folders.make, folders.damage)


@pytest.mark.parametrize("where", ["manifest", "length", "cut", "empty", "other"])
async def test_a_damaged_file_is_corrupt_and_mended_by_a_put(tmp_path: Path, where: str) -> None:
    store = LocalBlobs(tmp_path)
    data, other = pattern(CHUNK + 5), pattern(CHUNK + 5, seed=1)
    await put(store, pieces(data))
    path = path_of(tmp_path, digest_of(data))
    match where:
        case "manifest":
            flip(path, CHUNK + 20)
        case "length":
            flip(path, path.stat().st_size - 1)
        case "cut":
            os.truncate(path, path.stat().st_size - 10)
        case "empty":
            os.truncate(path, 0)
        case "other":
            await put(store, pieces(other))
            path.write_bytes(path_of(tmp_path, digest_of(other)).read_bytes())
    with pytest.raises(Corrupt):
        await read(store, digest_of(data))
    with pytest.raises(Corrupt):
        await store.stat(digest_of(data))
    await put(store, pieces(data))
    assert await read(store, digest_of(data)) == data


async def test_a_large_manifest_is_read_whole(tmp_path: Path) -> None:
    """More chunks than the first look at the end of the file holds."""
    store = LocalBlobs(tmp_path)
    chunk = bytes(CHUNK)

    async def many() -> AsyncIterator[bytes]:
        for _ in range(1100):
            yield chunk

    class Sparse(Disk):
        def write(self, fd: int, data: bytes | memoryview) -> None:
            if len(data) == CHUNK:  # a hole reads as the zeros it stands for
                os.lseek(fd, CHUNK, os.SEEK_CUR)
            else:
                super().write(fd, data)

    store = LocalBlobs(tmp_path, disk=Sparse())
    info = await put(store, many())
    assert manifest_size(info.size) > 16 * 1024
    async with store.open(info.digest) as blob:
        pieces_read = [piece async for piece in blob.chunks(1099 * CHUNK)]
    assert pieces_read == [chunk]


class FullDisk(Disk):
    """Has room for so many writes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, fd: int, data: bytes | memoryview) -> None:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.room -= 1
        super().write(fd, data)


@pytest.mark.parametrize("room", [0, 1, 2])
async def test_a_full_disk_leaves_nothing(tmp_path: Path, room: int) -> None:
    disk = FullDisk(room)
    store = LocalBlobs(tmp_path, disk=disk)
    data = pattern(2 * CHUNK)  # two writes and the manifest
    with pytest.raises(Unavailable) as caught:
        await put(store, pieces(data, (CHUNK,)))
    assert is_disk_full(caught.value)
    assert leftovers(tmp_path) == []
    assert not await store.exists(digest_of(data))
    disk.room = 100
    assert (await put(store, pieces(data))).size == len(data)


@pytest.mark.parametrize("step", ["sync", "publish"])
async def test_a_disk_that_fails_at_the_commit_acknowledges_nothing(
    tmp_path: Path, step: str
) -> None:
    class Failing(Disk):
        def sync(self, fd: int) -> None:
            if step == "sync":
                raise OSError(errno.EIO, "input/output error")
            super().sync(fd)

        def publish(self, staged: Path, final: Path) -> None:
            raise OSError(errno.EIO, "input/output error")

    store = LocalBlobs(tmp_path, disk=Failing())
    data = pattern(100)
    with pytest.raises(Unavailable) as caught:
        await put(store, pieces(data))
    assert not is_disk_full(caught.value)
    assert leftovers(tmp_path) == []
    assert not await store.exists(digest_of(data))


async def test_everything_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    """Data before the rename that shows it; the folder's entry after it."""
    steps: list[str] = []

    class Watched(Disk):
        def sync(self, fd: int) -> None:
            steps.append("folder" if os.path.isdir(f"/proc/self/fd/{fd}") else "data")
            super().sync(fd)

        def publish(self, staged: Path, final: Path) -> None:
            steps.append("publish")
            super().publish(staged, final)

    store = LocalBlobs(tmp_path, disk=Watched())
    await put(store, pieces(pattern(100)))
    assert steps == ["data", "publish", "folder", "folder"]


KILLED = """
import os, signal, sys
from pathlib import Path
import trio
from store.blobs import LocalBlobs
from store.blobs.local import Disk

class Deadly(Disk):
    def write(self, fd, data):
        if len(data) < 1000:  # the manifest
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(fd, data)

async def main():
    async with LocalBlobs(Path(sys.argv[1]), disk=Deadly()).stage() as staged:
        await staged.write(b"x" * 262144)
        await staged.finish()

trio.run(main)
"""


@pytest.mark.real
async def test_a_writer_killed_before_the_manifest_is_swept_at_the_next_start(
    tmp_path: Path,
) -> None:
    done = await trio.run_process(
        [sys.executable, "-c", KILLED, str(tmp_path)], check=False, capture_stderr=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.stat().st_size for path in leftovers(tmp_path)] == [CHUNK]
    store = LocalBlobs(tmp_path)
    assert leftovers(tmp_path) == []
    assert not await store.exists(digest_of(b"x" * CHUNK))


async def test_a_start_beside_a_living_writer_leaves_his_upload_alone(tmp_path: Path) -> None:
    data = pattern(CHUNK + 1)
    async with LocalBlobs(tmp_path).stage() as staged:
        await staged.write(data)
        LocalBlobs(tmp_path)
        await staged.finish()
        await staged.commit()
    assert await read(LocalBlobs(tmp_path), digest_of(data)) == data


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        LocalBlobs(tmp_path / "file")


# The manifest.

sizes = st.integers(0, 5 * CHUNK)


@given(size=sizes, data=st.data())
def test_a_manifest_comes_back_and_no_damage_passes(size: int, data: st.DataObject) -> None:
    digests = [bytes([index]) * 16 for index in range(chunk_count(size))]
    manifest = Manifest(BlobInfo(b"d" * 32, size), digests)
    encoded = manifest.encode()
    assert len(encoded) == manifest_size(size)
    assert decode_manifest(encoded) == manifest
    at = data.draw(st.integers(0, len(encoded) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Corrupt):
        decode_manifest(encoded[:at] + bytes([encoded[at] ^ bit]) + encoded[at + 1 :])
    with pytest.raises(Corrupt):
        decode_manifest(encoded[:at])


@given(st.binary(max_size=100))
def test_bytes_at_random_are_no_manifest(data: bytes) -> None:
    with pytest.raises(Corrupt):
        decode_manifest(data)
