"""A round of each fault against three real nodes; `make chaos-blobs` runs more."""

from __future__ import annotations

from tests.chaos.blobs import FAULTS, run
from tests.real.cassandra import three_nodes


async def test_one_of_three_nodes_may_be_killed_stopped_or_damaged() -> None:
    with three_nodes() as nodes:
        done = await run(nodes, len(FAULTS), 1, lambda _: None)
    for what in ("put", "read", "mended", *FAULTS):
        assert done[what], done
