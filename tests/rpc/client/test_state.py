"""What is kept between runs: both stores by the same rules, and the file's transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from rpc.client import MemoryState, SqliteState, StateStore
from rpc.client.events import Event, UpdateReceived
from rpc.client.state import Queued, Save
from rpc.client.updates import Mark, StreamKey
from tests.rpc.client.fakes import Net, client_of, message_update

ONE, TWO = StreamKey(1, 1), StreamKey(1, 2)
CALL = Queued(0, 7, "Chat.SendMessage", b"payload", b"k" * 16, "room:1", "draft", 1000)


@pytest.fixture(params=["memory", "sqlite"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    if request.param == "memory":
        yield MemoryState()
        return
    store = SqliteState(tmp_path / "state.db")
    yield store
    store.close()


async def test_a_new_store_knows_its_device_alone(state: StateStore) -> None:
    stored = await state.load()
    assert len(stored.device_id) == 16
    assert (stored.user_id, stored.cursor, stored.streams) == (0, b"", {})
    assert (await state.load()).device_id == stored.device_id


async def test_a_save_adds_and_a_restart_forgets(state: StateStore) -> None:
    await state.save(Save([], b"c1", {ONE: Mark(1), TWO: Mark(5, 50, gone=True)}, user_id=7))
    await state.save(Save([], b"c2", {ONE: Mark(2)}, unreadable={TWO: "v1"}))
    await state.save(Save([]))  # nothing but data: the cursor stays
    stored = await state.load()
    assert (stored.user_id, stored.cursor) == (7, b"c2")
    assert stored.streams == {ONE: Mark(2), TWO: Mark(5, 50, gone=True)}
    assert stored.unreadable == {TWO: "v1"}
    await state.save(Save([], b"n0", {ONE: Mark(9)}, restart=True))
    stored = await state.load()
    assert (stored.user_id, stored.cursor, stored.streams) == (7, b"n0", {ONE: Mark(9)})
    assert stored.unreadable == {}


async def test_queued_calls_keep_their_order_and_are_replaced_at_once(state: StateStore) -> None:
    first = await state.enqueue(CALL)
    second = await state.enqueue(replace(CALL, lane="room:2"))
    third = await state.enqueue(CALL, [first.id])
    assert first.id < second.id < third.id
    assert await state.queued() == [second, third]
    await state.dequeue(second.id)
    await state.dequeue(second.id)  # gone already: nothing to do
    assert await state.queued() == [third]


async def test_the_file_survives_and_ids_are_not_used_again(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = SqliteState(path)
    device = (await store.load()).device_id
    await store.save(Save([], b"c1", {ONE: Mark(1)}, user_id=7))
    call = await store.enqueue(CALL)
    await store.dequeue(call.id)
    store.close()
    store = SqliteState(path)
    stored = await store.load()
    assert (stored.device_id, stored.cursor, stored.streams) == (device, b"c1", {ONE: Mark(1)})
    assert (await store.enqueue(CALL)).id > call.id
    store.close()


def keep_texts(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS texts (number INTEGER PRIMARY KEY, text TEXT)")
    for event in events:
        if isinstance(event, UpdateReceived):
            if event.update.message.text == "message 13":
                raise RuntimeError("the app's own fault")
            connection.execute(
                "INSERT OR REPLACE INTO texts VALUES (?, ?)",
                (event.update.sequence, event.update.message.text),
            )


async def test_the_data_and_the_cursor_that_covers_it_are_one_transaction(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = SqliteState(path, keep_texts)
    await store.save(Save([UpdateReceived(message_update(1))], b"c1", {ONE: Mark(1)}))
    events = [UpdateReceived(message_update(number)) for number in (12, 13)]
    with pytest.raises(RuntimeError):
        await store.save(Save(events, b"c13", {ONE: Mark(13)}))
    store.close()
    store = SqliteState(path)
    assert (await store.load()).cursor == b"c1"
    assert (await store.load()).streams == {ONE: Mark(1)}
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT number FROM texts").fetchall() == [(1,)]
    connection.close()


async def test_a_client_stores_what_its_app_has_handled(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    net = Net()
    path = tmp_path / "state.db"
    state = SqliteState(path, keep_texts, in_thread=False)

    def stored() -> list[int]:
        with sqlite3.connect(path) as connection:
            tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'texts'")
            found = connection.execute("SELECT number FROM texts") if tables.fetchone() else []
            numbers = [number for (number,) in found]
        connection.close()
        return numbers

    async with client_of(net, state=state) as client:
        end = await net.welcome()
        for number in (1, 2):
            await end.send(update=message_update(number))
        await end.checkpoint(b"c2")
        for _ in range(4):  # Connected, CursorMoved, two updates
            await anext(client.events)
        assert stored() == []
        await anext(client.events)
        assert stored() == [1, 2]
        assert client.cursor == b"c2"
    state.close()


async def test_data_without_a_checkpoint_is_stored_ahead_of_it(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rpc.client.feed.SAVE_EVERY", 10)
    net = Net()
    saves: list[int] = []
    state = SqliteState(
        tmp_path / "state.db", lambda _, events: saves.append(len(events)), in_thread=False
    )
    async with client_of(net, state=state) as client:
        end = await net.welcome()
        for number in range(100, 125):
            await end.send(update=message_update(number))
        for _ in range(27):
            await anext(client.events)
        assert saves == [1, 10, 10]
        assert (await state.load()).streams == {}
    state.close()
