"""A change that is sent again is made once, and answered the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio

from store import commit
from store.changes.base import Change, Op
from store.errors import Conflict, OpKeyReused
from store.interface import Store
from store.queries.ops import is_repeat
from tests.contracts.examples import EXAMPLES, kinds_of_change, set_up
from tests.contracts.places import NewDatabase, connected
from tests.contracts.statements import Failure, Put, everything, get_numbers, log_of, rows
from tests.store.social import Social

NOW = 1_700_000_000_000
KEY = b"k" * 16


def op(key: bytes = KEY, scope: str = "u:1", digest: bytes = b"d" * 16) -> Op:
    return Op(scope=scope, key=key, digest=digest)


def test_there_is_an_example_of_every_change() -> None:
    assert kinds_of_change() == EXAMPLES.keys()


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
async def test_a_repeat_is_answered_the_same_and_changes_nothing(
    world: Social, kind: type[Change[Any]]
) -> None:
    """Within the batch, in the next one, and when other things have happened since."""
    change = msgspec.structs.replace(EXAMPLES[kind](await set_up(world)), op=op())
    first = await world.commit(change, change)
    outcome = first.outcomes[0]
    assert not isinstance(outcome, Exception)
    assert first.outcomes == [outcome, outcome]
    assert first.replayed == [False, True]
    after = await everything(world.store)
    for _ in range(2):
        again = await world.commit(change)
        assert again.outcomes == [outcome]
        assert repr(again.outcomes[0]) == repr(outcome)  # down to the types
        assert (again.replayed, again.entries, again.head) == ([True], [], first.head)
        assert await everything(world.store) == after
    await world.commit(Put(name=9, value=9))
    other = await world.commit(msgspec.structs.replace(change, op=op(digest=b"e" * 16)), change)
    assert isinstance(other.outcomes[0], OpKeyReused)
    assert other.outcomes[1:] == [outcome]
    assert (other.replayed, other.entries) == ([True, True], [])


async def test_another_request_with_the_key_is_refused_and_leaves_nothing(store: Store) -> None:
    first = await store.commit([Put(op=op(), name=1, value=10)], NOW)
    other = Put(op=op(digest=b"e" * 16), name=1, value=11)
    for batch in (await store.commit([other], NOW), await store.commit([other, other], NOW)):
        assert {type(outcome) for outcome in batch.outcomes} == {OpKeyReused}
        assert (batch.entries, batch.head) == ([], first.head)
    again = await store.commit([other, Put(op=op(), name=1, value=10)], NOW)
    assert isinstance(again.outcomes[0], OpKeyReused)
    assert again.outcomes[1:] == first.outcomes
    assert await store.read(get_numbers) == {1: 10}


async def test_of_two_requests_with_one_key_in_a_batch_the_first_is_made(store: Store) -> None:
    batch = await store.commit(
        [
            Put(op=op(), name=1, value=10),
            Put(op=op(digest=b"e" * 16), name=1, value=11),
            Put(op=op(), name=1, value=10),
        ],
        NOW,
    )
    assert batch.outcomes[0::2] == [1, 1]
    assert isinstance(batch.outcomes[1], OpKeyReused)
    assert batch.replayed == [False, True, True]
    assert len(batch.entries) == 1


async def test_the_same_key_of_another_scope_is_another_key(store: Store) -> None:
    scopes = ["u:1", "u:2", "U:1", "u:1 ", "d:1", "", "u:11", "\U0001f41f"]
    changes = [Put(op=op(scope=scope), name=n) for n, scope in enumerate(scopes)]
    batch = await store.commit(changes, NOW)
    assert batch.outcomes == list(range(1, len(scopes) + 1))
    assert (await store.commit(changes, NOW)).outcomes == batch.outcomes


async def test_keys_are_told_apart_to_the_last_bit(store: Store) -> None:
    keys = [b"\0" * 16, b"\0" * 15 + b"\1", b"\0" * 15, b"\xff" * 16, b"a" * 16, b"A" * 16, b""]
    changes = [Put(op=op(key), name=n) for n, key in enumerate(keys)]
    assert (await store.commit(changes[:3], NOW)).replayed == [False] * 3
    batch = await store.commit(changes, NOW)
    assert batch.outcomes == list(range(1, len(keys) + 1))
    assert batch.replayed == [True] * 3 + [False] * 4


async def test_a_refused_change_keeps_its_key_free(store: Store) -> None:
    """What was refused may be allowed when it is tried again."""
    refused = await store.commit([Put(op=op(), name=1, refuse=True)], NOW)
    assert isinstance(refused.outcomes[0], Conflict)
    assert not await store.read(is_repeat, op())
    assert (await store.commit([Put(op=op(), name=1)], NOW)).outcomes == [1]
    assert await store.read(is_repeat, op())


async def test_a_failed_batch_keeps_its_keys_free(store: Store) -> None:
    changes = [Put(op=op(bytes([n]) * 16), name=n, value=n) for n in range(3)]
    with pytest.raises(Failure):
        await store.commit([*changes, Put(op=op(b"bad"), name=9, fail=True)], NOW)
    assert await store.read(rows, "SELECT * FROM ops") == []
    batch = await store.commit(changes, NOW)
    assert (batch.outcomes, batch.replayed) == ([1, 2, 3], [False] * 3)


async def test_of_one_change_sent_many_times_at_once_one_is_made(store: Store) -> None:
    answers: list[tuple[int, bool]] = []

    async def send() -> None:
        batch = await store.commit([Put(op=op(), name=1, value=10)], NOW)
        answers.append((batch.outcomes[0], batch.replayed[0]))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(send)
    assert sorted(answers) == [(1, False), *[(1, True)] * 9]
    assert len(await log_of(store)) == 1


async def test_a_change_without_a_key_is_made_each_time(store: Store) -> None:
    batch = await store.commit([Put(name=1), Put(name=1)], NOW)
    assert (batch.outcomes, batch.replayed) == ([1, 2], [False, False])
    assert await store.read(rows, "SELECT * FROM ops") == []


async def test_keys_are_forgotten_when_their_lifetime_is_over(store: Store) -> None:
    first, second = Put(op=op(b"1"), name=1), Put(op=op(b"2"), name=2)
    await store.commit([first], NOW)
    await store.commit([second], NOW + 1)
    end = NOW + commit.OP_LIFETIME_MS
    assert await store.write(commit.forget_old_ops, end) == 0
    assert await store.write(commit.forget_old_ops, end + 1) == 1
    assert await store.write(commit.forget_old_ops, end + 1) == 0
    batch = await store.commit([first, second], end + 1)
    assert batch.replayed == [False, True]
    assert batch.outcomes == [3, 2]


async def test_keys_are_known_after_a_restart(new_lasting_database: NewDatabase) -> None:
    change = Put(op=op(), name=1, value=10)
    async with new_lasting_database() as connect:
        async with connected(connect) as store:
            await store.migrate()
            first = await store.commit([change], NOW)
        async with connected(connect) as store:
            again = await store.commit([change], NOW)
            assert (again.outcomes, again.replayed) == (first.outcomes, [True])
            assert (again.entries, again.head) == ([], first.head)


async def test_a_change_sent_to_two_processes_at_once_is_made_once(
    new_lasting_database: NewDatabase,
) -> None:
    async with (
        new_lasting_database() as connect,
        connected(connect) as one,
        connected(connect) as other,
    ):
        await one.migrate()
        answers: list[tuple[int, bool]] = []

        async def send(store: Store, number: int) -> None:
            batch = await store.commit([Put(op=op(bytes([number])), name=number)], NOW)
            answers.append((batch.outcomes[0], batch.replayed[0]))

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(send, one, number)
                nursery.start_soon(send, other, number)
        assert sorted(answers) == [(n, again) for n in range(1, 9) for again in (False, True)]
        assert len(await log_of(one)) == 8
