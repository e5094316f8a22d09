"""The data folder and the disks below it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import trio

from realtime.doctor.finding import Finding, error, warning
from realtime.settings import Settings
from realtime.startup import PRIVATE
from realtime.stores import SQLITE

LITTLE = 1 << 30  # bytes
TOO_LITTLE = 100 << 20
SLOW_SYNC = 0.05  # seconds
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs"})
VANISHING = frozenset({"tmpfs", "ramfs"})
MOUNTS = Path("/proc/self/mountinfo")


async def disk(settings: Settings) -> list[Finding]:
    return await trio.to_thread.run_sync(lambda: list(_look(settings)))


def _look(settings: Settings) -> Iterator[Finding]:
    folders = [("data", settings.data), *(("cache", one) for one in settings.cache_folders)]
    if settings.log_archive:
        folders.append(("archive", Path(settings.log_archive)))
    seen: set[int] = set()
    for what, folder in folders:
        there = existing(folder)
        if not os.access(there, os.W_OK | os.X_OK):
            yield error(f"the {what} folder {folder} cannot be written", "let this user write it")
            continue
        device = there.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield from space(what, folder, shutil.disk_usage(there).free)
            yield from syncs(there)
    if settings.store == SQLITE:
        yield from kind_of_disk(settings.data, file_system(existing(settings.data), mounts()))
    yield from _privacy(settings.data)


def existing(folder: Path) -> Path:
    """The folder, or the one in which it would be made."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def space(what: str, folder: Path, free: int) -> Iterator[Finding]:
    words = f"the disk of the {what} folder {folder} has {free >> 20} MiB left"
    if free < TOO_LITTLE:
        yield error(words, "make room: a server whose disk is full refuses whatever changes")
    elif free < LITTLE:
        yield warning(words, f"make room: {LITTLE >> 20} MiB is little for a server that runs on")


def syncs(folder: Path) -> Iterator[Finding]:
    """Whether what is written can be synced to the disk, and how soon."""
    probe = folder / f".sunwire-doctor-{os.getpid()}"
    try:
        with open(probe, "wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            started = time.monotonic()
            os.fsync(file.fileno())
            took = time.monotonic() - started
    except OSError as failure:
        yield error(
            f"in {folder} nothing can be written and synced ({(failure.strerror or '').lower()})",
            "look at the disk and its file system",
        )
        return
    finally:
        probe.unlink(missing_ok=True)
    yield from slow(folder, took)


def slow(folder: Path, took: float) -> Iterator[Finding]:
    if took > SLOW_SYNC:
        yield warning(
            f"a sync in {folder} took {took * 1000:.0f} ms, and each commit waits for one",
            "use a disk that is quicker, or less busy",
        )


def kind_of_disk(folder: Path, kind: str) -> Iterator[Finding]:
    if kind in NETWORK or kind.startswith("fuse."):
        yield error(
            f"the embedded database in {folder} would be on {kind}, whose locks and syncs it "
            "cannot rely on",
            "name a folder on a local disk with --data, or a database with --store",
        )
    elif kind in VANISHING:
        yield warning(
            f"the data folder {folder} is in memory ({kind}) and gone after a restart",
            "name a folder on a disk with --data",
        )


def mounts() -> str:
    try:
        return MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def file_system(folder: Path, mounts: str) -> str:
    """The kind of file system that a folder is on, by the text of Linux's `mountinfo`."""
    best, kind = "", ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if len(fields) < 5 or not tail:
            continue
        place = fields[4].encode().decode("unicode_escape")  # a space is written \040
        inside = folder == Path(place) or Path(place) in folder.parents
        if inside and len(place) >= len(best):  # the last one covers those before
            best, kind = place, tail[0]
    return kind


def _privacy(folder: Path) -> Iterator[Finding]:
    for file in sorted(folder.glob("sunwire.db*")):
        if file.stat().st_mode & PRIVATE:
            yield warning(
                f"others can read {file}, which holds keys and digests of passwords",
                f"chmod go-rwx {file}",
            )
