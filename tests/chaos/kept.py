"""What a device was given, kept in the file of its client: one transaction with its cursor."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import NamedTuple

from rpc.client import events
from rpc.client.events import Event
from rpc.proto import frames_pb2


class Given(NamedTuple):
    """The numbers `first` to `last` of a stream, and the row that they brought."""

    kind: int
    stream: int
    first: int
    last: int
    body: str  # of the update; "skip" or "joined"
    row: int


class Pointer(NamedTuple):
    """How far a member has come in a room, as a device was told."""

    room: int
    user: int
    read: int
    delivered: int
    changed: int


def pointer(event: Event) -> Pointer | None:
    match event:
        case events.UpdateReceived(update) if update.WhichOneof("body") == "receipt":
            one = update.receipt
            return Pointer(
                one.room_id, one.user_id, one.read_number, one.delivered_number, one.changed
            )
    return None


def given(event: Event) -> Given | None:
    """What an event adds; None for one without a number."""
    match event:
        case events.UpdateReceived(update) if update.sequence:
            body = update.WhichOneof("body") or ""
            number = update.sequence
            key = update.stream.kind, update.stream.id
            return Given(*key, number, number, body, _row(update))
        case events.Skipped(skip):
            first: int = getattr(skip, "from")
            return Given(skip.stream.kind, skip.stream.id, first, skip.to, "skip", 0)
        case events.RoomJoined(summary, _):
            base = summary.base_sequence
            return Given(frames_pb2.STREAM_ROOM, summary.room.id, 1, base, "joined", 0)
    return None


def _row(update: frames_pb2.Update) -> int:
    match update.WhichOneof("body"):
        case "message" | "post" | "notification" as body:
            row: int = getattr(update, body).id
            return row
        case "notification_removed":
            return update.notification_removed.notification_id
    return 0


def keep(connection: sqlite3.Connection, handled: Sequence[Event]) -> None:
    """The `apply` of a `SqliteState`: takes events that it has seen before."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS given (kind INTEGER, stream INTEGER, first INTEGER, "
        "last INTEGER, body TEXT, row INTEGER, PRIMARY KEY (kind, stream, last))"
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS pointers (room INTEGER, user INTEGER, read INTEGER, "
        "delivered INTEGER, changed INTEGER, PRIMARY KEY (room, user))"
    )
    connection.executemany(
        "INSERT OR REPLACE INTO given VALUES (?, ?, ?, ?, ?, ?)",
        [found for event in handled if (found := given(event)) is not None],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO pointers VALUES (?, ?, ?, ?, ?)",
        [moved for event in handled if (moved := pointer(event)) is not None],
    )


def kept(path: str) -> Box:
    """What the file holds."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            rows = connection.execute("SELECT * FROM given ORDER BY last")
            found = [Given(*row) for row in rows]
            pointers = [Pointer(*row) for row in connection.execute("SELECT * FROM pointers")]
        except sqlite3.OperationalError:  # nothing was saved yet
            return Box()
    return Box(found, pointers)


class Box:
    """All that a device was given, over all its connections and lives."""

    def __init__(self, kept: Iterable[Given] = (), pointers: Iterable[Pointer] = ()) -> None:
        self._streams: dict[tuple[int, int], dict[int, Given]] = defaultdict(dict)
        self._pointers = {(one.room, one.user): one for one in pointers}
        for one in kept:
            self.add(one)

    def take(self, event: Event) -> None:
        """Raises `AssertionError` for two messages of one number, and for a pointer that goes
        back."""
        if (new := given(event)) is not None:
            self.add(new)
        if (moved := pointer(event)) is not None:
            before = self.pointer(moved.room, moved.user)
            back = [now < then for now, then in zip(moved, before, strict=True)]
            assert not any(back), f"{moved} after {before}"
            self._pointers[moved.room, moved.user] = moved

    def add(self, new: Given) -> None:
        stream = self._streams[new.kind, new.stream]
        known = stream.get(new.last)
        if known is not None and new.body == known.body == "message":
            assert known.row == new.row, f"one number, two messages: {known}, {new}"
        stream[new.last] = new

    def rows(self, kind: int, stream: int, body: str) -> list[int]:
        """The rows that updates of one kind brought, by their number."""
        found = self._streams.get((kind, stream), {})
        return [found[last].row for last in sorted(found) if found[last].body == body]

    def pointer(self, room: int, user: int) -> Pointer:
        """How far a member has come, as the device was told."""
        return self._pointers.get((room, user), Pointer(room, user, 0, 0, 0))

    def check_whole(self, who: str) -> None:
        """No stream has a hole, from the first number on that was given."""
        for key, found in self._streams.items():
            reached = min(one.first for one in found.values()) - 1
            for last in sorted(found):
                one = found[last]
                assert one.first <= reached + 1, f"{who}: {key} lacks {reached + 1} to {one.first}"
                reached = max(reached, last)
