"""A few rounds of each fault: nothing acknowledged is lost, doubled or out of order."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests import chaos
from tests.chaos import deploying
from tests.chaos.site import OWN
from tests.contracts.mysql import server
from tests.real.redis import redis_url

pytestmark = pytest.mark.real


def silent(line: str) -> None:
    pass


def expect(done: Counter[str], *faults: str) -> None:
    for what in ("messages", "posts", "comments", "likes", "photographs", *faults):
        assert done[what] > 0, done


async def test_a_server_that_is_killed() -> None:
    expect(await chaos.run(2, 7, silent, faults=["node", "builder"]), "node", "builder")


async def test_a_disk_that_is_full() -> None:
    done = await chaos.run(2, 1, silent, faults=["disk"])
    if not done["disk"] and not os.environ.get("CI"):
        pytest.skip("no disk of its own: only root may mount one")
    expect(done, "disk")


async def test_processes_that_are_killed() -> None:
    """A worker and the writer, as this seed has it."""
    done = await chaos.run(2, 3, silent, workers=2, faults=["process"])
    expect(done, "process")


async def test_nodes_on_a_database() -> None:
    """Two behind one list of URLs, on a database server that is struck too."""
    server()  # skips where no MariaDB is wanted
    faults = [
        *("node", "nodes", "owner", "builder", "stop-owner", "stop-head"),
        *("database", "stop-database", "answer", "network"),
    ]
    expect(await chaos.run(1, 3, silent, store=OWN, nodes=2, faults=faults), *faults)


async def test_nodes_with_a_redis_between_them() -> None:
    server()
    redis_url()
    faults = ["redis", "stop-redis"]
    done = await chaos.run(1, 1, silent, store=OWN, nodes=2, redis=True, faults=faults)
    expect(done, *faults)


async def test_two_nodes_that_migrate_at_once() -> None:
    """One is killed, and once the database server."""
    server()
    done = await deploying.run(2, 1, silent)
    assert done.total() == len(done) == 2
