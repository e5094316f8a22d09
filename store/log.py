"""The event log: entries, streams, and the transaction that appends to it.

A position is a 64-bit number, contiguous and visible in order within its partition (there is
one so far). Ids of rows are the position of the entry that made them, so they are unique and
sort by the order of the commits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from store.transaction import Dialect, Row, Statement, Transaction, Value


class Kind(StrEnum):
    """What an entry says has happened. The names are stored: never rename one."""

    ROOM_CREATED = "room.created"
    ROOM_CHANGED = "room.changed"
    MEMBER_JOINED = "member.joined"
    MEMBER_CHANGED = "member.changed"
    MEMBER_LEFT = "member.left"
    MESSAGE_SENT = "message.sent"
    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    MESSAGE_HIDDEN = "message.hidden"
    RECEIPT = "receipt"
    USER_CREATED = "user.created"
    PROFILE_CHANGED = "profile.changed"
    SESSION_CREATED = "session.created"
    SESSION_REVOKED = "session.revoked"
    POST_CREATED = "post.created"
    POST_EDITED = "post.edited"
    POST_DELETED = "post.deleted"
    POST_LIKED = "post.liked"
    POST_UNLIKED = "post.unliked"
    COMMENT_ADDED = "comment.added"
    COMMENT_EDITED = "comment.edited"
    COMMENT_DELETED = "comment.deleted"
    FOLLOWED = "user.followed"
    UNFOLLOWED = "user.unfollowed"
    BLOCKED = "user.blocked"
    UNBLOCKED = "user.unblocked"
    NOTIFIED = "notification.added"
    UNNOTIFIED = "notification.removed"
    NOTIFICATIONS_SEEN = "notifications.seen"
    NOTIFICATION_SETTINGS = "notifications.settings"
    MEDIA_STORED = "media.stored"
    MEDIA_PREPARED = "media.prepared"
    MESSAGE_PREPARED = "message.prepared"  # what it shows
    POST_PREPARED = "post.prepared"


class StreamKind(StrEnum):
    ROOM = "r"  # facts that are the same for all members of a room
    USER = "u"  # everything that one user alone receives


class Stream(NamedTuple):
    kind: StreamKind
    id: int

    @classmethod
    def room(cls, room_id: int) -> Stream:
        return cls(StreamKind.ROOM, room_id)

    @classmethod
    def user(cls, user_id: int) -> Stream:
        return cls(StreamKind.USER, user_id)


class Entry(msgspec.Struct, kw_only=True):
    """One fact. Holds ids, never bodies, so that erasing a row erases what it said.

    `sequence` is dense within the stream, or 0 for a pointer outside the sequence. `record`
    is the row's state after the change where the writer had it at hand; it is not stored,
    and readers of the table load it afresh.
    """

    position: int
    at_ms: int
    kind: Kind
    stream: Stream
    sequence: int
    actor_id: int
    subject_id: int
    other_id: int = 0
    record: Any = None


ENTRY_COLUMNS = (
    "position, at_ms, kind, stream_kind, stream_id, sequence, actor_id, subject_id, other_id"
)


def entry_of(row: Row) -> Entry:
    """The entry in a row of `ENTRY_COLUMNS`."""
    return Entry(
        position=row[0],
        at_ms=row[1],
        kind=Kind(row[2]),
        stream=Stream(StreamKind(row[3]), row[4]),
        sequence=row[5],
        actor_id=row[6],
        subject_id=row[7],
        other_id=row[8],
    )


class Head(NamedTuple):
    """Where the log ends. `epoch` changes when a log is restored from a backup; entries at
    or below `floor` are gone, and so are cursors that old."""

    position: int
    epoch: int
    floor: int


class Batch(msgspec.Struct, kw_only=True):
    """What one commit did: an outcome for each change in their order (a result or a
    `DomainError`), whether it was a repeat's, and the entries, contiguous."""

    outcomes: list[Any]
    replayed: list[bool]
    entries: list[Entry]
    head: Head


