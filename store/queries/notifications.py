"""Notifications, and the pointer up to which each user has seen his."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from store.log import Entry
from store.queries.comments import comments_by_id
from store.queries.media import media_by_id
from store.queries.paging import below, cut
from store.queries.posts import heads
from store.queries.users import users_by_id
from store.records import NotificationKind, NotificationRecord, RemovedRecord, SeenRecord
from store.transaction import Row, Transaction

NOTIFICATION = "id, user_id, kind, actor_id, post_id, comment_id, created_ms, changed"


async def seen_by(tx: Transaction, user_ids: Iterable[int]) -> dict[int, SeenRecord]:
    """The pointer of each user who has seen any."""
    wanted = list(dict.fromkeys(user_ids))
    if not wanted:
        return {}
    found = await tx.rows(
        "SELECT user_id, up_to_id, changed FROM notifications_seen WHERE user_id IN "
        + tx.dialect.in_list(len(wanted)),
        wanted,
    )
    return {row[0]: SeenRecord(up_to_id=row[1], changed=row[2]) for row in found}


async def _of_rows(tx: Transaction, rows: Sequence[Row]) -> list[NotificationRecord]:
    """Rows of `NOTIFICATION` with all that a screen needs, in the same order."""
    seen = await seen_by(tx, (row[1] for row in rows))
    actors = await users_by_id(tx, (row[3] for row in rows))
    posts = await heads(tx, (row[4] for row in rows if row[4]))
    covers = {post_id: head.media_ids[0] for post_id, head in posts.items() if head.media_ids}
    media = await media_by_id(tx, covers.values())
    comments = await comments_by_id(tx, (row[5] for row in rows))
    return [
        NotificationRecord(
            id=row[0],
            user_id=row[1],
            kind=NotificationKind(row[2]),
            actor=actors[row[3]],
            post_id=row[4],
            post_media=media.get(covers.get(row[4], "")),
            comment_id=row[5],
            comment_text=comments[row[5]].text if row[5] in comments else "",
            created_ms=row[6],
            seen=row[1] in seen and row[0] <= seen[row[1]].up_to_id,
            changed=row[7],
        )
        for row in rows
        if row[3] in actors
    ]


async def notifications_by_id(tx: Transaction, ids: Iterable[int]) -> dict[int, NotificationRecord]:
    """Those among `ids` that have not been taken back."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    found = await tx.rows(
        f"SELECT {NOTIFICATION} FROM notifications WHERE id IN " + tx.dialect.in_list(len(wanted)),
        wanted,
    )
    return {one.id: one for one in await _of_rows(tx, found)}


async def notifications_page(
    tx: Transaction, user_id: int, before: int, limit: int
) -> tuple[list[NotificationRecord], int]:
    """A user's notifications, the latest first, and the id to go on from (0: no more)."""
    found = await tx.rows(
        f"SELECT {NOTIFICATION} FROM notifications WHERE user_id = ? AND id < ? "
        "ORDER BY id DESC LIMIT ?",
        (user_id, below(before), limit + 1),
    )
    page, more = cut(found, limit, 0)
    return await _of_rows(tx, page), more


async def unseen(tx: Transaction, user_id: int) -> int:
    """How many of a user's notifications lie above his pointer."""
    found = await tx.rows(
        "SELECT COUNT(*) FROM notifications WHERE user_id = ? AND id > COALESCE("
        "(SELECT up_to_id FROM notifications_seen WHERE user_id = ?), 0)",
        (user_id, user_id),
    )
    count: int = found[0][0]
    return count


async def load_notifications(tx: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: what was taken back meanwhile stays None."""
    found = await notifications_by_id(tx, (entry.subject_id for entry in entries))
    for entry in entries:
        entry.record = found.get(entry.subject_id)


async def load_removed(_: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: an entry says all there is to say of a removal."""
    for entry in entries:
        entry.record = RemovedRecord(notification_id=entry.subject_id, changed=entry.position)


async def load_seen(_: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: pointers never move back, so the entry's own is enough."""
    for entry in entries:
        entry.record = SeenRecord(up_to_id=entry.subject_id, changed=entry.position)
