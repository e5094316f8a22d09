"""An older copy of the database in the place of the present one: servers notice it, and clients
that have seen more begin afresh."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from subprocess import DEVNULL

import pytest
import trio

from realtime.app import run
from realtime.events import nodes
from realtime.settings import Settings
from realtime.startup import reason
from realtime.testing import new_key
from realtime.testing.process import ServerError
from rpc.client import ClientOptions, dial_url, open_client
from rpc.proto.frames_pb2 import Resync
from tests.contracts.mysql import Admin
from tests.real.mariadb import url_of
from tests.real.process import ROOT, server_process
from tests.realtime.follower import Follower
from tests.store.mysql.conftest import admin

__all__ = ["admin"]

pytestmark = pytest.mark.real

Act = Callable[[], Awaitable[None]]
Site = tuple[tuple[str, ...], Act, Act]
"""Flags of the server, and what takes a copy of its database and puts it back."""


@asynccontextmanager
async def on_sqlite(folder: Path, _: pytest.FixtureRequest) -> AsyncIterator[Site]:
    database, copy = folder / "data" / "sunwire.db", folder / "copy.db"

    async def save() -> None:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(f"VACUUM INTO '{copy}'")

    async def restore() -> None:
        for file in (folder / "data").glob("sunwire.db*"):
            file.unlink()
        shutil.copy(copy, database)

    yield (), save, restore


@asynccontextmanager
async def on_mysql(folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    server: Admin = request.getfixturevalue("admin")
    async with server.database() as place, server.database() as copy:

        async def transfer(source: str, target: str) -> None:
            found = await server.execute(
                f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{source}'"
            )
            for (table,) in found:
                await server.execute(
                    f"DROP TABLE IF EXISTS {target}.{table}; "
                    f"CREATE TABLE {target}.{table} LIKE {source}.{table}; "
                    f"INSERT INTO {target}.{table} SELECT * FROM {source}.{table}"
                )

        async def save() -> None:
            await transfer(place.database, copy.database)
            # It will be older than a minute when it is restored, which no test has.
            await server.execute(f"UPDATE {copy.database}.nodes SET until_ms = 0")

        async def restore() -> None:
            await transfer(copy.database, place.database)

        yield ("--store", url_of(place)), save, restore


async def new_epoch(data: Path, *flags: str) -> tuple[int, str]:
    """(exit code, output) of the command."""
    with trio.fail_after(30):
        done = await trio.run_process(
            [
                *(sys.executable, "-m", "realtime", "log", "new-epoch", "--data", str(data)),
                *flags,
            ],
            stdin=DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=ROOT,
            env={**os.environ},
        )
    return done.returncode, (done.stdout + done.stderr).decode()


Open = Callable[[Path, pytest.FixtureRequest], AbstractAsyncContextManager[Site]]


@pytest.mark.parametrize("opened", [on_sqlite, on_mysql])
async def test_it_is_refused_until_it_has_an_epoch_of_its_own(
    opened: Open, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    async with (
        opened(tmp_path, request) as (flags, save, restore),
        server_process(data, *flags) as server,
    ):
        ann, ben = await server.sign_up("ann"), await server.sign_up("ben")
        room = (await ann.call("Chat.OpenDirect", user_id=ben.user_id)).room.id

        async def say(text: str) -> None:
            await ann.call("Chat.SendMessage", room_id=room, client_id=new_key(), text=text)

        await say("before")
        dial = dial_url(f"ws://127.0.0.1:{server.port}")
        options = ClientOptions(backoff_most=0.5)
        async with (
            open_client(dial, token=ben.token, options=options) as client,
            trio.open_nursery() as nursery,
        ):
            app = Follower(client)
            nursery.start_soon(app.run)
            await app.until(lambda: app.texts(room) == ["before"])
            await save()
            for number in range(5):
                await say(f"lost {number}")
            await app.until(lambda: len(app.texts(room)) == 6)
            assert await refused_while_it_runs(data, *flags)
            assert await server.stop(within=15) == 0

            await restore()
            with pytest.raises(ServerError, match=r"older than what was seen .*log new-epoch"):
                await server.start()
            code, out = await new_epoch(data, *flags)
            assert code == 0, out
            renewed = json.loads(out)
            assert renewed["epoch"] != renewed["before"]
            assert renewed["clamped"] == []
            await server.start()

            await app.until(lambda: app.resyncs)
            assert app.resyncs == [Resync.OTHER_EPOCH]
            await ann.connect()
            await say("after")
            await app.until(lambda: "after" in app.texts(room))
            assert app.texts(room) == ["before", "after"]
            assert app.rooms == await app.fetch()
            nursery.cancel_scope.cancel()


async def refused_while_it_runs(data: Path, *flags: str) -> bool:
    code, out = await new_epoch(data, *flags)
    return code == 2 and ("in use by another server" in out or "servers follow this log" in out)


async def test_a_server_whose_log_is_replaced_under_it_ends(
    admin: Admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "RENEW", 0.05)
    ports = dict.fromkeys(("listen", "media", "ops"), "127.0.0.1:0")
    async with admin.database() as place:
        settings = Settings(data=tmp_path, store=url_of(place), grace=0, **ports)  # type: ignore[arg-type]

        async def serve() -> None:
            async with trio.open_nursery() as nursery:
                await nursery.start(
                    lambda task_status: run(settings, stop=trio.Event(), task_status=task_status)
                )
                await admin.execute(f"UPDATE {place.database}.log_head SET epoch = epoch + 1")

        with trio.fail_after(20), pytest.raises(ExceptionGroup) as caught:
            await serve()
        assert "the log was replaced under this server" in str(reason(caught.value))
