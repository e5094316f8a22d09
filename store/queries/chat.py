"""Rooms, members and messages as a member sees them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from store.queries.media import media_by_id, split_ids
from store.queries.users import users_by_id
from store.records import (
    MemberRecord,
    MessageRecord,
    ReceiptRecord,
    Role,
    RoomKind,
    RoomRecord,
    RoomSummaryRecord,
)
from store.transaction import Dialect, Row, Statement, Transaction

FIRST_MEMBERS = 10  # how many members a summary carries

ROOM = "id, kind, title, about, avatar_id, created_ms, last_number, activity, member_count, changed"
MESSAGE = (
    "m.id, m.room_id, m.number, m.sender_id, m.client_id, m.text, m.media, m.reply_to, "
    "m.created_ms, m.edited_ms, m.deleted, m.changed"
)
MEMBER = "room_id, user_id, role, read_number, delivered_number, changed, receipt_changed"

# What a member may read of a room: what was sent during his stays, less what he has hidden.
VISIBLE = (
    "EXISTS (SELECT 1 FROM stays s WHERE s.user_id = ? AND s.room_id = m.room_id "
    "AND m.id > s.joined_position AND (s.left_position = 0 OR m.id < s.left_position)) "
    "AND NOT EXISTS (SELECT 1 FROM hidden_messages h WHERE h.user_id = ? AND h.message_id = m.id)"
)


async def rooms_by_id(tx: Transaction, ids: Iterable[int]) -> dict[int, RoomRecord]:
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    found = await tx.rows(
        f"SELECT {ROOM} FROM rooms WHERE id IN " + tx.dialect.in_list(len(wanted)), wanted
    )
    avatars = await media_by_id(tx, (row[4] for row in found))
    return {
        row[0]: RoomRecord(
            id=row[0],
            kind=RoomKind(row[1]),
            title=row[2],
            about=row[3],
            avatar=avatars.get(row[4]),
            created_ms=row[5],
            last_number=row[6],
            activity=row[7],
            member_count=row[8],
            changed=row[9],
        )
        for row in found
    }


async def roles(tx: Transaction, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Role]:
    """The role of each (room, user); those who never were there are left out."""
    return roles_of(await tx.rows(*roles_query(tx.dialect, pairs))) if pairs else {}


def roles_query(dialect: Dialect, pairs: Sequence[tuple[int, int]]) -> Statement:
    """For `roles_of`."""
    return _of_pairs("room_id, user_id, role", dialect, pairs)


def roles_of(rows: Iterable[Row]) -> dict[tuple[int, int], Role]:
    return {(row[0], row[1]): Role(row[2]) for row in rows}


def _of_pairs(columns: str, dialect: Dialect, pairs: Sequence[tuple[int, int]]) -> Statement:
    wanted = list(dict.fromkeys(pairs))
    sql = f"SELECT {columns} FROM members WHERE (room_id, user_id) IN "
    return sql + dialect.in_pairs(len(wanted)), [value for pair in wanted for value in pair]


def sendable_query(dialect: Dialect, room_ids: Sequence[int]) -> Statement:
    """What a message asks of each room: rows of (id, number of the last message, closed)."""
    sql = "SELECT id, last_number, closed FROM rooms WHERE id IN "
    return sql + dialect.in_list(len(room_ids)), room_ids


def numbers_query(dialect: Dialect, room_ids: Sequence[int]) -> Statement:
    """The number of the last message of each room: rows of (id, number)."""
    sql = "SELECT id, last_number FROM rooms WHERE id IN " + dialect.in_list(len(room_ids))
    return sql, room_ids


async def role(tx: Transaction, room_id: int, user_id: int) -> Role:
    return (await roles(tx, [(room_id, user_id)])).get((room_id, user_id), Role.NONE)


async def is_closed(tx: Transaction, room_id: int) -> bool:
    """Whether it is a direct room of two of whom one has blocked the other."""
    found = await tx.rows("SELECT closed FROM rooms WHERE id = ?", (room_id,))
    return bool(found and found[0][0])


async def members_of_rows(tx: Transaction, rows: Sequence[Row]) -> list[MemberRecord]:
    """Rows of `MEMBER` with their users."""
    users = await users_by_id(tx, (row[1] for row in rows))
    return [
        MemberRecord(
            room_id=row[0],
            user=users[row[1]],
            role=Role(row[2]),
            read_number=row[3],
            delivered_number=row[4],
            changed=row[5],
        )
        for row in rows
        if row[1] in users
    ]


async def members_by_pair(
    tx: Transaction, pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], MemberRecord]:
    """Members by (room, user), those who have left included."""
    wanted = list(dict.fromkeys(pairs))
    if not wanted:
        return {}
    found = await tx.rows(
        f"SELECT {MEMBER} FROM members WHERE (room_id, user_id) IN "
        + tx.dialect.in_pairs(len(wanted)),
        [value for pair in wanted for value in pair],
    )
    return {(m.room_id, m.user.id): m for m in await members_of_rows(tx, found)}


async def receipts_by_pair(
    tx: Transaction, pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], ReceiptRecord]:
    return receipts_of(await tx.rows(*receipts_query(tx.dialect, pairs))) if pairs else {}


def receipts_query(dialect: Dialect, pairs: Sequence[tuple[int, int]]) -> Statement:
    """For `receipts_of`, and for `roles_of` too."""
    return _of_pairs(MEMBER, dialect, pairs)


def receipts_of(rows: Iterable[Row]) -> dict[tuple[int, int], ReceiptRecord]:
    return {
        (row[0], row[1]): ReceiptRecord(
            room_id=row[0],
            user_id=row[1],
            read_number=row[3],
            delivered_number=row[4],
            changed=row[6],
        )
        for row in rows
    }


async def list_members(
    tx: Transaction, room_id: int, after_user_id: int, limit: int
) -> list[MemberRecord]:
    found = await tx.rows(
        f"SELECT {MEMBER} FROM members WHERE room_id = ? AND user_id > ? AND role > 0 "
        "ORDER BY user_id LIMIT ?",
        (room_id, after_user_id, limit),
    )
    return await members_of_rows(tx, found)


async def messages_of_rows(tx: Transaction, rows: Sequence[Row]) -> list[MessageRecord]:
    """Rows of `MESSAGE` with their media, in the same order."""
    media = await media_by_id(tx, (one for row in rows for one in split_ids(row[6])))
    return [
        MessageRecord(
            id=row[0],
            room_id=row[1],
            number=row[2],
            sender_id=row[3],
            client_id=row[4],
            text=row[5],
            media=tuple(media[one] for one in split_ids(row[6]) if one in media),
            reply_to=row[7],
            created_ms=row[8],
            edited_ms=row[9],
            deleted=bool(row[10]),
            changed=row[11],
        )
        for row in rows
    ]


async def messages_by_id(tx: Transaction, ids: Iterable[int]) -> dict[int, MessageRecord]:
    """Messages by id, whoever asks: for changes and fan-out, which decide who sees them."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    found = await tx.rows(
        f"SELECT {MESSAGE} FROM messages m WHERE m.id IN " + tx.dialect.in_list(len(wanted)),
        wanted,
    )
    return {message.id: message for message in await messages_of_rows(tx, found)}


