"""Several nodes on one database: one order of the log, and each sees the others' commits."""

from __future__ import annotations

import random

import trio

from store.changes.base import Op
from store.log import read_entries, read_head
from store.mysql.address import Address
from store.mysql.store import MysqlStore
from store.queries.secrets import load_or_create_secret
from store.sources import ALL
from tests.closing import until_the_end
from tests.contracts.statements import Put, log_of


async def open_stores(address: Address, count: int) -> list[MysqlStore]:
    return [until_the_end(await MysqlStore.open(address, readers=2)) for _ in range(count)]


async def test_positions_are_in_the_order_of_the_commits_of_all(address: Address) -> None:
    *writers, reader = await open_stores(address, 4)
    done = False
    seen: list[int] = []

    async def write(store: MysqlStore, number: int) -> None:
        chance = random.Random(number)
        for value in range(25):
            changes = [Put(name=number, value=value)] * chance.randint(1, 20)
            positions = (await store.commit(changes, 0)).outcomes
            assert positions == list(range(positions[0], positions[0] + len(changes)))
            # What was acknowledged here is seen by everybody.
            assert (await reader.read(read_head)).position >= positions[-1]

    async def follow() -> None:
        while not done or len(seen) < (await reader.read(read_head)).position:
            after = seen[-1] if seen else 0
            entries = await reader.read(read_entries, after, ALL, 50)
            seen.extend(entry.position for entry in entries)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        async with trio.open_nursery() as nodes:
            for number, store in enumerate(writers, 1):
                nodes.start_soon(write, store, number)
        done = True
    entries = await log_of(reader)
    assert seen == [entry.position for entry in entries] == list(range(1, len(entries) + 1))
    for number in range(1, len(writers) + 1):
        mine = [entry for entry in entries if entry.actor_id == number]
        assert [entry.sequence for entry in mine] == list(range(1, len(mine) + 1))
        assert [entry.subject_id for entry in mine] == sorted(entry.subject_id for entry in mine)


async def test_of_a_change_repeated_at_every_node_one_is_made(address: Address) -> None:
    stores = await open_stores(address, 3)
    op = Op(scope="u:1", key=b"k" * 16, digest=b"d" * 16)
    answers: list[tuple[int, bool]] = []

    async def send(store: MysqlStore) -> None:
        batch = await store.commit([Put(op=op, name=1, value=10)], 0)
        answers.append((batch.outcomes[0], batch.replayed[0]))

    async with trio.open_nursery() as nursery:
        for store in stores * 3:
            nursery.start_soon(send, store)
    assert sorted(answers) == [(1, False), *[(1, True)] * 8]


async def test_nodes_that_start_at_once_agree_on_their_secret(address: Address) -> None:
    stores = await open_stores(address, 4)
    found: set[bytes] = set()

    async def load(store: MysqlStore) -> None:
        found.add(await store.write(load_or_create_secret, "accounts", 32))

    async with trio.open_nursery() as nursery:
        for store in stores:
            nursery.start_soon(load, store)
    assert len(found) == 1
