"""A disk that is full for a while."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOMY = 1 << 30  # bytes


class Disk:
    """A file system in memory, whose size can be changed while it is used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self, left: int) -> None:
        """From here on there is room for so many bytes more."""
        for _ in range(100):  # who writes meanwhile may need more than was to be left
            found = os.statvfs(self._folder)
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
            if self._resize(used + max(left, found.f_frsize)):
                return
        raise AssertionError("the disk fills faster than it can be made small")

    def free(self) -> None:
        assert self._resize(ROOMY)

    def _resize(self, size: int) -> bool:
        """False where that is too small for what is there."""
        done = subprocess.run(
            ["mount", "-o", f"remount,size={size}", self._folder], check=False, capture_output=True
        )
        return done.returncode == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """A disk in the folder, which is made; none where we may not mount."""
    folder.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOMY}", "sunwire-chaos", folder],
        check=False,
        capture_output=True,
    ).returncode  # fmt: skip
    try:
        yield Disk(folder) if mounted else None
    finally:
        if mounted:
            # Lazily: processes whose supervisor was killed are about to end.
            subprocess.run(["umount", "--lazy", folder], check=True)