async def is_visible(tx: Transaction, message_id: int, user_id: int) -> bool:
    """Whether the message was sent during one of the user's stays, and he has not hidden it."""
    found = await tx.rows(
        f"SELECT 1 FROM messages m WHERE m.id = ? AND {VISIBLE}", (message_id, user_id, user_id)
    )
    return bool(found)


async def hidden_by(tx: Transaction, user_id: int, message_ids: Iterable[int]) -> set[int]:
    """Those among the messages that the user has hidden."""
    wanted = list(dict.fromkeys(message_ids))
    if not wanted:
        return set()
    found = await tx.rows(
        "SELECT message_id FROM hidden_messages WHERE user_id = ? AND message_id IN "
        + tx.dialect.in_list(len(wanted)),
        (user_id, *wanted),
    )
    return {row[0] for row in found}


async def hiders_of(tx: Transaction, message_ids: Iterable[int]) -> set[tuple[int, int]]:
    """The (message, user) of everyone who has hidden one of the messages."""
    wanted = list(dict.fromkeys(message_ids))
    if not wanted:
        return set()
    found = await tx.rows(
        "SELECT message_id, user_id FROM hidden_messages WHERE message_id IN "
        + tx.dialect.in_list(len(wanted)),
        wanted,
    )
    return {(row[0], row[1]) for row in found}


