"""Nodes that follow the log, and telling a restored log from the one that it was."""

from __future__ import annotations

import pytest

from store.epoch import Beyond, beyond_the_head, renew_epoch
from store.errors import Conflict
from store.interface import Store
from store.log import read_head
from store.queries.nodes import Node, forget_node, live_nodes, register_node
from store.transaction import Transaction
from tests.contracts.statements import Put, run

NOW = 1_700_000_000_000
ONE, TWO = b"1" * 16, b"2" * 16
MINUTE = 60_000


async def at(tx: Transaction, name: str, position: int) -> None:
    columns = ("role", "position", "fence", "paused_ms", "updated_ms")
    await tx.run(
        tx.dialect.upsert("offsets", ("consumer", "generation"), columns),
        (name, 0, 0, position, 0, 0, 0),
    )


async def test_a_node_is_there_until_its_time_is_over_or_it_says_so(store: Store) -> None:
    head = await store.write(register_node, ONE, "one:1", 0, MINUTE)
    assert head == await store.read(read_head)
    await store.write(register_node, TWO, "n" * 200, 5, MINUTE)
    await store.write(register_node, ONE, "one:1", 7, MINUTE)
    assert await store.read(live_nodes) == [Node("n" * 100, 5), Node("one:1", 7)]
    await store.write(forget_node, TWO)
    assert await store.read(live_nodes) == [Node("one:1", 7)]
    await store.write(register_node, ONE, "one:1", 8, -1)
    assert await store.read(live_nodes) == []


async def test_who_has_seen_more_than_there_is_is_found(store: Store) -> None:
    await store.commit([Put(name=1), Put(name=2)], NOW)
    await store.write(at, "home", 2)
    await store.write(register_node, ONE, "one:1", 2, MINUTE)
    assert await store.read(beyond_the_head) == []
    await store.write(at, "home", 3)
    await store.write(register_node, ONE, "one:1", 9, -1)
    assert await store.read(beyond_the_head) == [
        Beyond("the consumer home", 3),
        Beyond("the node one:1", 9),
    ]


async def test_a_new_epoch_is_another_each_time_and_changes_nothing_else(store: Store) -> None:
    await store.commit([Put(name=1), Put(name=2)], NOW)
    await store.write(at, "home", 1)
    before = await store.read(read_head)
    renewed = await store.write(renew_epoch)
    assert (renewed.before, renewed.position, renewed.clamped) == (before.epoch, 2, [])
    assert await store.read(read_head) == before._replace(epoch=renewed.epoch)
    assert renewed.epoch != before.epoch
    assert await store.read(beyond_the_head) == []
    # The same backup restored again must not come to the same epoch.
    await store.write(run, "UPDATE log_head SET epoch = ?", before.epoch)
    assert (await store.write(renew_epoch)).epoch not in (before.epoch, renewed.epoch)
    assert (await store.commit([Put(name=3)], NOW)).outcomes == [3]


async def test_positions_beyond_the_head_are_taken_back(store: Store) -> None:
    await store.commit([Put(name=1)], NOW)
    for name, position in (("counters", 1), ("home", 4), ("notifications", 5)):
        await store.write(at, name, position)
    await store.write(register_node, ONE, "one:1", 9, -1)
    assert (await store.write(renew_epoch)).clamped == ["home", "notifications"]
    assert await store.read(beyond_the_head) == []


async def test_it_is_refused_while_a_node_follows_the_log(store: Store) -> None:
    await store.write(register_node, ONE, "one:1", 0, MINUTE)
    before = await store.read(read_head)
    with pytest.raises(Conflict, match="one:1"):
        await store.write(renew_epoch)
    assert await store.read(read_head) == before
