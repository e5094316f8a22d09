"""A round of each fault that strikes one of two servers behind one list of URLs, on a database."""

from __future__ import annotations

import pytest

from tests import chaos
from tests.chaos.site import OWN
from tests.contracts.mysql import server
from tests.real.test_chaos import expect, silent

pytestmark = pytest.mark.real


async def test_nodes_on_a_database() -> None:
    server()  # skips where no MariaDB is wanted
    faults = ["node", "nodes", "owner", "builder", "stop-owner", "stop-head"]
    expect(await chaos.run(1, 3, silent, store=OWN, nodes=2, faults=faults), *faults)
