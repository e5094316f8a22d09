"""Pages of posts, the latest first. Each returns the posts and the id to go on from (0: no
more)."""

from __future__ import annotations

from collections.abc import Sequence

from store.queries.paging import below, cut
from store.queries.posts import posts_by_id
from store.queries.timelines import home_ids
from store.records import PostRecord
from store.transaction import Transaction


async def home(
    tx: Transaction, user_id: int, before: int, limit: int
) -> tuple[list[PostRecord], int]:
    """Posts of the people whom a user follows, and his own, as far as the projection `home`
    has come (see `home_ids`)."""
    return await _page(tx, await home_ids(tx, user_id, before, limit + 1), user_id, limit)


async def profile_posts(
    tx: Transaction, user_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[PostRecord], int]:
    """The posts of one user."""
    found = await tx.rows(
        "SELECT id FROM posts WHERE author_id = ? AND deleted = 0 AND id < ? "
        "ORDER BY id DESC LIMIT ?",
        (user_id, below(before), limit + 1),
    )
    return await _page(tx, [row[0] for row in found], viewer_id, limit)


async def _page(
    tx: Transaction, ids: Sequence[int], viewer_id: int, limit: int
) -> tuple[list[PostRecord], int]:
    """The page among ids read with one more than `limit`, without those that are deleted."""
    page, more = cut([(one,) for one in ids], limit, 0)
    posts = await posts_by_id(tx, (row[0] for row in page), viewer_id)
    found = (posts.get(row[0]) for row in page)
    return [post for post in found if post is not None and not post.deleted], more
