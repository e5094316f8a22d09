"""A round of each fault that strikes what two servers share."""

from __future__ import annotations

import pytest

from tests import chaos
from tests.chaos import deploying
from tests.chaos.site import OWN
from tests.contracts.mysql import server
from tests.real.redis import redis_url
from tests.real.test_chaos import expect, silent

pytestmark = pytest.mark.real


async def test_the_database_of_two_nodes() -> None:
    server()  # skips where no MariaDB is wanted
    faults = ["database", "stop-database", "answer", "network"]
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
