"""The real process on MariaDB or MySQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from realtime.testing import new_key
from tests.contracts.mysql import Admin
from tests.real.mariadb import url_of
from tests.real.process import ROOT, server_process
from tests.store.mysql.conftest import admin

__all__ = ["admin"]

pytestmark = pytest.mark.real


async def test_another_node_takes_over_where_the_first_one_stopped(
    admin: Admin, tmp_path: Path
) -> None:
    """With a data folder of its own: everything but the blobs is in the database."""
    async with admin.database() as address:
        store = ("--store", url_of(address))
        async with server_process(tmp_path / "one", *store) as one:
            ann, ben = await one.sign_up("ann"), await one.sign_up("ben")
            room = (await ann.call("Chat.OpenDirect", user_id=ben.user_id)).room.id
            before = ben.cursor  # the message itself may still reach him live
            sent = await ann.call(
                "Chat.SendMessage", room_id=room, client_id=new_key(), text="ahoy"
            )
            assert await one.stop(10) == 0
            lines = one.lines
        assert lines[-1]["event"] == "stopped"
        assert not any(address.password in str(line) for line in lines)
        assert any(line.get("store") == str(address) for line in lines)
        async with server_process(tmp_path / "two", *store) as two:
            again = two.client()
            again.token, again.cursor = ben.token, before
            await again.connect(resume=True)
            await again.expect("caught_up")
            messages = [u.message for u in again.updates if u.WhichOneof("body") == "message"]
            assert [message.id for message in messages] == [sent.id]


async def test_the_demo_loses_nothing_with_two_nodes(admin: Admin) -> None:
    async with admin.database() as address:
        with trio.fail_after(100):
            done = await trio.run_process(
                [
                    *(sys.executable, "-m", "realtime", "demo", "--json", "--users", "5"),
                    *("--store", url_of(address), "--nodes", "2"),
                ],
                capture_stdout=True,
                check=False,
                cwd=ROOT,
            )
        found = json.loads(done.stdout)
        assert (found["ok"], found["error"], found["differences"]) == (True, "", [])
        assert found["expected"] == found["received"] > 100
        assert (found["nodes"], found["server_kills"]) == (2, 1)
        assert found["moved"] > 0
        posts = await admin.execute(f"SELECT COUNT(*) FROM {address.database}.posts")
        assert posts[0][0] > 0


def refused(store: str, folder: Path) -> str:
    """What a server says that cannot start, given its store by the environment."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "realtime",
            "serve",
            "--data",
            str(folder),
            "--listen",
            "127.0.0.1:0",
        ],
        cwd=ROOT,
        env={**os.environ, "SUNWIRE_STORE": store},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=20,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("store", "sentence"),
    [
        ("sqlite3", "--store must be sqlite, or mysql://"),
        ("mysql://ann:s3cr3t@127.0.0.1:port/x", "The port must be a number"),
        ("mysql://ann:s3cr3t@127.0.0.1", "a database are needed"),
        ("mysql://ann:s3cr3t@127.0.0.1:1/x", "ann@127.0.0.1:1/x cannot be reached"),
    ],
)
def test_it_says_why_it_does_not_start_and_no_password(
    tmp_path: Path, store: str, sentence: str
) -> None:
    said = refused(store, tmp_path)
    assert sentence in said
    assert "s3cr3t" not in said


async def test_it_says_that_it_is_not_let_in(admin: Admin, tmp_path: Path) -> None:
    said = refused(url_of(replace(admin.address, password="s3cr3t")), tmp_path)
    assert "does not let this user in" in said
    assert "s3cr3t" not in said
