"""Pages of posts, the latest first. Each returns the posts and the id to go on from (0: no
more)."""

from __future__ import annotations

from store.queries.paging import below, cut
from store.queries.posts import posts_by_id
from store.records import PostRecord
from store.transaction import Transaction


async def home(
    tx: Transaction, user_id: int, before: int, limit: int
) -> tuple[list[PostRecord], int]:
    """Posts of the people whom a user follows, and his own, as far as the projection `home`
    has come."""
    return await _page(
        tx,
        "SELECT h.post_id FROM home h JOIN posts p ON p.id = h.post_id AND p.deleted = 0 "
        "WHERE h.user_id = ? AND h.post_id < ? ORDER BY h.post_id DESC LIMIT ?",
        user_id,
        user_id,
        before,
        limit,
    )


async def profile_posts(
    tx: Transaction, user_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[PostRecord], int]:
    """The posts of one user."""
    return await _page(
        tx,
        "SELECT id FROM posts WHERE author_id = ? AND deleted = 0 AND id < ? "
        "ORDER BY id DESC LIMIT ?",
        user_id,
        viewer_id,
        before,
        limit,
    )


async def _page(
    tx: Transaction, sql: str, user_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[PostRecord], int]:
    found = await tx.rows(sql, (user_id, below(before), limit + 1))
    page, more = cut(found, limit, 0)
    posts = await posts_by_id(tx, (row[0] for row in page), viewer_id)
    return [posts[row[0]] for row in page if row[0] in posts], more