async def history(
    tx: Transaction, room_id: int, user_id: int, *, before: int | None, after: int, limit: int
) -> tuple[list[MessageRecord], bool]:
    """Visible messages in ascending order of number, and whether there are more.

    With `before` (0: from the latest) the ones below it, else the ones above `after`.
    """
    order, bound = ("DESC", before or 1 << 62) if before is not None else ("ASC", after)
    found = await tx.rows(
        f"SELECT {MESSAGE} FROM messages m WHERE m.room_id = ? "
        f"AND m.number {'<' if before is not None else '>'} ? AND {VISIBLE} "
        f"ORDER BY m.number {order} LIMIT ?",
        (room_id, bound, user_id, user_id, limit + 1),
    )
    page = found[:limit]
    if before is not None:
        page.reverse()
    return await messages_of_rows(tx, page), len(found) > limit


async def summaries(
    tx: Transaction, user_id: int, room_ids: Sequence[int]
) -> list[RoomSummaryRecord]:
    """The rooms among `room_ids` of which the user is a member, in the same order."""
    me = await members_by_pair(tx, [(room_id, user_id) for room_id in room_ids])
    mine = [
        room_id
        for room_id in room_ids
        if (room_id, user_id) in me and me[room_id, user_id].role > Role.NONE
    ]
    rooms = await rooms_by_id(tx, mine)
    result = []
    for room_id in mine:
        room, member = rooms[room_id], me[room_id, user_id]
        last, _ = await history(tx, room_id, user_id, before=0, after=0, limit=1)
        gone = await _gone_unread(tx, room_id, user_id, member.read_number)
        base = await tx.rows("SELECT sequence FROM streams WHERE kind = 'r' AND id = ?", (room_id,))
        result.append(
            RoomSummaryRecord(
                room=room,
                last_message=last[0] if last else None,
                unread=max(0, room.last_number - member.read_number - gone),
                me=member,
                members=tuple(await list_members(tx, room_id, 0, FIRST_MEMBERS)),
                base_sequence=base[0][0] if base else 0,
            )
        )
    return result


async def _gone_unread(tx: Transaction, room_id: int, user_id: int, read: int) -> int:
    """How many messages above a number are deleted for everyone, or hidden by the user."""
    deleted = await tx.rows(
        "SELECT COUNT(*) FROM deleted_messages WHERE room_id = ? AND number > ?",
        (room_id, read),
    )
    # Ids ascend with the numbers of a room: this skips what he has hidden and read long ago.
    hidden = await tx.rows(
        "SELECT COUNT(*) FROM hidden_messages h JOIN messages m ON m.id = h.message_id "
        "WHERE h.user_id = ? AND h.message_id > COALESCE("
        "(SELECT MAX(id) FROM messages WHERE room_id = ? AND number = ?), 0) "
        "AND m.room_id = ? AND m.number > ? AND m.deleted = 0",
        (user_id, room_id, read, room_id, read),
    )
    count: int = deleted[0][0] + hidden[0][0]
    return count


async def list_rooms(
    tx: Transaction, user_id: int, before_activity: int, limit: int
) -> tuple[list[RoomSummaryRecord], int]:
    """The latest active rooms with `activity` below `before_activity` (0: all), and the
    activity to go on from (0: no more)."""
    found = await tx.rows(
        "SELECT r.id, r.activity FROM members m JOIN rooms r ON r.id = m.room_id "
        "WHERE m.user_id = ? AND m.role > 0 AND r.activity < ? ORDER BY r.activity DESC LIMIT ?",
        (user_id, before_activity or 1 << 62, limit + 1),
    )
    page = found[:limit]
    more = page[-1][1] if len(found) > limit else 0
    return await summaries(tx, user_id, [row[0] for row in page]), more
