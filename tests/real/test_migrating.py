"""`migrate` and `serve --migrate` as processes."""

from __future__ import annotations

import os
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from subprocess import DEVNULL

import pytest
import trio

from store import migrations
from store.mysql.address import Address
from tests.contracts.mysql import Admin
from tests.real.mariadb import url_of
from tests.real.process import ROOT, server_process
from tests.store.mysql.conftest import address, admin
from tests.store.mysql.test_migrate import schema

__all__ = ["address", "admin"]

pytestmark = pytest.mark.real

KNOWN = [str(one) for one in migrations.load({"ID": "ID"})]
COMMAND = (sys.executable, "-m", "realtime")


async def run(*arguments: str) -> tuple[int, list[str], str]:
    """(exit code, lines of stdout, stderr) of a command."""
    with trio.fail_after(30):
        done = await trio.run_process(
            [*COMMAND, *arguments],
            stdin=DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=ROOT,
        )
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


async def test_it_shows_what_is_pending_applies_it_once_and_refuses_the_future(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    place = ("--data", str(data))
    assert (await run("migrate", *place, "--dry-run"))[:2] == (0, KNOWN)
    assert not data.exists()
    assert (await run("migrate", *place))[:2] == (0, KNOWN)
    assert os.stat(data / "sunwire.db").st_mode & 0o077 == 0
    assert await run("migrate", *place, "--dry-run") == (0, [], "up to date\n")
    with closing(sqlite3.connect(data / "sunwire.db")) as database:
        database.execute("INSERT INTO migrations VALUES (9999, 'from_the_future', 0)")
        database.commit()
    for more in ((), ("--dry-run",)):
        code, out, said = await run("migrate", *place, *more)
        assert (code, out) == (2, [])
        assert "written by a newer version: it is at migration 9999" in said


async def test_a_server_may_leave_migrating_to_the_command(tmp_path: Path) -> None:
    place = ("--data", str(tmp_path))
    nowhere = ("--listen", "127.0.0.1:0", "--media", "127.0.0.1:0", "--ops", "127.0.0.1:0")
    for workers in ("1", "2"):
        code, _, said = await run(
            "serve", *place, *nowhere, "--migrate", "check", "--workers", workers
        )
        assert code == 2
        assert f"{KNOWN[0]}, {KNOWN[1]}" in said
        assert "run python -m realtime migrate" in said
    assert (await run("migrate", *place))[0] == 0
    async with server_process(tmp_path, "--migrate", "check") as server:
        code, _, said = await run("migrate", *place)
        assert code == 2
        assert "in use by another server" in said
        assert server.lines[-1]["event"] == "serving"


@pytest.mark.parametrize("seed", range(4))
async def test_two_at_once_of_which_one_is_killed_leave_one_whole_schema(
    admin: Admin, address: Address, seed: int
) -> None:
    chance = random.Random(seed)
    async with admin.database() as place:
        at = chance.randrange(3, 30)  # tables, of which there are some forty

        async def tables() -> int:
            found = await admin.execute(
                "SELECT COUNT(*) FROM information_schema.tables "
                f"WHERE table_schema = '{place.database}'"
            )
            return int(found[0][0])

        command = [*COMMAND, "migrate", "--store", url_of(place)]
        both = [
            await trio.lowlevel.open_process(command, stdin=DEVNULL, stderr=DEVNULL, cwd=ROOT)
            for _ in range(2)
        ]
        try:
            with trio.fail_after(40):
                while await tables() < at:
                    await trio.lowlevel.checkpoint()
                victim = both.pop(chance.randrange(2))
                victim.kill()
                await victim.wait()
                assert await both[0].wait() == 0
        finally:
            for process in both:
                process.kill()
        assert await schema(admin, place) == await schema(admin, address)
        found = await admin.execute(
            f"SELECT number, name FROM {place.database}.migrations ORDER BY number"
        )
        assert [f"{number:04}_{name}" for number, name in found] == KNOWN
        heads = await admin.execute(f"SELECT position, floor FROM {place.database}.log_head")
        assert heads == [(0, 0)]
        assert await run("migrate", "--store", url_of(place)) == (0, [], "up to date\n")
