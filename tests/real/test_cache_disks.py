"""A disk of the cache that fills, turns read-only or vanishes under a running server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import trio
from PIL import Image

from tests.chaos.disk import Disk, small_disk
from tests.media import samples
from tests.media.sockets import get, read_all
from tests.real.process import ServerProcess, server_process
from tests.real.witness import Person, sign_up

pytestmark = pytest.mark.real

PHOTOGRAPHS = 8
FIRST, NEW, LAST = ("small.jpg", "thumb.webp"), ("medium.jpg", "avatar160.jpg"), ("avatar64.webp",)

Step = Callable[[Disk, Path], None]


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def fill(disk: Disk, folder: Path) -> None:
    disk.fill(0)


def free(disk: Disk, folder: Path) -> None:
    disk.free()


def make_read_only(disk: Disk, folder: Path) -> None:
    mount("-o", "remount,ro", str(folder))


def make_writable(disk: Disk, folder: Path) -> None:
    mount("-o", "remount,rw", str(folder))


def take_away(disk: Disk, folder: Path) -> None:
    """With nothing in its place in which another could be made."""
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()
    folder.write_bytes(b"in the way")


def bring_back(disk: Disk, folder: Path) -> None:
    """Another one, empty."""
    folder.unlink()
    folder.mkdir()
    mount("-t", "tmpfs", "sunwire-test", str(folder))


async def failures(server: ServerProcess) -> float:
    """Of reads and writes of the cache, as the server counts them."""
    async with await trio.open_tcp_stream("127.0.0.1", server.ops_port) as stream:
        await stream.send_all(get("/metrics", close=True))
        lines = (await read_all(stream)).decode().splitlines()
    (line,) = (one for one in lines if one.startswith("sunwire_media_cache_failures_total "))
    return float(line.split()[1])


async def seen(person: Person, ids: list[str], names: tuple[str, ...]) -> dict[str, bytes]:
    """The variants, all of them whole."""
    found = {}
    for media_id in ids:
        for name in names:
            path = f"/m/{media_id}/{name}"
            head, _, body = (await person.http(get(path, close=True))).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), (path, head)
            Image.open(BytesIO(body)).load()
            found[path] = body
    return found


@pytest.mark.parametrize(
    ("strike", "mend"),
    [(fill, free), (make_read_only, make_writable), (take_away, bring_back)],
    ids=["full", "read-only", "gone"],
)
async def test_a_disk_that_fails_costs_no_answer(tmp_path: Path, strike: Step, mend: Step) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with small_disk(one) as disk:
        if disk is None:
            pytest.skip("we may not mount here")
        flags = ("--cache", f"{one}:{two}", "--cache-memory", "0")
        async with server_process(tmp_path / "data", *flags) as server:
            person = await sign_up(server)
            ids = [
                await person.upload(samples.jpeg(700 + 10 * number, 600))
                for number in range(PHOTOGRAPHS)
            ]
            before = await seen(person, ids, FIRST)
            assert any(path.is_file() for path in one.iterdir())
            assert any(path.is_file() for path in two.iterdir())
            assert await failures(server) == 0

            strike(disk, one)
            new = await seen(person, ids, NEW)
            assert await seen(person, ids, FIRST) == before
            assert await seen(person, ids, NEW) == new
            assert await failures(server) > 0
            assert any("media cache fails" in str(line) for line in server.lines)

            mend(disk, one)
            assert await seen(person, ids, FIRST + NEW) == before | new
            await seen(person, ids, LAST)
            assert [line for line in server.lines if line.get("level") == "error"] == []
            assert await server.stop(10) == 0
