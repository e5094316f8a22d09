"""A few rounds of each fault of one server: nothing acknowledged is lost, doubled or out of order.

Those of several are in files of their own, so that they run beside these.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests import chaos

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
