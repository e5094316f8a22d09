"""Leases: one owner at a time, and none but he writes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from store.interface import Store
from store.log import Entry, Kind, WriteTransaction
from store.projections.base import Hint, Projection, VisibleProjection, lease_of
from store.projections.consuming import Consume, Consumed, consume, set_aside
from store.projections.offsets import offset
from store.queries.leases import Fenced, Lease, check_fence, release_leases, take_leases
from store.transaction import Transaction
from tests.contracts.statements import Put, get_numbers, rows, run, set_number

LIFETIME = 60_000  # ms: more than a test takes
ONE, TWO = b"1" * 16, b"2" * 16
NOW = 1_700_000_000_000


class Noting(Projection):
    name = "noting"
    kinds = frozenset({Kind.PROFILE_CHANGED})

    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        await set_number(tx, 1000, entries[-1].position)
        return []


class Telling(VisibleProjection):
    name = "telling"
    kinds = frozenset({Kind.PROFILE_CHANGED})

    async def project(self, tx: WriteTransaction, entries: Sequence[Entry]) -> list[Hint]:
        await set_number(tx, 2000, entries[-1].position)
        return []


async def take(store: Store, owner: bytes, *names: str) -> dict[str, Lease]:
    return await store.write(take_leases, names, owner, LIFETIME)


async def expire(store: Store, name: str) -> None:
    """Its owner has been away for longer than it lasts."""
    assert await store.write(run, "UPDATE leases SET until_ms = 1 WHERE name = ?", name) == 1


async def test_the_first_who_asks_has_it_until_it_ends(store: Store) -> None:
    assert await take(store, ONE, "a", "b") == {"a": Lease(1, LIFETIME), "b": Lease(1, LIFETIME)}
    refused = await take(store, TWO, "a", "c")
    assert refused["a"].fence == 0
    assert 0 < refused["a"].wait_ms <= LIFETIME
    assert refused["c"].fence == 1
    assert (await take(store, ONE, "a"))["a"].fence == 1  # renewed
    await expire(store, "a")
    assert (await take(store, TWO, "a"))["a"].fence == 2
    assert (await take(store, ONE, "a"))["a"].fence == 0
    await expire(store, "a")
    assert (await take(store, TWO, "a"))["a"].fence == 2  # nobody has had it in between


async def test_a_renewal_lasts_from_when_it_was_made(store: Store) -> None:
    await take(store, ONE, "a")
    first = await store.read(rows, "SELECT until_ms FROM leases")
    await trio.sleep(0.005)
    await take(store, ONE, "a")
    assert await store.read(rows, "SELECT until_ms FROM leases") > first


async def test_what_is_released_is_free_at_once(store: Store) -> None:
    await take(store, ONE, "a", "b")
    await take(store, TWO, "c")
    await store.write(release_leases, ONE)
    found = await take(store, TWO, "a", "b", "c")
    assert [found[name].fence for name in "abc"] == [2, 2, 1]
    await store.write(release_leases, ONE)  # what it has not is not its to release
    assert (await take(store, ONE, "a"))["a"].fence == 0


async def test_of_many_who_ask_at_once_one_has_it(store: Store) -> None:
    got: list[int] = []

    async def ask(number: int) -> None:
        got.append((await take(store, bytes([number]) * 16, "b", "a"))["a"].fence)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(ask, number)
    assert sorted(got) == [0] * 7 + [1]


async def test_the_fence_is_asked_for_at_each_write(store: Store) -> None:
    async def write(tx: Transaction, fence: int, value: int) -> None:
        await check_fence(tx, "a", fence)
        await set_number(tx, 1, value)

    await store.write(write, 0, 1)  # there is nobody else
    with pytest.raises(Fenced):
        await store.write(write, 1, 2)  # nobody has it
    await take(store, ONE, "a")
    await store.write(write, 1, 3)
    await expire(store, "a")
    await store.write(write, 1, 4)  # its time is over, and nobody has taken it
    await take(store, TWO, "a")
    with pytest.raises(Fenced):
        await store.write(write, 1, 5)
    await store.write(write, 2, 6)
    assert await store.read(get_numbers) == {1: 6}


async def test_a_consumer_that_was_overtaken_changes_nothing(store: Store) -> None:
    for number in range(1, 4):
        await store.commit([Put(name=number, value=number)], NOW)
    names = (lease_of("noting"), lease_of("telling"))
    await take(store, ONE, *names)
    for name in names:
        await expire(store, name)
    await take(store, TWO, *names)
    before = await store.read(get_numbers)
    with pytest.raises(Fenced):
        await store.write(consume, Noting(), 10, NOW, 1)
    with pytest.raises(Fenced):
        await store.write(set_aside, Noting(), 1, "why", NOW, 1)
    # In a batch the others are none the worse for it.
    batch = await store.commit(
        [Put(name=4, value=4), Consume(projection=Telling(), limit=10, fence=1)], NOW
    )
    assert batch.outcomes[0] == 4
    assert isinstance(batch.outcomes[1], Fenced)
    assert await store.read(get_numbers) == {**before, 4: 4}
    assert await store.read(offset, "noting") == await store.read(offset, "telling") == 0
    assert await store.read(rows, "SELECT * FROM set_aside") == []
    done = await store.write(consume, Noting(), 2, NOW, 2)
    assert done == Consumed(position=2, read=2)
    batch = await store.commit([Consume(projection=Telling(), limit=2, fence=2)], NOW)
    assert batch.outcomes == [Consumed(position=2, read=2)]
    fences = await store.read(rows, "SELECT consumer, fence FROM offsets ORDER BY consumer")
    assert fences == [("noting", 2), ("telling", 2)]


async def test_nobody_takes_a_lease_while_its_owner_writes(store: Store) -> None:
    """Whoever is taken over from has finished what he was writing, or has not begun it."""
    await take(store, ONE, "a")
    await expire(store, "a")
    order: list[str] = []
    checked = trio.Event()
    token = trio.lowlevel.current_trio_token()

    async def write(tx: Transaction) -> None:
        await check_fence(tx, "a", 1)
        token.run_sync_soon(checked.set)
        for number in range(50):
            await set_number(tx, 1, number)
        order.append("written")

    async def overtake() -> None:
        await checked.wait()
        assert (await take(store, TWO, "a"))["a"].fence == 2
        order.append("taken")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(overtake)
        nursery.start_soon(store.write, write)
    assert order == ["written", "taken"]
