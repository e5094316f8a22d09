"""What a user missed: one routine for resume after a disconnection and for lag."""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from store.log import ENTRY_COLUMNS, Entry, Kind, StreamKind, entry_of, read_head
from store.queries import chat
from store.queries.hydrate import hydrate
from store.queries.timelines import home_ids
from store.records import RoomSummaryRecord
from store.transaction import Transaction


class Shown(Enum):
    """How an entry reaches the viewer."""

    UPDATE = auto()
    SKIP = auto()  # not for this viewer, or said before and again after
    JOINED = auto()  # his own joining, with the room as it is now
    GONE = auto()  # his own leaving


class Missed(msgspec.Struct):
    """A slice of what was missed, in order. After it the viewer is at `position`; `done` when
    that is where he was to be brought."""

    items: list[tuple[Shown, Entry]]
    summaries: dict[int, RoomSummaryRecord]
    position: int
    done: bool


MESSAGE_KINDS = frozenset(
    {Kind.MESSAGE_SENT, Kind.MESSAGE_EDITED, Kind.MESSAGE_DELETED, Kind.MESSAGE_PREPARED}
)

# Only streams that moved since are looked at; a room counts within the viewer's stays. SQLite
# keeps to the order of a CROSS JOIN: left to itself it reads all that was ever said in any room.
_MISSED = (
    f"SELECT {', '.join('l.' + name.strip() for name in ENTRY_COLUMNS.split(','))} "
    "FROM stays s CROSS JOIN streams t ON t.kind = 'r' AND t.id = s.room_id AND t.position > ? "
    "CROSS JOIN log l ON l.stream_kind = 'r' AND l.stream_id = s.room_id "
    "WHERE s.user_id = ? AND (s.left_position = 0 OR s.left_position > ?) "
    "AND l.position > ? AND l.position <= ? AND l.position >= s.joined_position "
    "AND (s.left_position = 0 OR l.position <= s.left_position) "
    "UNION ALL "
    f"SELECT {ENTRY_COLUMNS} FROM log WHERE stream_kind = 'u' AND stream_id = ? "
    "AND position > ? AND position <= ? "
    "ORDER BY 1 LIMIT ?"
)


async def missed(tx: Transaction, user_id: int, after: int, up_to: int, limit: int) -> Missed:
    """What happened for `user_id` in `after < position <= up_to`, at most `limit` entries."""
    found = await tx.rows(
        _MISSED, (after, user_id, after, after, up_to, user_id, after, up_to, limit + 1)
    )
    entries = [entry_of(row) for row in found[:limit]]
    done = len(found) <= limit
    stays = await stays_of(tx, user_id, {e.stream.id for e in entries})
    await hydrate(tx, entries)
    changed = [e for e in entries if e.kind in MESSAGE_KINDS]
    # That a message was sent counts in its room, whoever hides it; what becomes of it does not.
    hidden = await chat.hidden_by(
        tx, user_id, (e.subject_id for e in changed if e.kind is not Kind.MESSAGE_SENT)
    )
    # All of a message's entries carry the same state, the present one. Its first keeps the
    # place of the message among the others; its last reaches a client that has had the first.
    first = {e.subject_id: e.position for e in reversed(changed)}
    last = {e.subject_id: e.position for e in changed}
    telling = {*first.values(), *last.values()}
    items: list[tuple[Shown, Entry]] = []
    last_receipt = {
        (e.stream.id, e.subject_id): e.position for e in entries if e.kind is Kind.RECEIPT
    }
    for entry in entries:
        shown = Shown.UPDATE
        if entry.stream.kind is StreamKind.ROOM:
            if entry.kind is Kind.RECEIPT:
                if last_receipt[entry.stream.id, entry.subject_id] != entry.position:
                    continue  # the last one carries the pointers as they are now
            elif entry.subject_id == user_id and entry.kind is Kind.MEMBER_LEFT:
                shown = Shown.GONE
            elif entry.subject_id == user_id and entry.kind is Kind.MEMBER_JOINED:
                shown = Shown.JOINED
            elif entry.kind in MESSAGE_KINDS and (
                entry.position not in telling
                or (entry.subject_id in hidden and entry.kind is not Kind.MESSAGE_SENT)
                or not _within(entry.subject_id, stays.get(entry.stream.id, []))
            ):
                shown = Shown.SKIP
        items.append((shown, entry))
    joined = [e.stream.id for shown, e in items if shown is Shown.JOINED]
    summaries = {one.room.id: one for one in await chat.summaries(tx, user_id, joined)}
    return Missed(
        items=[
            (Shown.UPDATE if shown is Shown.JOINED and e.stream.id not in summaries else shown, e)
            for shown, e in items
        ],
        summaries=summaries,
        position=up_to if done else entries[-1].position,
        done=done,
    )


def _within(message_id: int, stays: list[tuple[int, int]]) -> bool:
    return any(joined < message_id and (left == 0 or message_id < left) for joined, left in stays)


async def stays_of(
    tx: Transaction, user_id: int, room_ids: set[int]
) -> dict[int, list[tuple[int, int]]]:
    """The user's intervals (joined, left or 0) in each of the rooms."""
    result: dict[int, list[tuple[int, int]]] = {}
    if not room_ids:
        return result
    for room_id, joined, left in await tx.rows(
        "SELECT room_id, joined_position, left_position FROM stays WHERE user_id = ? "
        "AND room_id IN " + tx.dialect.in_list(len(room_ids)),
        (user_id, *room_ids),
    ):
        result.setdefault(room_id, []).append((joined, left))
    return result


async def memberships(tx: Transaction, user_id: int) -> tuple[dict[int, int], int]:
    """The rooms in which the user is now, each with the position of his joining, and the
    position of the log at which this was so."""
    rooms = await tx.rows(
        "SELECT room_id, joined_position FROM stays WHERE user_id = ? AND left_position = 0",
        (user_id,),
    )
    head = await tx.rows("SELECT position FROM log_head WHERE log_partition = 0")
    return dict(rooms), head[0][0]


async def missed_and_newest(
    tx: Transaction, user_id: int, after: int, up_to: int, limit: int
) -> tuple[Missed | None, int]:
    """`missed`, with the id of the latest post in the user's home timeline. None where the log
    does not reach back to `after` any more."""
    if after < (await read_head(tx)).floor:
        return None, await newest_home_post(tx, user_id)
    return (
        await missed(tx, user_id, after, up_to, limit),
        await newest_home_post(tx, user_id),
    )


async def newest_home_post(tx: Transaction, user_id: int) -> int:
    """The id of the latest post in the user's home timeline, 0 when it is empty."""
    return next(iter(await home_ids(tx, user_id, 0, 1)), 0)
