"""Notifications, the pointer up to which each user has seen his, and of what he wants none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from store.log import Entry
from store.queries.comments import comments_by_id
from store.queries.media import media_by_id
from store.queries.paging import below, cut
from store.queries.posts import heads
from store.queries.users import users_by_id
from store.records import (
    NotificationKind,
    NotificationRecord,
    NotificationSettingsRecord,
    RemovedRecord,
    SeenRecord,
)
from store.transaction import Row, Transaction

NOTIFICATION = "id, user_id, kind, actors, recent, post_id, comment_id, latest, latest_ms, changed"


async def seen_by(tx: Transaction, user_ids: Iterable[int]) -> dict[int, SeenRecord]:
    """The pointer of each user who has seen any."""
    wanted = list(dict.fromkeys(user_ids))
    if not wanted:
        return {}
    found = await tx.rows(
        "SELECT user_id, up_to, changed FROM notifications_seen WHERE user_id IN "
        + tx.dialect.in_list(len(wanted)),
        wanted,
    )
    return {row[0]: SeenRecord(up_to=row[1], changed=row[2]) for row in found}


async def _of_rows(tx: Transaction, rows: Sequence[Row]) -> list[NotificationRecord]:
    """Rows of `NOTIFICATION` with all that a screen needs, in the same order."""
    seen = await seen_by(tx, (row[1] for row in rows))
    named = {row[0]: list(map(int, row[4].split())) for row in rows}
    users = await users_by_id(tx, (one for ids in named.values() for one in ids))
    actors = {key: tuple(users[one] for one in ids if one in users) for key, ids in named.items()}
    posts = await heads(tx, (row[5] for row in rows if row[5]))
    covers = {post_id: head.media_ids[0] for post_id, head in posts.items() if head.media_ids}
    media = await media_by_id(tx, covers.values())
    comments = await comments_by_id(tx, (row[6] for row in rows))
    return [
        NotificationRecord(
            id=row[0],
            user_id=row[1],
            kind=NotificationKind(row[2]),
            actors=actors[row[0]],
            actor_count=row[3],
            post_id=row[5],
            post_media=media.get(covers.get(row[5], "")),
            comment_id=row[6],
            comment_text=comments[row[6]].text if row[6] in comments else "",
            latest=row[7],
            latest_ms=row[8],
            seen=row[1] in seen and row[7] <= seen[row[1]].up_to,
            changed=row[9],
        )
        for row in rows
        if actors[row[0]]
    ]


async def notifications_by_id(tx: Transaction, ids: Iterable[int]) -> dict[int, NotificationRecord]:
    """Those among `ids` that have not been taken back."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    found = await tx.rows(
        f"SELECT {NOTIFICATION} FROM notification_groups WHERE id IN "
        + tx.dialect.in_list(len(wanted)),
        wanted,
    )
    return {one.id: one for one in await _of_rows(tx, found)}


async def notifications_page(
    tx: Transaction, user_id: int, before: int, limit: int
) -> tuple[list[NotificationRecord], int]:
    """A user's notifications by their latest deed, the latest first, and the position to go on
    from (0: no more). One that gains somebody meanwhile moves up, past the pages to come."""
    found = await tx.rows(
        f"SELECT {NOTIFICATION} FROM notification_groups WHERE user_id = ? AND latest < ? "
        "ORDER BY latest DESC LIMIT ?",
        (user_id, below(before), limit + 1),
    )
    page, more = cut(found, limit, 7)
    return await _of_rows(tx, page), more


async def unseen(tx: Transaction, user_id: int) -> int:
    """In how many of a user's notifications something lies above his pointer."""
    found = await tx.rows(
        "SELECT COUNT(*) FROM notification_groups WHERE user_id = ? AND latest > COALESCE("
        "(SELECT up_to FROM notifications_seen WHERE user_id = ?), 0)",
        (user_id, user_id),
    )
    count: int = found[0][0]
    return count


def bits_of(kinds: Iterable[NotificationKind]) -> int:
    """Kinds as a number, in which each has its bit."""
    return sum(1 << kind for kind in kinds)


def kinds_of(bits: int) -> tuple[NotificationKind, ...]:
    return tuple(kind for kind in NotificationKind if bits >> kind & 1)


async def notification_settings(tx: Transaction, user_id: int) -> NotificationSettingsRecord:
    found = await tx.rows(
        "SELECT muted, changed FROM notification_settings WHERE user_id = ?", (user_id,)
    )
    muted, changed = found[0] if found else (0, 0)
    return NotificationSettingsRecord(user_id=user_id, muted=kinds_of(muted), changed=changed)


async def load_notifications(tx: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: what was taken back meanwhile stays None, and of several entries about one
    notification all but the last, which carries its present state."""
    found = await notifications_by_id(tx, (entry.subject_id for entry in entries))
    for entry in sorted(entries, key=lambda one: -one.position):
        entry.record = found.pop(entry.subject_id, None)


async def load_removed(_: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: an entry says all there is to say of a removal."""
    for entry in entries:
        entry.record = RemovedRecord(notification_id=entry.subject_id, changed=entry.position)


async def load_seen(_: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: pointers never move back, so the entry's own is enough."""
    for entry in entries:
        entry.record = SeenRecord(up_to=entry.subject_id, changed=entry.position)


async def load_settings(_: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: an entry says which kinds are muted from there on."""
    for entry in entries:
        entry.record = NotificationSettingsRecord(
            user_id=entry.stream.id, muted=kinds_of(entry.other_id), changed=entry.position
        )
