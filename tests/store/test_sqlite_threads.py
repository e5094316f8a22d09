"""SQLite's threads at exact points of a race: a query that holds the writer or a reader up."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from store.errors import Unavailable
from store.sqlite import SqliteStore
from store.transaction import Transaction
from tests.contracts.statements import Put, get_number, get_numbers, log_of, rows, set_number


class Gate:
    """Where a query waits, in its thread, for the test to go on."""

    def __init__(self) -> None:
        self._reached = trio.Event()
        self._open = threading.Event()
        self._token = trio.lowlevel.current_trio_token()

    def hold(self) -> None:
        """Called in the thread."""
        self._token.run_sync_soon(self._reached.set)
        assert self._open.wait(10)

    async def wait_reached(self) -> None:
        await self._reached.wait()

    def open(self) -> None:
        self._open.set()


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(folder / "sunwire.db", readers=2)
    try:
        await store.migrate()
        yield store
    finally:
        await store.aclose()


@pytest.fixture
def store(tmp_path: Path) -> AbstractAsyncContextManager[SqliteStore]:
    return _opened(tmp_path)


async def hold(tx: Transaction, gate: Gate, name: int) -> None:
    """Writes, waits, and writes again."""
    await set_number(tx, name, 1)
    gate.hold()
    await set_number(tx, name, 2)


async def test_readers_go_on_beside_a_writer_and_see_what_was_committed(
    store: SqliteStore,
) -> None:
    await store.write(set_number, 1, 0)
    gate = Gate()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.write, hold, gate, 1)
        await gate.wait_reached()
        assert await store.read(get_number, 1) == 0
        gate.open()
    assert await store.read(get_number, 1) == 2


async def test_a_read_sees_one_state_though_commits_come_between_its_statements(
    store: SqliteStore,
) -> None:
    await store.write(set_number, 1, 0)
    gate = Gate()

    async def look(tx: Transaction) -> list[int | None]:
        first = await get_number(tx, 1)
        gate.hold()
        return [first, await get_number(tx, 1), len(await tx.rows("SELECT * FROM log"))]

    async with trio.open_nursery() as nursery:

        async def read() -> None:
            assert await store.read(look) == [0, 0, 0]

        nursery.start_soon(read)
        await gate.wait_reached()
        await store.write(set_number, 1, 5)
        await store.commit([Put(name=2)], 0)
        assert await store.read(get_number, 1) == 5  # another reader, another snapshot
        gate.open()


@pytest.mark.parametrize("kind", ["write", "commit"])
async def test_a_call_that_waits_for_the_writer_is_withdrawn(store: SqliteStore, kind: str) -> None:
    """At once: it does not wait for the one before it. Nothing of it happens."""
    gate = Gate()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.write, hold, gate, 1)
        await gate.wait_reached()
        async with trio.open_nursery() as waiting:
            if kind == "write":
                waiting.start_soon(store.write, set_number, 2, 1)
            else:
                waiting.start_soon(store.commit, [Put(name=2, value=1)], 0)
            await trio.testing.wait_all_tasks_blocked()
            waiting.cancel_scope.cancel()
        assert waiting.cancel_scope.cancelled_caught
        gate.open()
    await store.write(set_number, 3, 1)
    assert await store.read(get_numbers) == {1: 2, 3: 1}
    assert await log_of(store) == []


async def test_a_call_that_is_under_way_is_finished_and_answered(store: SqliteStore) -> None:
    gate = Gate()
    answered = trio.Event()

    async def write(scope: trio.CancelScope) -> None:
        with scope:
            await store.write(hold, gate, 1)
            answered.set()

    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        nursery.start_soon(write, scope)
        await gate.wait_reached()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert not answered.is_set()
        gate.open()
    assert answered.is_set()
    assert await store.read(get_number, 1) == 2


async def test_closing_finishes_what_was_taken_on_and_refuses_the_rest(
    store: SqliteStore,
) -> None:
    write, read = Gate(), Gate()
    outcomes: dict[str, object] = {}

    async def look(tx: Transaction) -> int | None:
        found = await get_number(tx, 1)  # from here on it sees this state
        read.hold()
        return found

    async def keep(name: str, call: object) -> None:
        try:
            outcomes[name] = await call  # type: ignore[misc]
        except Unavailable as error:
            outcomes[name] = error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep, "under way", store.write(hold, write, 1))
        nursery.start_soon(keep, "reading", store.read(look))
        await write.wait_reached()
        await read.wait_reached()
        nursery.start_soon(keep, "queued", store.write(set_number, 2, 1))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(store.aclose)
        await trio.testing.wait_all_tasks_blocked()
        read.open()
        write.open()
    assert outcomes == {"under way": None, "reading": None, "queued": None}
    await keep("late", store.write(set_number, 3, 1))
    assert isinstance(outcomes["late"], Unavailable)


async def test_a_write_has_the_file_from_its_first_statement(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Of another process a passing fault is all that it would see; and it may try again."""
    await store.write(set_number, 1, 10)
    gate = Gate()

    async def increment(tx: Transaction) -> None:
        found = await get_number(tx, 1) or 0
        gate.hold()
        await set_number(tx, 1, found + 1)

    async with _opened(tmp_path) as other:
        await other.write(rows, "PRAGMA busy_timeout = 0")  # or it would wait
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, increment)
            await gate.wait_reached()
            assert await other.read(get_number, 1) == 10
            with pytest.raises(Unavailable, match="locked"):
                await other.write(set_number, 1, 20)
            gate.open()
        assert await other.read(get_number, 1) == 11
        await other.write(set_number, 1, 20)
        assert await store.read(get_number, 1) == 20


async def test_a_query_that_awaits_anything_else_is_stopped_and_undone(
    store: SqliteStore,
) -> None:
    async def query(tx: Transaction) -> None:
        await set_number(tx, 1, 1)
        await trio.lowlevel.checkpoint()

    with pytest.raises(RuntimeError, match="not its transaction"):
        await store.write(query)
    assert await store.read(get_numbers) == {}
