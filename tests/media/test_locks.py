"""Locks between processes: one holder at a time, freed by whoever dies with one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from media.cache.locks import FileLocks

HOLDER = """
import sys, trio
from pathlib import Path
from media.cache.locks import FileLocks

async def main():
    async with FileLocks(Path(sys.argv[1])).hold("name"):
        print("held", flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


def count(folder: Path) -> int:
    return len(list(folder.iterdir()))


async def test_one_at_a_time_and_nothing_is_left(tmp_path: Path) -> None:
    inside = most = 0
    # Each with an object of its own, as in several processes.
    async with trio.open_nursery() as nursery:

        async def work() -> None:
            nonlocal inside, most
            async with FileLocks(tmp_path / "locks").hold("name"):
                inside += 1
                most = max(most, inside)
                await trio.sleep(0.001)
                inside -= 1

        for _ in range(8):
            nursery.start_soon(work)
    assert most == 1
    assert count(tmp_path / "locks") == 0


async def test_names_do_not_wait_for_each_other(tmp_path: Path) -> None:
    locks = FileLocks(tmp_path)
    async with locks.hold("one"), locks.hold("other"):
        assert count(tmp_path) == 2


async def test_who_gives_up_leaves_the_holder_alone(tmp_path: Path) -> None:
    locks = FileLocks(tmp_path)
    async with locks.hold("name"):
        with trio.move_on_after(0.02) as scope:
            async with locks.hold("name"):
                raise AssertionError("two at a time")
        assert scope.cancelled_caught
        assert count(tmp_path) == 1


async def test_patience_has_an_end(tmp_path: Path) -> None:
    async with FileLocks(tmp_path).hold("name"):
        async with FileLocks(tmp_path, patience=0.02).hold("name"):
            pass  # the work is done twice, which is allowed
        assert count(tmp_path) == 1  # the holder's own


async def test_without_a_disk_there_is_no_lock_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    locks = FileLocks(tmp_path / "file" / "locks")
    async with locks.hold("name"), locks.hold("name"):
        pass


@pytest.mark.real
async def test_a_holder_that_is_killed_frees_its_lock(tmp_path: Path) -> None:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.receive_some() in (b"held", b"held\n")  # print writes twice
        got = trio.Event()

        async def wait() -> None:
            async with FileLocks(tmp_path).hold("name"):
                got.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.sleep(0.05)
            assert not got.is_set()
            process.kill()
    finally:
        process.kill()
        await process.wait()
        assert process.stdout is not None
        await process.stdout.aclose()
    assert got.is_set()
    assert count(tmp_path) == 0
