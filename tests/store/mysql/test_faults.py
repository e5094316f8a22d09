"""What a lost connection, a slow server and a deadlock do to transactions: nothing by halves."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import pytest
import trio
from asyncmy.errors import OperationalError

from store.changes.media import ReserveMedia
from store.errors import OutcomeUnknown, Unavailable
from store.log import read_head
from store.mysql.address import Address
from store.mysql.connection import Limits
from store.mysql.store import MysqlStore
from store.records import Purpose
from store.transaction import Transaction
from tests.closing import until_the_end
from tests.contracts.mysql import Admin
from tests.contracts.statements import (
    Put,
    get_number,
    get_numbers,
    log_of,
    rows,
    run,
    set_number,
)
from tests.store.mysql.relay import Loss, Relay, open_relay

T = TypeVar("T")

NOW = 1_700_000_000_000
QUICK = Limits(connect=0.5, answer=0.5, resolve=0.5)


async def open_store(address: Address, limits: Limits = Limits()) -> MysqlStore:  # noqa: B008
    return until_the_end(await MysqlStore.open(address, readers=3, limits=limits))


LONG = "SELECT BENCHMARK(100000000000, SHA2('x', 512))"  # a sleep takes its time to be ended


async def until_running(admin: Admin, count: int) -> None:
    """Returns when so many of them run on the server."""
    while True:
        found = await admin.execute(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%BENCHMARK(1%' "
            "AND id <> CONNECTION_ID()"
        )
        if found == [(count,)]:
            return
        await trio.sleep(0.005)


async def kill_all(admin: Admin, address: Address) -> None:
    """Ends every connection to a database."""
    found = await admin.execute(
        f"SELECT id FROM information_schema.processlist WHERE db = '{address.database}' "
        "AND id <> CONNECTION_ID()"
    )
    assert found
    for (number,) in found:
        with contextlib.suppress(OperationalError):  # it has ended meanwhile
            await admin.execute(f"KILL {number}")


async def test_a_cancelled_read_ends_at_once_and_on_the_server_too(
    admin: Admin, address: Address
) -> None:
    store = await open_store(address)
    started = time.monotonic()
    async with trio.open_nursery() as nursery:
        for _ in range(5):  # more than there are readers
            nursery.start_soon(store.read, rows, LONG)
        await until_running(admin, 3)
        nursery.cancel_scope.cancel()
    assert time.monotonic() - started < 5
    with trio.fail_after(5):
        await until_running(admin, 0)
        assert await store.read(get_numbers) == {}


async def test_a_statement_that_takes_too_long_is_given_up(address: Address) -> None:
    store = await open_store(address)
    with pytest.raises(Unavailable, match="max_statement_time"):
        await store.read(rows, "SET STATEMENT max_statement_time = 0.01 FOR SELECT SLEEP(5)")
    assert await store.read(get_numbers) == {}
    short = await open_store(address, Limits(statement=1))
    with pytest.raises(Unavailable):
        await short.write(rows, "SELECT SLEEP(5)")


async def test_connections_that_died_between_the_calls_are_replaced(
    admin: Admin, address: Address
) -> None:
    store = await open_store(address)
    await store.write(set_number, 1, 10)
    for number in range(3):
        await store.read(get_numbers)
        await store.commit([Put(name=2)], NOW)
        await kill_all(admin, address)
        assert await store.read(get_number, 1) == 10 + number
        await kill_all(admin, address)
        await store.write(set_number, 1, 11 + number)
        await kill_all(admin, address)
        await store.commit([Put(name=3)], NOW)
    assert len(await log_of(store)) == 6


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_a_connection_that_dies_in_a_transaction_undoes_it(
    admin: Admin, address: Address, kind: str
) -> None:
    store = await open_store(address)
    tries = 0

    async def query(tx: Transaction) -> None:
        nonlocal tries
        tries += 1
        if kind == "write":
            await set_number(tx, 1, 10)
        await tx.rows("SELECT 1")
        number = (await tx.rows("SELECT CONNECTION_ID()"))[0][0]
        with pytest.raises(Unavailable):
            await tx.rows(f"KILL {number}")
        with pytest.raises(Unavailable):
            await tx.rows("SELECT 1")  # not on another connection, where nothing of it is

    with pytest.raises(Unavailable):
        await store.write(query) if kind == "write" else await store.read(_kill)
    assert tries == (1 if kind == "write" else 0)
    assert await store.read(get_numbers) == {}
    await store.write(set_number, 1, 11)


async def _kill(tx: Transaction) -> None:
    number = (await tx.rows("SELECT CONNECTION_ID()"))[0][0]
    await tx.rows(f"KILL {number}")


async def test_of_two_in_a_deadlock_one_goes_through(address: Address) -> None:
    store = await open_store(address)
    for name in (1, 2):
        await store.write(set_number, name, 0)
    lost: list[Unavailable] = []

    async def move(first: int, second: int, mark: int) -> None:
        async def query(tx: Transaction) -> None:
            await tx.run("UPDATE last_seen SET at_ms = ? WHERE user_id = ?", (mark, first))
            await tx.rows("SELECT SLEEP(0.2)")
            await tx.run("UPDATE last_seen SET at_ms = ? WHERE user_id = ?", (mark, second))

        try:
            await store.write(query)
        except Unavailable as error:
            lost.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(move, 1, 2, 5)
        nursery.start_soon(move, 2, 1, 6)
    assert len(lost) == 1
    assert set((await store.read(get_numbers)).values()) in ({5}, {6})


async def test_a_node_that_stops_with_the_head_stops_nobody_for_long(address: Address) -> None:
    stopped = await open_store(address, Limits(idle=1))
    other = await open_store(address)
    holding = trio.Event()
    token = trio.lowlevel.current_trio_token()

    async def stop(tx: Transaction) -> None:
        await read_head(tx, lock=True)
        await set_number(tx, 1, 10)
        token.run_sync_soon(holding.set)
        time.sleep(2.5)  # noqa: ASYNC251 - as a process that was stopped would
        await set_number(tx, 2, 10)

    async def try_to_stop() -> None:
        with pytest.raises(Unavailable):
            await stopped.write(stop)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(try_to_stop)
        await holding.wait()
        started = time.monotonic()
        await other.commit([Put(name=3, value=30)], NOW)
        assert time.monotonic() - started < 2
    assert await other.read(get_numbers) == {3: 30}


async def test_who_waits_for_the_head_too_long_gives_up_and_may_come_again(
    address: Address,
) -> None:
    holder = await open_store(address)
    waiting = await open_store(address, Limits(lock=1))
    holding, go_on = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    async def hold(tx: Transaction) -> None:
        await read_head(tx, lock=True)
        token.run_sync_soon(holding.set)
        go_on.wait(8)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(holder.write, hold)
        await holding.wait()
        started = time.monotonic()
        with pytest.raises(Unavailable, match="Lock wait timeout"):
            await waiting.commit([Put(name=1, value=10)], NOW)
        assert 0.9 < time.monotonic() - started < 4
        assert await waiting.read(get_numbers) == {}
        go_on.set()
    assert (await waiting.commit([Put(name=1, value=10)], NOW)).outcomes == [1]
    assert await waiting.read(get_numbers) == {1: 10}


# A connection on its way.


async def test_one_that_is_reset_before_it_stands_is_tried_once_more(address: Address) -> None:
    async with open_relay(address) as relay:
        store = await open_store(relay.address)
        relay.reset(1)
        await store.write(set_number, 1, 10)
        assert await store.read(get_numbers) == {1: 10}
        await relay.break_all()
        relay.reset(2)
        with pytest.raises(Unavailable):
            await store.read(get_numbers)
        assert await store.read(get_numbers) == {1: 10}
        await store.aclose()


# The answer to a commit.


async def committing(relay: Relay, store: MysqlStore, loss: Loss, *changes: Put) -> int:
    """The position of the first change, however often it takes."""
    relay.lose(loss)
    try:
        batch = await store.commit(changes, NOW)
    except Unavailable:
        assert loss is Loss.COMMAND
        batch = await store.commit(changes, NOW)
    else:
        assert loss is Loss.ANSWER
    position: int = batch.outcomes[0]
    return position


@pytest.mark.parametrize("loss", Loss)
async def test_a_commit_whose_answer_is_lost_is_made_once(address: Address, loss: Loss) -> None:
    async with open_relay(address) as relay:
        store = await open_store(relay.address)
        other = await open_store(address)
        for number in range(1, 4):
            first = await committing(relay, store, loss, Put(name=1), Put(name=2, value=number))
            assert first == 3 * number - 2
            await other.commit([Put(name=3)], NOW)
        assert relay.lost == 3
        await store.aclose()
    assert len(await log_of(other)) == 9
    assert (await other.read(get_numbers))[2] == 3


@pytest.mark.parametrize("loss", Loss)
async def test_a_batch_without_entries_is_made_once_too(address: Address, loss: Loss) -> None:
    change = ReserveMedia(owner_id=1, media_id="f" * 32, purpose=Purpose.CHAT, size=9)
    async with open_relay(address) as relay:
        store = await open_store(relay.address)
        relay.lose(loss)
        if loss is Loss.ANSWER:
            batch = await store.commit([change], NOW)
            assert not isinstance(batch.outcomes[0], Exception)
        else:
            with pytest.raises(Unavailable):
                await store.commit([change], NOW)
            batch = await store.commit([change], NOW)
            assert not isinstance(batch.outcomes[0], Exception)
        assert relay.lost == 1
        assert await store.read(rows, "SELECT id FROM media") == [("f" * 32,)]
        await store.aclose()


async def in_the_end(call: Callable[[], Awaitable[T]]) -> T:
    """What a call gives that a busy machine may not answer within `QUICK`."""
    with trio.fail_after(30):
        while True:
            try:
                return await call()
            except OutcomeUnknown:
                raise
            except Unavailable:
                continue


async def test_where_nobody_can_be_asked_the_outcome_is_unknown(address: Address) -> None:
    async with open_relay(address) as relay:
        store = await in_the_end(partial(open_store, relay.address, QUICK))
        await in_the_end(partial(store.write, set_number, 1, 10))

        async def silence(tx: Transaction) -> None:
            await set_number(tx, 1, 11)
            relay.silence()

        with pytest.raises(Unavailable) as caught:
            await store.write(silence)
        assert not isinstance(caught.value, OutcomeUnknown)
        relay.go_on()
        await in_the_end(partial(store.commit, [Put(name=2)], NOW))
        relay.lose(Loss.ANSWER, then_silent=True)
        with pytest.raises(OutcomeUnknown):
            await in_the_end(partial(store.commit, [Put(name=3)], NOW))
        assert relay.lost == 1
        relay.go_on()
        # What the silent line still held went on its way: of the write nobody knows either.
        assert (await in_the_end(partial(store.read, get_numbers))).keys() == {1, 2, 3}
        await store.aclose()


async def test_a_network_that_goes_silent_is_noticed(address: Address) -> None:
    async with open_relay(address) as relay:
        store = await in_the_end(partial(open_store, relay.address, QUICK))
        await in_the_end(partial(store.write, set_number, 1, 10))
        await in_the_end(partial(store.read, get_numbers))
        relay.silence()
        for call in (store.read(get_numbers), store.write(run, "DO 0")):
            with trio.fail_after(8), pytest.raises(Unavailable):
                await call
        relay.go_on()
        assert await in_the_end(partial(store.read, get_numbers)) == {1: 10}
        await relay.break_all()
        assert await in_the_end(partial(store.read, get_numbers)) == {1: 10}
        await store.aclose()
