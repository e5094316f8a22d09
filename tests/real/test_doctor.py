"""The checks of `doctor` at a real database server that is set up badly."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.doctor import CHECKS, Finding, Level, examine
from realtime.settings import Settings
from store.mysql.address import parse
from store.mysql.connection import Limits, open_connection
from store.mysql.loop import LoopThread, Turn
from tests.real.mariadb import private_mariadb

pytestmark = pytest.mark.real


async def store_of(url: str, data: Path) -> list[Finding]:
    """What is found of the database and its log."""
    settings = Settings(data=data, store=url)
    checks = {name: CHECKS[name] for name in ("store", "clock", "log")}
    found = [one async for _, findings in examine(settings, checks) for one in findings or ()]
    assert not any(parse(url).password in one.what + one.todo for one in found)
    return [one for one in found if one.check != "clock"]


async def execute(url: str, sql: str) -> None:
    async def run(turn: Turn[None]) -> None:
        turn.begin()
        connection = await open_connection(parse(url), Limits())
        await connection.execute(sql)
        await connection.aclose()

    async def nothing() -> None:
        pass

    thread = LoopThread("mysql-admin")
    await thread.run(run)
    await thread.aclose(nothing)


async def test_what_is_wrong_with_a_server_is_said_all_at_once(tmp_path: Path) -> None:
    with private_mariadb() as server:
        assert await store_of(server.url, tmp_path) == []
        await execute(
            server.url,
            "SET GLOBAL sql_mode = ''; SET GLOBAL innodb_flush_log_at_trx_commit = 2; "
            "SET GLOBAL max_allowed_packet = 1048576; SET GLOBAL max_connections = 20; "
            "ALTER DATABASE sunwire CHARACTER SET latin1",
        )
        found = await store_of(server.url, tmp_path)
    for level, words in (
        (Level.ERROR, "character set latin1"),
        (Level.ERROR, "strict mode"),
        (Level.ERROR, "max_allowed_packet"),
        (Level.WARNING, "innodb_flush_log_at_trx_commit is 2"),
        (Level.WARNING, "max_connections is 20"),
    ):
        assert any(level == one.level and words in one.what for one in found), words
