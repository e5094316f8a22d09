"""Consumers of two real nodes on one database, looked after from the command line."""

from __future__ import annotations

import json
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio

from realtime.events.leases import LIFETIME, RENEW
from tests.contracts.mysql import Admin
from tests.real.mariadb import url_of
from tests.real.process import ROOT, ServerProcess, server_process
from tests.real.test_mysql_nodes import until
from tests.real.test_operating import get
from tests.store.mysql.conftest import admin

__all__ = ["admin"]

pytestmark = pytest.mark.real


async def figures(node: ServerProcess, consumer: str) -> dict[str, float]:
    """What a node says of a consumer."""
    page = await get(node, "/metrics")
    found = re.findall(rf'^sunwire_consumer_(\w+){{consumer="{consumer}"}} (\S+)', page, re.M)
    return {name: float(value) for name, value in found}


async def test_a_consumer_is_paused_and_missed_whoever_runs_it(
    admin: Admin, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        store = ("--store", url_of(await stack.enter_async_context(admin.database())))
        nodes = [
            await stack.enter_async_context(server_process(tmp_path / name, *store))
            for name in ("one", "two")
        ]
        ann, ben = await nodes[0].sign_up("ann"), await nodes[1].sign_up("ben")
        post = (await ann.call("Posts.CreatePost", text="sea")).id

        async def log(*words: str) -> list[dict[str, Any]]:
            done = await trio.run_process(
                [sys.executable, "-m", "realtime", "log", *words, *store],
                cwd=ROOT,
                capture_stdout=True,
            )
            return [json.loads(line) for line in done.stdout.splitlines()]

        async def likes() -> int:
            count: int = (await ben.call("Posts.GetPost", post_id=post)).likes
            return count

        async def both_say(paused: bool, behind: bool) -> bool:
            found = [await figures(node, "counters") for node in nodes]
            return all(
                "paused" in one  # it has looked
                and (one["paused"] > 0, one["behind_entries"] > 0) == (paused, behind)
                for one in found
            )

        async def counted(number: int) -> bool:
            return await likes() == number and await both_say(paused=False, behind=False)

        await ben.call("Likes.LikePost", post_id=post)
        await until(lambda: counted(1), 10)
        await log("pause", "counters")
        await until(lambda: both_say(paused=True, behind=False), 5)
        await ben.call("Likes.UnlikePost", post_id=post)
        await until(lambda: both_say(paused=True, behind=True), 5)
        assert await likes() == 1
        (lag,) = [line for line in await log("lag") if line["consumer"] == "counters"]
        assert lag["paused"]
        assert lag["entries_behind"] > 0
        await log("resume", "counters")
        await until(lambda: counted(0), 5)

        # Its owner dies: the other says that it is missing, and then runs it.
        assert sorted([(await figures(node, "counters"))["owned"] for node in nodes]) == [0, 1]
        owned = [(await figures(node, "counters"))["owned"] for node in nodes]
        dead, other = nodes[owned.index(1)], nodes[owned.index(0)]
        caller = ben if other is nodes[1] else ann
        await dead.kill()
        await caller.call("Likes.LikePost", post_id=post)

        async def missed() -> bool:
            found = await figures(other, "counters")
            return found["owned"] == 0 and found["behind_entries"] >= 1

        async def taken() -> bool:
            found = await figures(other, "counters")
            count: int = (await caller.call("Posts.GetPost", post_id=post)).likes
            return found["owned"] == 1 and found["behind_entries"] == 0 and count == 1

        await until(missed, 5)
        await until(taken, LIFETIME + 3 * RENEW)
