"""Sign-in codes, at the exact instants of their limits."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest

from store.changes.base import Op
from store.errors import TooMany
from store.queries import codes
from store.queries.codes import Verdict
from tests.store.social import START_MS, Social

ADDRESS = "ann@example.org"
RIGHT, OTHER = b"r" * 32, b"o" * 32
OP = Op(scope="d:01", key=b"k" * 16, digest=b"d" * 16)
DAY = 24 * 3600 * 1000


@pytest.fixture
def world(empty_world: AbstractAsyncContextManager[Social]) -> AbstractAsyncContextManager[Social]:
    return empty_world


async def issue(world: Social, at: int, code_hash: bytes = RIGHT, address: str = ADDRESS) -> int:
    """0 when it was issued, or the time to wait."""
    try:
        await world.store.write(codes.issue, address, code_hash, START_MS + at)
    except TooMany as error:
        return error.retry_after_ms
    return 0


async def judge(world: Social, at: int, code_hash: bytes = RIGHT) -> tuple[Verdict, int]:
    return await world.store.write(codes.judge, OP, ADDRESS, code_hash, START_MS + at)


async def spend(world: Social, at: int, code_hash: bytes = RIGHT) -> bool:
    return await world.store.write(codes.spend, ADDRESS, code_hash, START_MS + at)


async def test_a_code_lives_ten_minutes(world: Social) -> None:
    assert await issue(world, 0) == 0
    assert await judge(world, 600_000 - 1) == (Verdict.RIGHT, 5)
    assert await judge(world, 600_000) == (Verdict.GONE, 0)
    assert not await spend(world, 600_000)
    assert await spend(world, 600_000 - 1)


async def test_the_fifth_wrong_attempt_ends_it(world: Social) -> None:
    await issue(world, 0)
    for left in (4, 3, 2, 1):
        assert await judge(world, 1, OTHER) == (Verdict.WRONG, left)
    assert await judge(world, 1) == (Verdict.RIGHT, 1)
    assert await judge(world, 1, OTHER) == (Verdict.WRONG, 0)
    assert await judge(world, 1) == (Verdict.GONE, 0)
    assert not await spend(world, 1)
    await issue(world, 30_000)
    assert await judge(world, 30_001, OTHER) == (Verdict.WRONG, 4)


async def test_it_is_spent_once(world: Social) -> None:
    await issue(world, 0)
    assert not await spend(world, 1, OTHER)
    assert await spend(world, 1)
    assert not await spend(world, 1)
    assert await judge(world, 1) == (Verdict.GONE, 0)
    # What is left in the row is no code.
    assert await judge(world, 1, b"") == (Verdict.GONE, 0)
    assert not await spend(world, 1, b"")


async def test_a_newer_code_takes_its_place(world: Social) -> None:
    await issue(world, 0, OTHER)
    await issue(world, 30_000, RIGHT)
    assert not await spend(world, 30_001, OTHER)
    assert await spend(world, 30_001, RIGHT)


async def test_thirty_seconds_lie_between_two_codes(world: Social) -> None:
    assert await issue(world, 0) == 0
    assert await issue(world, 1) == 29_999
    assert await issue(world, 29_999, OTHER) == 1
    assert await judge(world, 29_999, RIGHT) == (Verdict.RIGHT, 5)  # the refused one is none
    assert await issue(world, 30_000) == 0
    assert await issue(world, 30_000, address="ben@example.org") == 0


async def test_an_address_has_ten_a_day_though_they_are_used(world: Social) -> None:
    for number in range(10):
        at = number * 30_000
        assert await issue(world, at) == 0
        assert await spend(world, at)
    assert await issue(world, 300_000) == DAY - 300_000
    assert await issue(world, DAY - 1) == 1
    assert await issue(world, DAY) == 0
    assert await issue(world, DAY + 30_000) == 0


async def test_both_limits_hold_at_once(world: Social) -> None:
    for number in range(9):
        assert await issue(world, number * 30_000) == 0
    assert await issue(world, DAY - 10_000) == 0
    # The day ends sooner than the thirty seconds.
    assert await issue(world, DAY - 1) == 20_001
    assert await issue(world, DAY) == 20_000
    assert await issue(world, DAY + 20_000) == 0


async def test_a_repeat_is_known_before_the_code_is_judged(world: Social) -> None:
    await issue(world, 0)
    await world.run(
        "INSERT INTO ops (scope, op_key, digest, result, at_ms) VALUES (?, ?, ?, ?, 0)",
        OP.scope,
        OP.key,
        OP.digest,
        b"",
    )
    for code_hash in (RIGHT, OTHER):
        assert (await judge(world, 1, code_hash))[0] is Verdict.REPEAT
    assert await world.rows("SELECT attempts FROM codes") == [(0,)]


async def test_only_rows_that_limit_nothing_are_forgotten(world: Social) -> None:
    await issue(world, 0)
    await issue(world, 1000, address="ben@example.org")
    assert await world.store.write(codes.forget_old_codes, START_MS + DAY - 1) == 0
    assert await world.store.write(codes.forget_old_codes, START_MS + DAY) == 1
    assert await world.rows("SELECT address FROM codes") == [("ben@example.org",)]


@pytest.mark.parametrize("late", [0, 1])
async def test_a_code_at_the_end_of_the_day_outlives_it(world: Social, late: int) -> None:
    await issue(world, 0)
    await issue(world, DAY - 1)
    assert await world.store.write(codes.forget_old_codes, START_MS + DAY + late) == 0
    assert await spend(world, DAY + late)
