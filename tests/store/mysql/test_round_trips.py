"""How often a transaction waits for the server, and what becomes of statements that wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from asyncmy.errors import IntegrityError

from store.changes.base import Change, Op
from store.changes.messages import MovePointer, SendMessage
from store.changes.rooms import CreateGroup
from store.mysql import transaction
from store.mysql.address import Address
from store.mysql.connection import Answer, Connection
from store.mysql.store import MysqlStore
from store.transaction import Transaction
from tests.closing import until_the_end
from tests.contracts.mysql import Admin
from tests.contracts.statements import get_numbers, log_of, run_many, set_number
from tests.store.mysql.test_faults import kill_all

NOW = 1_700_000_000_000
KEEP = "INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)"
USERS = tuple(range(1, 51))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was sent to the server, a string for each round trip."""
    found: list[str] = []
    execute_all = Connection.execute_all

    async def execute(self: Connection, sql: str, within: float | None = None) -> list[Answer]:
        found.append(sql)
        return await execute_all(self, sql, within)

    monkeypatch.setattr(Connection, "execute_all", execute)
    return found


async def open_store(address: Address) -> MysqlStore:
    return until_the_end(await MysqlStore.open(address, readers=3))


@pytest.mark.parametrize("count", [1, 50])
async def test_a_batch_of_messages_takes_three_round_trips(
    address: Address, sent: list[str], count: int
) -> None:
    store = await open_store(address)
    await store.write(_add_users)
    await store.write(_begin_behind_them)
    rooms: list[int] = []
    for _ in range(3):
        group = CreateGroup(user_id=1, title="room", user_ids=USERS)
        rooms += (await store.commit([group], NOW)).outcomes

    async def trips(changes: Sequence[Change[Any]]) -> int:
        sent.clear()
        batch = await store.commit(changes, NOW)
        assert not any(isinstance(one, Exception) for one in batch.outcomes)
        return len(sent)

    messages = [
        SendMessage(
            op=Op(scope=f"u:{user}", key=bytes(15) + bytes([user]), digest=b"d" * 16),
            sender_id=user,
            room_id=rooms[user % 3],
            client_id=bytes(15) + bytes([user]),
            text="a message",
        )
        for user in USERS[:count]
    ]
    # The head and the op_keys; what the changes ask; what they write, with the commit.
    assert await trips(messages) == 3
    assert await trips(messages) == 2  # again: there is nothing to ask
    read = [MovePointer(user_id=9, room_id=room, number=1, seen=True) for room in rooms[:count]]
    assert await trips(read) == 3


async def _add_users(tx: Transaction) -> None:
    await tx.run_many(
        "INSERT INTO users (id, username, username_key, name, about, avatar_id, password, "
        "created_ms, changed) VALUES (?, ?, ?, '', '', '', '', 0, 0)",
        [(user, f"user{user}", f"user{user}") for user in USERS],
    )


async def _begin_behind_them(tx: Transaction) -> None:
    await tx.run("UPDATE log_head SET position = 1000")


async def test_what_waits_goes_with_the_next_statement_or_the_commit(
    address: Address, sent: list[str]
) -> None:
    store = await open_store(address)

    async def query(tx: Transaction) -> None:
        await tx.run_many(KEEP, [(1, 10)])
        await tx.run_many(KEEP, [(2, 20)])
        assert await get_numbers(tx) == {1: 10, 2: 20}
        await tx.run_many(KEEP, [(3, 30)])

    await store.write(get_numbers)  # connects
    sent.clear()
    await store.write(query)
    assert len(sent) == 2
    assert await store.read(get_numbers) == {1: 10, 2: 20, 3: 30}


async def test_one_that_fails_with_the_commit_undoes_all(address: Address, sent: list[str]) -> None:
    store = await open_store(address)
    await store.write(set_number, 2, 20)

    async def query(tx: Transaction) -> None:
        await tx.run_many(KEEP, [(1, 10)])
        await tx.run_many(KEEP, [(2, 21)])
        await tx.run_many(KEEP, [(3, 30)])

    with pytest.raises(IntegrityError, match="Duplicate entry"):
        await store.write(query)
    assert await store.read(get_numbers) == {2: 20}
    await store.write(set_number, 4, 40)  # on the same connection
    assert await store.read(get_numbers) == {2: 20, 4: 40}
    assert await log_of(store) == []


async def test_after_one_that_waited_has_failed_nothing_goes_on(address: Address) -> None:
    store = await open_store(address)
    await store.write(set_number, 2, 20)

    async def query(tx: Transaction) -> None:
        await tx.run_many(KEEP, [(1, 10)])
        await tx.run_many(KEEP, [(2, 21)])
        await tx.run_many(KEEP, [(3, 30)])
        for _ in range(2):
            with pytest.raises(IntegrityError, match="Duplicate entry"):
                await get_numbers(tx)
        await tx.run_many(KEEP, [(4, 40)])

    with pytest.raises(IntegrityError, match="Duplicate entry"):
        await store.write(query)
    assert await store.read(get_numbers) == {2: 20}


async def test_what_waits_has_a_bound(
    address: Address, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "HELD", 1000)
    store = await open_store(address)

    async def query(tx: Transaction) -> None:
        for number in range(100):
            await tx.run_many(KEEP, [(number, number)])

    sent.clear()
    await store.write(query)
    assert max(map(len, sent)) < 1200
    assert await store.read(get_numbers) == {number: number for number in range(100)}


async def test_a_connection_that_died_before_what_waits_is_replaced(
    admin: Admin, address: Address
) -> None:
    store = await open_store(address)
    for number in range(3):
        await store.write(run_many, KEEP, [(number, number)])
        await kill_all(admin, address)
    assert await store.read(get_numbers) == {0: 0, 1: 1, 2: 2}