class WriteTransaction:
    """A transaction that holds the head of the log, and so may append to it."""

    def __init__(self, tx: Transaction, head: Head, now_ms: int, batch: bytes) -> None:
        self._tx = tx
        self._batch = batch
        self._epoch = head.epoch
        self._floor = head.floor
        self._sequences: dict[Stream, int] = {}
        self._touched: dict[Stream, int] = {}
        self.start = head.position  # what readers of the table can see by now
        self.position = head.position
        self.now_ms = now_ms
        self.entries: list[Entry] = []

    @property
    def dialect(self) -> Dialect:
        return self._tx.dialect

    async def rows(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        return await self._tx.rows(sql, params)

    async def rows_many(self, queries: Sequence[Statement]) -> list[list[Row]]:
        return await self._tx.rows_many(queries)

    async def run(self, sql: str, params: Sequence[Value] = ()) -> int:
        return await self._tx.run(sql, params)

    async def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        await self._tx.run_many(sql, rows)

    async def open_streams(self, streams: Iterable[Stream], *beside: Statement) -> list[list[Row]]:
        """Reads the sequence numbers of many streams at once; `append` reads one otherwise.
        Returns the rows of the queries `beside` it, which go to the database together with it."""
        ids: dict[StreamKind, list[int]] = {}
        for stream in dict.fromkeys(streams):
            if stream not in self._sequences:
                self._sequences[stream] = 0
                ids.setdefault(stream.kind, []).append(stream.id)
        # One query a kind: a pair of a text and a number is not searched by both.
        queries: list[Statement] = [
            (
                "SELECT id, sequence FROM streams WHERE kind = ? AND id IN "
                + self.dialect.in_list(len(some)),
                (str(kind), *some),
            )
            for kind, some in ids.items()
        ]
        found = await self._tx.rows_many([*queries, *beside])
        for kind, rows in zip(ids, found, strict=False):
            for stream_id, sequence in rows:
                self._sequences[Stream(kind, stream_id)] = sequence
        return found[len(queries) :]

    async def append(
        self,
        kind: Kind,
        stream: Stream,
        *,
        actor_id: int,
        subject_id: int | None = None,
        other_id: int = 0,
        record: Any = None,
        numbered: bool = True,
    ) -> Entry:
        """Appends an entry and returns it with its position and sequence number.

        Without `subject_id` the entry makes a new row, whose id is the entry's position.
        """
        if stream not in self._sequences:
            await self.open_streams([stream])
        sequence = 0
        if numbered:
            sequence = self._sequences[stream] = self._sequences[stream] + 1
        self.position += 1
        self._touched[stream] = self.position
        entry = Entry(
            position=self.position,
            at_ms=self.now_ms,
            kind=kind,
            stream=stream,
            sequence=sequence,
            actor_id=actor_id,
            subject_id=self.position if subject_id is None else subject_id,
            other_id=other_id,
            record=record,
        )
        self.entries.append(entry)
        return entry

    def last_sequence(self, stream: Stream) -> int:
        """The number of the last entry appended to a stream opened in this transaction."""
        return self._sequences[stream]

    async def flush(self) -> Head:
        """Writes the entries, the streams' numbers and the head."""
        if self.entries:
            await self._tx.run_many(
                f"INSERT INTO log ({ENTRY_COLUMNS}, batch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        entry.position,
                        entry.at_ms,
                        str(entry.kind),
                        str(entry.stream.kind),
                        entry.stream.id,
                        entry.sequence,
                        entry.actor_id,
                        entry.subject_id,
                        entry.other_id,
                        self._batch,
                    )
                    for entry in self.entries
                ],
            )
            await self._tx.run_many(
                self.dialect.upsert("streams", ("kind", "id"), ("sequence", "position")),
                [
                    (str(stream.kind), stream.id, self._sequences[stream], position)
                    for stream, position in self._touched.items()
                ],
            )
            await self._tx.run_many(
                "UPDATE log_head SET position = ? WHERE log_partition = 0", [(self.position,)]
            )
        return Head(self.position, self._epoch, self._floor)


async def read_head(tx: Transaction, *, lock: bool = False) -> Head:
    """The head of the log; with `lock` no other writer moves it before this one commits."""
    found = await tx.rows(*head_query(tx.dialect, lock=lock))
    return Head(*found[0])


def head_query(dialect: Dialect, *, lock: bool) -> Statement:
    """Its row makes a `Head`."""
    sql = "SELECT position, epoch, floor FROM log_head WHERE log_partition = 0"
    return sql + (dialect.for_update() if lock else ""), ()


async def read_entries(
    tx: Transaction,
    after: int,
    up_to: int,
    limit: int,
    kinds: Collection[Kind] = (),
    stream: Stream | None = None,
    *,
    latest: bool = False,
) -> list[Entry]:
    """Entries with `after < position <= up_to` in order, at most `limit`: the first of them, or
    with `latest` the last. With `kinds` only those, with `stream` only its own."""
    only = f" AND kind IN {tx.dialect.in_list(len(kinds))}" if kinds else ""
    params: list[Value] = [after, up_to, *(str(kind) for kind in kinds)]
    if stream is not None:
        only += " AND stream_kind = ? AND stream_id = ?"
        params += [str(stream.kind), stream.id]
    found = await tx.rows(
        f"SELECT {ENTRY_COLUMNS} FROM log WHERE position > ? AND position <= ?{only} "
        f"ORDER BY position {'DESC' if latest else 'ASC'} LIMIT ?",
        [*params, limit],
    )
    return [entry_of(row) for row in (reversed(found) if latest else found)]


async def entries_at(tx: Transaction, positions: Sequence[int]) -> list[Entry]:
    """The entries at these positions, as far as the log has them, in order."""
    found = await tx.rows(
        f"SELECT {ENTRY_COLUMNS} FROM log WHERE position IN {tx.dialect.in_list(len(positions))} "
        "ORDER BY position",
        positions,
    )
    return [entry_of(row) for row in found]
