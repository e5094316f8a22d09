"""Cancelled, closed, opened again, brought up to date: nothing is left half done."""

from __future__ import annotations

import pytest
import trio

from store.errors import Incompatible, Unavailable
from store.interface import Store
from store.log import read_head
from store.transaction import Transaction
from tests.contracts.backends import OpenStore
from tests.contracts.places import NewDatabase, connected
from tests.contracts.statements import (
    Put,
    everything,
    get_number,
    get_numbers,
    rows,
    run,
    set_number,
    tables,
)

NOW = 1_700_000_000_000


async def slow(tx: Transaction, name: int) -> int:
    """A write that takes its time."""
    for number in range(300):
        await set_number(tx, name, number)
    return name


# Cancellation.


async def test_what_is_cancelled_before_it_begins_leaves_nothing(store: Store) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.write(set_number, 1, 10)
    assert scope.cancelled_caught
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.commit([Put(name=2, value=20)], NOW)
    assert scope.cancelled_caught
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.read(get_numbers)
    assert scope.cancelled_caught
    assert await store.read(get_numbers) == {}
    assert (await store.read(read_head)).position == 0


async def test_what_is_cancelled_while_it_waits_is_made_whole_or_not_at_all(store: Store) -> None:
    """Cancelled means: not made. Whoever is told a result may rely on it."""
    told: set[int] = set()

    async def write(name: int, scope: trio.CancelScope) -> None:
        with scope:
            if name % 2:
                await store.write(slow, name)
            else:
                assert not isinstance(
                    (await store.commit([Put(name=name, value=1)], NOW)).outcomes[0], Exception
                )
            told.add(name)

    scopes = [trio.CancelScope() for _ in range(12)]
    async with trio.open_nursery() as nursery:
        for name, scope in enumerate(scopes):
            nursery.start_soon(write, name, scope)
        for scope in scopes[::2] + scopes[1::4]:
            await trio.lowlevel.checkpoint()
            scope.cancel()
    kept = await store.read(get_numbers)
    assert kept.keys() == told
    assert {3, 7, 11} <= told  # nobody cancelled these
    assert all(kept[name] == (299 if name % 2 else 1) for name in told)
    entries = (await store.read(read_head)).position
    assert entries == sum(1 for name in told if name % 2 == 0)
    # The writer is free again.
    await store.write(set_number, 1, 5)
    assert await store.read(get_number, 1) == 5


async def test_a_cancelled_read_keeps_no_reader(store: Store) -> None:
    """More are cancelled than the backend has readers; another still goes on."""

    async def look(tx: Transaction) -> None:
        for _ in range(50):
            await get_number(tx, 1)

    await store.write(set_number, 1, 10)
    for _ in range(5):
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(store.read, look)
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert await store.read(get_number, 1) == 10


# Closing.


async def test_a_closed_store_is_unavailable(open_store: OpenStore) -> None:
    async with open_store() as store:
        await store.aclose()
        for _ in range(2):
            with pytest.raises(Unavailable):
                await store.read(get_numbers)
            with pytest.raises(Unavailable):
                await store.write(set_number, 1, 10)
            with pytest.raises(Unavailable):
                await store.commit([Put(name=1)], NOW)
            with pytest.raises(Unavailable):
                await store.migrate()
            await store.aclose()  # again: nothing happens


async def test_closing_while_busy_keeps_what_was_acknowledged_and_nothing_else(
    new_lasting_database: NewDatabase,
) -> None:
    told: set[int] = set()
    turned_away: set[int] = set()

    async def write(store: Store, name: int) -> None:
        try:
            if name % 2:
                await store.write(slow, name)
            else:
                await store.commit([Put(name=name, value=1)], NOW)
        except Unavailable:
            turned_away.add(name)
        else:
            told.add(name)

    async def read(store: Store) -> None:
        try:
            while True:
                assert set((await store.read(get_numbers)).values()) <= {1, 299}
        except Unavailable:
            pass

    async with new_lasting_database() as connect:
        async with connected(connect) as store:
            await store.migrate()
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(read, store)
                for name in range(10):
                    nursery.start_soon(write, store, name)
                await trio.lowlevel.checkpoint()
                await store.aclose()
                nursery.start_soon(write, store, 10)
        assert told | turned_away == set(range(11))
        assert 10 in turned_away
        async with connected(connect) as store:
            assert (await store.read(get_numbers)).keys() == told
            positions = await store.read(rows, "SELECT position FROM log ORDER BY position")
            assert len(positions) == sum(1 for name in told if name % 2 == 0)


async def test_stores_are_apart(open_store: OpenStore) -> None:
    async with open_store() as one, open_store() as other:
        await one.write(set_number, 1, 10)
        await one.commit([Put(name=2)], NOW)
        assert await other.read(get_numbers) == {}
        assert (await other.read(read_head)).position == 0
        epochs = [(await store.read(read_head)).epoch for store in (one, other)]
        assert epochs[0] != epochs[1]  # by chance the same once in four thousand million runs


# Migrations.


async def test_the_schema_is_made_once(new_database: NewDatabase) -> None:
    async with new_database() as connect, connected(connect) as store:
        pending = await store.pending()
        assert await store.pending() == pending  # looking changes nothing
        applied = await store.migrate()
        assert applied == pending
        assert await store.pending() == []
        assert applied[0] == "0001_first_light"
        assert [name[:4] for name in applied] == [f"{n:04}" for n in range(1, len(applied) + 1)]
        before = await everything(store)
        assert len(before) == len(tables()) > 20
        assert await store.migrate() == []
        assert await everything(store) == before
        found = await store.read(rows, "SELECT number, name FROM migrations ORDER BY number")
        assert [f"{number:04}_{name}" for number, name in found] == applied


async def test_a_schema_is_brought_up_to_date_by_one_of_many(
    new_lasting_database: NewDatabase,
) -> None:
    """Servers that start at once apply each migration once, and all find the same log."""
    async with new_lasting_database() as connect:
        applied: list[list[str]] = []
        heads = []

        async def start() -> None:
            async with connected(connect) as store:
                applied.append(await store.migrate())
                heads.append(await store.read(read_head))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(start)
        assert sorted(map(bool, applied)) == [False, False, True]
        assert heads == [heads[0]] * 3
        async with connected(connect) as store:
            assert await store.migrate() == []
            assert await store.read(read_head) == heads[0]


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(store: Store) -> None:
    await store.write(set_number, 1, 10)
    await store.write(
        run, "INSERT INTO migrations (number, name, at_ms) VALUES (9999, 'from_the_future', 0)"
    )
    before = await everything(store)
    for ask in (store.migrate, store.pending):
        with pytest.raises(Incompatible, match="newer"):
            await ask()
    assert await everything(store) == before
