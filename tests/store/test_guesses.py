"""Guesses at passwords and codes: counted to the millisecond, and through a restart."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
import trio

from store.changes.base import Op
from store.errors import TooMany
from store.interface import Store
from store.queries import codes, guesses
from store.queries.codes import Verdict
from tests.contracts.places import NewDatabase, connected
from tests.store.social import START_MS, Social

KEY, OTHER = b"k" * 32, b"o" * 32
HOUR = 3600 * 1000
OP = Op(scope="d:01", key=b"k" * 16, digest=b"d" * 16)


@pytest.fixture
def world(empty_world: AbstractAsyncContextManager[Social]) -> AbstractAsyncContextManager[Social]:
    return empty_world


async def guess(store: Store, at: int, key: bytes = KEY) -> int:
    """0 when the guess may be judged, or the time to wait."""
    try:
        await store.write(guesses.take, key, START_MS + at)
    except TooMany as error:
        return error.retry_after_ms
    return 0


async def test_a_window_has_ten_and_begins_with_the_first(world: Social) -> None:
    for at in range(10):
        assert await guess(world.store, at) == 0
    assert await guess(world.store, 10) == HOUR - 10
    assert await guess(world.store, HOUR - 1) == 1
    assert await guess(world.store, HOUR - 1, OTHER) == 0
    for at in range(10):
        assert await guess(world.store, HOUR + at) == 0
    assert await guess(world.store, HOUR + 10) == HOUR - 10


async def test_a_right_one_gives_back_itself_alone(world: Social) -> None:
    for _ in range(9):
        await guess(world.store, 0)
    for _ in range(20):
        assert await guess(world.store, 1) == 0
        await world.store.write(guesses.give_back, KEY)
    assert await guess(world.store, 2) == 0
    assert await guess(world.store, 3) > 0
    await world.store.write(guesses.give_back, OTHER)  # of nothing, nothing
    assert not await world.rows("SELECT 1 FROM password_guesses WHERE guess_key = ?", OTHER)


async def test_guesses_made_at_once_are_counted_one_by_one(world: Social) -> None:
    results: list[int] = []

    async def one() -> None:
        results.append(await guess(world.store, 5))

    async with trio.open_nursery() as nursery:
        for _ in range(25):
            nursery.start_soon(one)
    assert sorted(results) == [0] * 10 + [HOUR] * 15


async def test_only_rows_that_limit_nothing_are_forgotten(world: Social) -> None:
    await guess(world.store, 0)
    await guess(world.store, 1, OTHER)
    assert await world.store.write(guesses.forget_old_guesses, START_MS + HOUR - 1) == 0
    assert await world.store.write(guesses.forget_old_guesses, START_MS + HOUR) == 1
    assert await world.rows("SELECT guess_key FROM password_guesses") == [(OTHER,)]


async def test_a_restart_gives_no_guess_back(new_lasting_database: NewDatabase) -> None:
    address, right, wrong = "ann@example.org", b"r" * 32, b"w" * 32
    async with new_lasting_database() as connect:
        async with connected(connect) as store:
            await store.migrate()
            for _ in range(10):
                await guess(store, 0)
            await store.write(codes.issue, address, right, START_MS)
            for left in (4, 3, 2):
                judged = await store.write(codes.judge, OP, address, wrong, START_MS)
                assert judged == (Verdict.WRONG, left)
        async with connected(connect) as store:
            assert await guess(store, 1) == HOUR - 1
            for left in (1, 0):
                judged = await store.write(codes.judge, OP, address, wrong, START_MS)
                assert judged == (Verdict.WRONG, left)
        async with connected(connect) as store:
            judged = await store.write(codes.judge, OP, address, right, START_MS)
            assert judged == (Verdict.GONE, 0)


async def test_a_code_that_was_not_sent_counts_for_nothing(world: Social) -> None:
    address = "ann@example.org"
    for number in range(15):  # more than a day has
        code_hash = bytes([number]) * 32
        await world.store.write(codes.issue, address, code_hash, START_MS)
        await world.store.write(codes.withdraw, address, code_hash)
        judged = await world.store.write(codes.judge, OP, address, code_hash, START_MS)
        assert judged == (Verdict.GONE, 0)
    await world.store.write(codes.issue, address, KEY, START_MS)
    await world.store.write(codes.withdraw, address, OTHER)  # of another code: nothing
    judged = await world.store.write(codes.judge, OP, address, KEY, START_MS)
    assert judged == (Verdict.RIGHT, codes.MAX_ATTEMPTS)
    with pytest.raises(TooMany):
        await world.store.write(codes.issue, address, OTHER, START_MS)
