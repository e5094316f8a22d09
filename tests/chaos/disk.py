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
        found = os.statvfs(self._folder)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        self._mount(f"remount,size={used + max(left, found.f_frsize)}")

    def free(self) -> None:
        self._mount(f"remount,size={ROOMY}")

    def _mount(self, options: str) -> None:
        subprocess.run(["mount", "-o", options, self._folder], check=True)


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
