"""What the people whom a user follows have liked, said and followed.

It is pulled from the likes, comments and follows themselves, not pushed: a like would cost a row
for each follower of who likes, and what is undone, deleted or hidden is gone at once this way.
"""

from __future__ import annotations

from collections.abc import Sequence

from store.queries.blocks import apart_from
from store.queries.comments import comments_by_id
from store.queries.posts import posts_by_id
from store.queries.pull import Deeds, pull
from store.queries.users import users_by_id
from store.records import ActivityKind, ActivityRecord
from store.transaction import Row, Transaction

ROUNDS = 3  # in which a page looks for what its viewer may see

DEEDS = {
    ActivityKind.LIKE: Deeds("likes", "changed", "user_id", columns=("post_id", "at_ms")),
    ActivityKind.COMMENT: Deeds(
        "comments", "id", "author_id", "q.deleted = 0", columns=("post_id", "created_ms")
    ),
    ActivityKind.FOLLOW: Deeds(
        "follows", "changed", "follower_id", columns=("followee_id", "at_ms")
    ),
}


async def activity(
    tx: Transaction, user_id: int, before: int, limit: int
) -> tuple[list[ActivityRecord], int]:
    """The latest first, and the position to go on from (0: no more). What concerns the user
    himself is left out, for that he is notified of, and what is about people or posts that a
    block hides from him. Where much is, a page may be shorter than asked for."""
    found: list[ActivityRecord] = []
    for _ in range(ROUNDS):
        rows = await _latest(tx, user_id, before, limit + 1)
        found += await _shown(tx, user_id, rows[:limit])
        if len(rows) <= limit:
            before = 0
            break
        before = rows[limit - 1][1]
        if len(found) >= limit:
            break
    more = found[limit - 1].id if len(found) > limit else before
    return found[:limit], more


async def _latest(tx: Transaction, user_id: int, before: int, limit: int) -> list[Row]:
    """Rows of (kind, position, who, about what, time), seen or not."""
    rows = [
        (kind, *row)
        for kind, deeds in DEEDS.items()
        for row in await pull(tx, deeds, user_id, before, limit)
    ]
    return sorted(rows, key=lambda row: -row[1])[:limit]


async def _shown(tx: Transaction, viewer_id: int, rows: Sequence[Row]) -> list[ActivityRecord]:
    """Those that the viewer may see, with all that a screen needs."""
    posts = await posts_by_id(
        tx, (row[3] for row in rows if row[0] is not ActivityKind.FOLLOW), viewer_id
    )
    users = await users_by_id(
        tx, [row[2] for row in rows] + [row[3] for row in rows if row[0] is ActivityKind.FOLLOW]
    )
    comments = await comments_by_id(tx, (row[1] for row in rows if row[0] is ActivityKind.COMMENT))
    people = {*users, *(post.author.id for post in posts.values())}
    hidden = {viewer_id, *await apart_from(tx, viewer_id, people)}
    result = []
    for kind, position, actor_id, about, at_ms in rows:
        followed = users.get(about) if kind is ActivityKind.FOLLOW else None
        post = None if kind is ActivityKind.FOLLOW else posts.get(about)
        if actor_id not in users or (post is None and followed is None):
            continue
        if post is not None and (post.deleted or post.author.id in hidden):
            continue
        if followed is not None and followed.id in hidden:
            continue
        result.append(
            ActivityRecord(
                id=position,
                kind=kind,
                actor=users[actor_id],
                created_ms=at_ms,
                post=post,
                comment=comments.get(position) if kind is ActivityKind.COMMENT else None,
                user=followed,
            )
        )
    return result
