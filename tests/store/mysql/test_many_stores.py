"""Several nodes on one database: one order of the log, and each sees the others' commits."""

from __future__ import annotations

import random
from functools import partial

import structlog
import trio
from asyncmy.errors import IntegrityError

from realtime.clock import SystemClock
from realtime.events.batcher import Batcher, PendingChange
from store.changes.base import Op
from store.log import Batch, Entry, read_entries, read_head
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


async def test_batchers_at_once_lose_double_and_reorder_nothing(address: Address) -> None:
    """With changes among theirs that are refused, and that fail a whole batch."""
    stores = await open_stores(address, 3)
    committed: list[list[Entry]] = [[] for _ in stores]
    made: dict[int, tuple[int, int]] = {}  # position -> who, and his how many-th
    failed = 0

    def keep(kept: list[Entry], batch: Batch) -> None:
        kept += batch.entries

    async def produce(batcher: Batcher, name: int) -> None:
        nonlocal failed
        chance = random.Random(name)
        value = 0
        for _ in range(12):
            pending: list[tuple[int, PendingChange[int]]] = []
            for _ in range(chance.randint(1, 8)):
                value += 1
                bad = chance.random() < 0.03
                op = Op(scope=f"u:{name}", key=value.to_bytes(16, "big"), digest=b"d" * 16)
                change = Put(op=op, name=name, value=value, clash=bad, late=value % 2 == 0)
                pending.append((value, batcher.submit(change)))
            for number, one in pending:
                try:
                    made[await one.wait()] = (name, number)
                except IntegrityError:
                    failed += 1

    with structlog.testing.capture_logs():
        async with trio.open_nursery() as nursery:
            batchers = [
                Batcher(store, SystemClock(), partial(keep, kept))
                for store, kept in zip(stores, committed, strict=True)
            ]
            async with trio.open_nursery() as producers:
                for number, batcher in enumerate(batchers):
                    nursery.start_soon(batcher.run)
                    for name in range(10):
                        producers.start_soon(produce, batcher, 10 * number + name + 1)
            for batcher in batchers:
                batcher.close()
    assert failed
    entries = await log_of(stores[0])
    assert [entry.position for entry in entries] == list(range(1, len(made) + 1))
    assert {e.position: (e.actor_id, e.subject_id) for e in entries} == made
    # What each batcher told is its part of the log, in the log's order.
    assert sorted((e for kept in committed for e in kept), key=lambda e: e.position) == entries
    for kept in committed:
        assert [e.position for e in kept] == sorted(e.position for e in kept)
    for name in range(1, 31):
        mine = [e for e in entries if e.actor_id == name]
        assert [e.sequence for e in mine] == list(range(1, len(mine) + 1))
        assert [e.subject_id for e in mine] == sorted(e.subject_id for e in mine)


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
