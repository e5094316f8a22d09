"""What a transaction keeps, what it undoes, and who sees what of it when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from store.errors import DomainError, NotFound, StoreError, Unavailable
from store.interface import Store
from store.transaction import Transaction
from tests.contracts.statements import (
    Failure,
    get_number,
    get_numbers,
    rows,
    run,
    run_many,
    set_number,
)


class Interruption(BaseException):
    """As an interrupt from the keyboard is: no `Exception`."""


async def test_what_was_written_is_read_at_once(store: Store) -> None:
    assert await store.read(get_number, 1) is None
    await store.write(set_number, 1, value=10)
    assert await store.read(get_number, name=1) == 10
    assert await store.write(get_number, 1) == 10


async def test_a_query_sees_what_it_has_written_itself(store: Store) -> None:
    async def query(tx: Transaction) -> list[int | None]:
        await set_number(tx, 1, 10)
        first = await get_number(tx, 1)
        await set_number(tx, 1, 11)
        await tx.run_many(
            tx.dialect.insert_new("last_seen", ("user_id", "at_ms")), [(1, 0), (2, 20)]
        )
        return [first, await get_number(tx, 1), await get_number(tx, 2), await get_number(tx, 3)]

    assert await store.write(query) == [10, 11, 20, None]


async def test_any_result_comes_back_as_it_is(store: Store) -> None:
    result = object()

    async def query(tx: Transaction) -> object:
        return result

    assert await store.read(query) is result
    assert await store.write(query) is result


@pytest.mark.parametrize(
    "make",
    [
        lambda: Failure("on its data"),
        lambda: NotFound("no such row", field="id"),
        lambda: Unavailable("by itself"),
        lambda: trio.TooSlowError(),
        lambda: Interruption(),
    ],
)
async def test_what_a_query_raises_undoes_it_and_reaches_the_caller(
    store: Store, make: Callable[[], BaseException]
) -> None:
    error = make()
    await store.write(set_number, 1, 10)

    async def query(tx: Transaction) -> None:
        await set_number(tx, 1, 11)
        await set_number(tx, 2, 20)
        assert await get_number(tx, 2) == 20
        raise error

    with pytest.raises(type(error)) as caught:
        await store.write(query)
    assert caught.value is error
    with pytest.raises(type(error)) as caught:
        await store.read(_raise, error)
    assert caught.value is error
    assert await store.read(get_numbers) == {1: 10}
    # And nothing is left behind that a later transaction would meet.
    await store.write(set_number, 2, 21)
    assert await store.read(get_numbers) == {1: 10, 2: 21}


async def _raise(tx: Transaction, error: BaseException) -> None:
    await get_number(tx, 1)
    raise error


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)", (1, 5)),  # the key is there
        ("INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)", (2, None)),
        ("UPDATE last_seen SET at_ms = ? WHERE user_id = ?", (None, 1)),
        ("UPDATE last_seen SET at_ms = ? WHERE user_id = ?", (1,)),  # a value is missing
        ("SELECT nothing FROM nowhere", ()),
        ("SELECT FROM", ()),
    ],
)
async def test_a_statement_that_fails_undoes_its_transaction(
    store: Store, sql: str, params: tuple[int | None, ...]
) -> None:
    """With an error that is neither a refusal nor a passing fault: trying again is in vain."""
    await store.write(set_number, 1, 10)

    async def query(tx: Transaction) -> None:
        await set_number(tx, 7, 70)
        await tx.run(sql, params)

    with pytest.raises(Exception, match=r".") as caught:
        await store.write(query)
    assert not isinstance(caught.value, DomainError | StoreError | AttributeError)
    assert await store.read(get_numbers) == {1: 10}
    await store.write(set_number, 7, 71)
    assert await store.read(get_number, 7) == 71


async def test_a_reader_never_sees_half_of_a_transaction(store: Store) -> None:
    """Two rows always hold the same number, for whoever reads them in one query or in two."""
    await store.write(_set_both, 0)
    done = False

    async def read() -> None:
        last = 0
        while not done:
            one, other = await store.read(_both_one_by_one)
            assert one == other
            assert last <= one <= 40
            both = await store.read(get_numbers)
            assert both[1] == both[2] >= one
            last = both[1]

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(read)
        for number in range(1, 41):
            await store.write(_set_both, number)
            with pytest.raises(Failure):
                await store.write(_set_both_and_fail, 1000 + number)
        done = True
    assert await store.read(_both_one_by_one) == (40, 40)


async def _set_both(tx: Transaction, number: int) -> None:
    await set_number(tx, 1, number)
    await set_number(tx, 2, number)


async def _set_both_and_fail(tx: Transaction, number: int) -> None:
    await _set_both(tx, number)
    raise Failure


async def _both_one_by_one(tx: Transaction) -> tuple[int, int]:
    return await get_number(tx, 1) or 0, await get_number(tx, 2) or 0


async def test_every_statement_of_a_read_sees_the_same_state(store: Store) -> None:
    await store.write(set_number, 1, 0)

    async def look(tx: Transaction) -> set[int | None]:
        return {await get_number(tx, 1) for _ in range(200)}

    async with trio.open_nursery() as nursery:

        async def read() -> None:
            assert len(await store.read(look)) == 1

        for number in range(10):
            nursery.start_soon(read)
            nursery.start_soon(store.write, set_number, 1, number)


async def test_a_read_includes_every_write_that_was_acknowledged_before(store: Store) -> None:
    async def worker(name: int) -> None:
        for number in range(10):
            await store.write(set_number, name, number)
            assert await store.read(get_number, name) == number

    async with trio.open_nursery() as nursery:
        for name in range(5):
            nursery.start_soon(worker, name)


async def test_of_writers_who_read_under_the_lock_none_is_lost(store: Store) -> None:
    await store.write(set_number, 1, 0)

    async def increment(tx: Transaction) -> None:
        found = await tx.rows(
            "SELECT at_ms FROM last_seen WHERE user_id = 1" + tx.dialect.for_update()
        )
        await tx.run("UPDATE last_seen SET at_ms = ? WHERE user_id = 1", (found[0][0] + 1,))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(store.write, increment)
    assert await store.read(get_number, 1) == 20


async def test_a_statement_tells_how_many_rows_it_concerned(store: Store) -> None:
    insert = "INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)"
    assert await store.write(run, insert, 1, 10) == 1
    await store.write(run_many, insert, [(2, 10), (3, 30)])
    update = "UPDATE last_seen SET at_ms = ? WHERE at_ms = ?"
    assert await store.write(run, update, 11, 10) == 2
    # A row that is as it was to become counts: the caller asks whether it is there.
    assert await store.write(run, update, 11, 11) == 2
    assert await store.write(run, update, 11, 99) == 0
    assert await store.write(run, "DELETE FROM last_seen WHERE at_ms = ?", 11) == 2
    assert await store.write(run, "DELETE FROM last_seen WHERE at_ms = ?", 11) == 0
    assert await store.read(rows, "SELECT user_id, at_ms FROM last_seen") == [(3, 30)]
