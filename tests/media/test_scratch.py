"""Files for the workers: as long as their job, and no longer."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import trio

from media.workers.scratch import ABANDONED_SECONDS, Scratch
from store.errors import Unavailable


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def content(path: Path) -> tuple[bytes, int]:
    return path.read_bytes(), path.stat().st_mode & 0o777


def abandoned(path: Path) -> Path:
    path.write_bytes(b"of a server that died")
    when = time.time() - ABANDONED_SECONDS - 60
    os.utime(path, (when, when))
    return path


async def pieces(*data: bytes) -> AsyncGenerator[bytes, None]:
    for one in data:
        await trio.lowlevel.checkpoint()
        yield one


async def test_a_file_is_whole_and_goes_with_its_context(tmp_path: Path) -> None:
    async with Scratch(tmp_path / "new" / "folder").file(pieces(b"one", b"", b"two")) as path:
        assert content(path) == (b"onetwo", 0o600)
    assert names(tmp_path / "new" / "folder") == []


async def test_a_cancelled_job_leaves_no_file(tmp_path: Path) -> None:
    with trio.CancelScope() as scope:
        async with Scratch(tmp_path).file(pieces(b"data")):
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert names(tmp_path) == []


async def test_a_disk_that_fails_is_a_passing_state(tmp_path: Path) -> None:
    taken = abandoned(tmp_path / "taken")
    with pytest.raises(Unavailable, match="scratch folder failed"):
        async with Scratch(taken).file(pieces(b"data")):
            raise AssertionError


async def test_a_sweep_leaves_what_may_be_in_use(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "folder")
    await scratch.sweep()
    async with scratch.file(pieces(b"data")) as young:
        old = abandoned(young.with_name("old"))
        await scratch.sweep()
        assert names(old.parent) == [young.name]
