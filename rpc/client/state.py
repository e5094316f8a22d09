"""What a client keeps between runs: its cursor, how far each stream came, its offline queue."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

import trio

from rpc.client.events import Event
from rpc.client.updates import Mark, StreamKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    """What was kept."""

    device_id: bytes  # 16 random bytes, made once
    user_id: int = 0
    cursor: bytes = b""
    streams: Mapping[StreamKey, Mark] = field(default_factory=dict)
    unreadable: Mapping[StreamKey, str] = field(default_factory=dict)  # to the client's version


@dataclass(frozen=True, slots=True)
class Save:
    """One step forward. All of it is stored, or nothing."""

    events: Sequence[Event]  # handled since the last save: the data that the cursor covers
    cursor: bytes = b""  # empty: data only, ahead of its cursor
    streams: Mapping[StreamKey, Mark] = field(default_factory=dict)  # those that moved
    unreadable: Mapping[StreamKey, str] = field(default_factory=dict)
    restart: bool = False  # forget every stream: this cursor begins anew
    user_id: int = 0  # 0: unchanged


@dataclass(frozen=True, slots=True)
class Queued:
    """A call of the offline queue. The ids ascend in the order of queueing."""

    id: int
    user_id: int
    method: str
    payload: bytes
    op_key: bytes
    lane: str
    collapse_key: str
    expires_ms: int  # Unix time


class StateStore(Protocol):
    """Durable once a method has returned, as far as the implementation promises it."""

    @property
    def wants_events(self) -> bool:
        """Whether `save` does anything with events; otherwise none are collected."""
        ...

    async def load(self) -> Stored: ...

    async def save(self, save: Save) -> None: ...

    async def queued(self) -> list[Queued]:
        """In the order of queueing."""
        ...

    async def enqueue(self, call: Queued, replaces: Sequence[int] = ()) -> Queued:
        """Adds the call, its `id` chosen here, and removes those that it replaces, at once."""
        ...

    async def dequeue(self, call_id: int) -> None: ...


class MemoryState:
    """Forgotten with the process; survives reconnecting."""

    wants_events = False

    def __init__(self) -> None:
        self._stored = Stored(device_id=secrets.token_bytes(16))
        self._queue: dict[int, Queued] = {}
        self._next_id = 0

    async def load(self) -> Stored:
        return self._stored

    async def save(self, save: Save) -> None:
        before = self._stored
        self._stored = Stored(
            device_id=before.device_id,
            user_id=save.user_id or before.user_id,
            cursor=save.cursor or before.cursor,
            streams={**({} if save.restart else before.streams), **save.streams},
            unreadable={**({} if save.restart else before.unreadable), **save.unreadable},
        )

    async def queued(self) -> list[Queued]:
        return list(self._queue.values())

    async def enqueue(self, call: Queued, replaces: Sequence[int] = ()) -> Queued:
        self._next_id += 1
        call = replace(call, id=self._next_id)
        self._queue[call.id] = call
        for one in replaces:
            self._queue.pop(one, None)
        return call

    async def dequeue(self, call_id: int) -> None:
        self._queue.pop(call_id, None)


_SCHEMA = """
CREATE TABLE IF NOT EXISTS client_state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    device_id BLOB NOT NULL, user_id INTEGER NOT NULL, cursor BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS client_streams (
    kind INTEGER NOT NULL, id INTEGER NOT NULL,
    sequence INTEGER NOT NULL, position INTEGER NOT NULL, gone INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS client_unreadable (
    kind INTEGER NOT NULL, id INTEGER NOT NULL, version TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS client_queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL,
    method TEXT NOT NULL, payload BLOB NOT NULL, op_key BLOB NOT NULL,
    lane TEXT NOT NULL, collapse_key TEXT NOT NULL, expires_ms INTEGER NOT NULL
);
"""


class SqliteState:
    """A file that survives `kill -9` and power cuts (WAL, synchronous FULL).

    `apply`, when given, writes the app's own tables with the same connection: what it writes
    of a save's events and the cursor that covers them are one transaction. It must take events
    that it has seen before (apply a row when its `changed` is greater).
    """

    def __init__(
        self,
        path: Path | str,
        apply: Callable[[sqlite3.Connection, Sequence[Event]], None] | None = None,
        *,
        in_thread: bool = True,
    ) -> None:
        """`in_thread=False` blocks the event loop: for tests with a virtual clock."""
        self._apply = apply
        self._in_thread = in_thread
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)
        self._connection.execute(
            "INSERT OR IGNORE INTO client_state VALUES (1, ?, 0, x'')", (secrets.token_bytes(16),)
        )

    @property
    def wants_events(self) -> bool:
        return self._apply is not None

    def close(self) -> None:
        self._connection.close()

    async def load(self) -> Stored:
        return await self._run(self._load)

    async def save(self, save: Save) -> None:
        await self._run(lambda: self._save(save))

    async def queued(self) -> list[Queued]:
        return await self._run(self._queued)

    async def enqueue(self, call: Queued, replaces: Sequence[int] = ()) -> Queued:
        return await self._run(lambda: self._enqueue(call, replaces))

    async def dequeue(self, call_id: int) -> None:
        await self._run(lambda: self._dequeue(call_id))

    async def _run(self, work: Callable[[], T]) -> T:
        def transaction() -> T:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work()
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
            return result

        if self._in_thread:
            return await trio.to_thread.run_sync(transaction, limiter=self._one_at_a_time)
        return transaction()

    def _load(self) -> Stored:
        device_id, user_id, cursor = self._connection.execute(
            "SELECT device_id, user_id, cursor FROM client_state"
        ).fetchone()
        return Stored(
            device_id=device_id,
            user_id=user_id,
            cursor=cursor,
            streams={
                StreamKey(kind, stream_id): Mark(sequence, position, bool(gone))
                for kind, stream_id, sequence, position, gone in self._connection.execute(
                    "SELECT kind, id, sequence, position, gone FROM client_streams"
                )
            },
            unreadable={
                StreamKey(kind, stream_id): version
                for kind, stream_id, version in self._connection.execute(
                    "SELECT kind, id, version FROM client_unreadable"
                )
            },
        )

    def _save(self, save: Save) -> None:
        run, run_many = self._connection.execute, self._connection.executemany
        if self._apply is not None and save.events:
            self._apply(self._connection, save.events)
        if save.restart:
            run("DELETE FROM client_streams")
            run("DELETE FROM client_unreadable")
        if save.cursor:
            run("UPDATE client_state SET cursor = ?", (save.cursor,))
        if save.user_id:
            run("UPDATE client_state SET user_id = ?", (save.user_id,))
        run_many(
            "INSERT OR REPLACE INTO client_streams VALUES (?, ?, ?, ?, ?)",
            [(*key, mark.sequence, mark.position, mark.gone) for key, mark in save.streams.items()],
        )
        run_many(
            "INSERT OR REPLACE INTO client_unreadable VALUES (?, ?, ?)",
            [(*key, version) for key, version in save.unreadable.items()],
        )

    def _queued(self) -> list[Queued]:
        return [
            Queued(*row)
            for row in self._connection.execute(
                "SELECT id, user_id, method, payload, op_key, lane, collapse_key, expires_ms "
                "FROM client_queue ORDER BY id"
            )
        ]

    def _enqueue(self, call: Queued, replaces: Sequence[int]) -> Queued:
        added = self._connection.execute(
            "INSERT INTO client_queue (user_id, method, payload, op_key, lane, collapse_key, "
            "expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                call.user_id,
                call.method,
                call.payload,
                call.op_key,
                call.lane,
                call.collapse_key,
                call.expires_ms,
            ),
        )
        for one in replaces:
            self._dequeue(one)
        assert added.lastrowid is not None
        return replace(call, id=added.lastrowid)

    def _dequeue(self, call_id: int) -> None:
        self._connection.execute("DELETE FROM client_queue WHERE id = ?", (call_id,))
