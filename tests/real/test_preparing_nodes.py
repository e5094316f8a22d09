"""Two nodes on one MariaDB and one Cassandra, of which one dies while it prepares a video."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.contracts.cassandra import open_blobs
from tests.contracts.mysql import Admin
from tests.real.mariadb import url_of
from tests.real.process import server_process
from tests.real.test_preparing import HASTY, PATIENCE, Marks, film, told_once, upload, watch
from tests.real.witness import sign_up
from tests.store.mysql.conftest import admin

__all__ = ["admin"]

pytestmark = pytest.mark.real


async def test_the_other_node_takes_over_what_a_dead_one_had_begun(
    admin: Admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = Marks(tmp_path / "marks", monkeypatch)
    async with AsyncExitStack() as stack:
        blobs = await stack.enter_async_context(open_blobs())
        address = await stack.enter_async_context(admin.database())
        where = blobs.address
        flags = (
            *("--store", url_of(address)),
            *("--blobs", f"cassandra://{where.hosts[0]}:{where.port}/{where.keyspace}"),
        )
        nodes = [
            await stack.enter_async_context(server_process(tmp_path / name, *flags, program=HASTY))
            for name in ("one", "two")
        ]
        ann = await sign_up(nodes[0])
        marks.arm("put")  # of whichever has the work
        shown, clap = film(0)
        media_id = await upload(ann, shown)
        dead: list[int] = []
        with trio.fail_after(PATIENCE):
            while not dead:
                await trio.sleep(0.02)
                dead = [at for at, node in enumerate(nodes) if node.process and node.process.poll()]
        (first,) = dead
        assert marks.struck("put")
        await watch(nodes[1 - first], media_id, clap)
        await nodes[first].start()
        if first == 0:
            await ann.client.reconnect()
        await told_once(ann, media_id)
        for node in nodes:
            assert await node.stop(10) == 0
