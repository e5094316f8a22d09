"""Comments on posts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from store.log import Entry
from store.projections.offsets import shown
from store.queries.paging import below, cut, together
from store.queries.users import users_by_id
from store.records import CommentRecord
from store.transaction import Row, Transaction

COMMENT = "id, post_id, author_id, text, reply_to, created_ms, edited_ms, deleted, changed"


async def _comments_of_rows(tx: Transaction, rows: Sequence[Row]) -> list[CommentRecord]:
    """Rows of `COMMENT` with their writers, in the same order."""
    writers = await users_by_id(tx, (row[2] for row in rows))
    return [
        CommentRecord(
            id=row[0],
            post_id=row[1],
            author=writers[row[2]],
            text=row[3],
            reply_to=row[4],
            created_ms=row[5],
            edited_ms=row[6],
            deleted=bool(row[7]),
            changed=row[8],
        )
        for row in rows
        if row[2] in writers
    ]


async def comments_by_id(tx: Transaction, ids: Iterable[int]) -> dict[int, CommentRecord]:
    """The comments that exist among `ids`, deleted ones included."""
    wanted = [comment_id for comment_id in dict.fromkeys(ids) if comment_id]
    if not wanted:
        return {}
    found = await tx.rows(
        f"SELECT {COMMENT} FROM comments WHERE id IN " + tx.dialect.in_list(len(wanted)), wanted
    )
    return {comment.id: comment for comment in await _comments_of_rows(tx, found)}


async def _counted(tx: Transaction, comments: Sequence[CommentRecord]) -> list[CommentRecord]:
    """With how many answers each has."""
    if not comments:
        return []
    replies: dict[int, int] = dict(
        await tx.rows(
            "SELECT comment_id, replies FROM comment_counts "
            f"WHERE generation = {shown('counters')} AND comment_id IN "
            + tx.dialect.in_list(len(comments)),
            [one.id for one in comments],
        )
    )
    return [msgspec.structs.replace(one, replies=replies.get(one.id, 0)) for one in comments]


async def counted_comments(tx: Transaction, ids: Iterable[int]) -> dict[int, CommentRecord]:
    """As `comments_by_id`, and with how many answers each has."""
    found = await comments_by_id(tx, ids)
    return {one.id: one for one in await _counted(tx, list(found.values()))}


async def comments_page(
    tx: Transaction, post_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[CommentRecord], int]:
    """The comments on a post that the viewer may see, the latest first, and the id to go on
    from (0: no more)."""
    joins, condition = together("c.author_id")
    columns = ", ".join(f"c.{name}" for name in COMMENT.split(", "))
    found = await tx.rows(
        f"SELECT {columns} FROM comments c {joins} "
        f"WHERE c.post_id = ? AND c.deleted = 0 AND c.id < ? AND {condition} "
        "ORDER BY c.id DESC LIMIT ?",
        (viewer_id, viewer_id, post_id, below(before), limit + 1),
    )
    page, more = cut(found, limit, 0)
    return await _counted(tx, await _comments_of_rows(tx, page)), more


async def load_comments(tx: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`."""
    found = await counted_comments(tx, (entry.subject_id for entry in entries))
    for entry in entries:
        entry.record = found.get(entry.subject_id)
