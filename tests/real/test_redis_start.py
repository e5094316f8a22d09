"""What a server says of its Redis at its start."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.testing.process import free_ports
from tests.contracts.mysql import Admin
from tests.real.mariadb import url_of
from tests.real.process import server_process
from tests.real.redis import redis_url
from tests.real.test_start import ANYWHERE, refused
from tests.store.mysql.conftest import admin

__all__ = ["admin"]

pytestmark = pytest.mark.real

MYSQL = ("--store", "mysql://ann@127.0.0.1:1/none")


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_what_is_wrong_with_the_setting(tmp_path: Path, workers: str) -> None:
    for url, store, why in (
        ("redis://:mellon@host/one", MYSQL, "--redis is not the URL of a Redis: the database"),
        ("rediss://:mellon@host", MYSQL, "--redis is not the URL of a Redis: it must be redis://"),
        ("redis://:mellon@host", (), "--redis is for several servers on one database: it needs"),
    ):
        arguments = ("serve", *ANYWHERE, "--data", "data", "--workers", workers, *store)
        said = await refused(*arguments, "--redis", url, folder=tmp_path)
        assert said.startswith(why)
        assert "mellon" not in said


async def test_one_that_is_not_there_is_no_reason_not_to_start(
    admin: Admin, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    async with admin.database() as address:
        flags = ("--store", url_of(address), "--redis", f"redis://:mellon@127.0.0.1:{port}")
        async with server_process(tmp_path, *flags) as server:
            line = await server.wait_line("redis away")
            assert line["level"] == "warning"
            assert line["server"] == f"127.0.0.1:{port}/0"
            ann = await server.sign_up("ann")
            await ann.call("Posts.CreatePost", text="sea")
            assert await server.stop(10) == 0
            said = str(server.lines)
            assert said.count("redis away") == 1
            assert "mellon" not in said


async def test_a_wrong_password_is_said_and_not_shown(admin: Admin, tmp_path: Path) -> None:
    url = redis_url().replace(":secret@", ":mellon@")
    async with admin.database() as address:
        flags = ("--store", url_of(address), "--redis", url, "--workers", "2")
        async with server_process(tmp_path, *flags) as server:
            line = await server.wait_line("redis away")
            assert "password" in line["error"]
            assert await server.stop(20) == 0
            assert "mellon" not in str(server.lines)
