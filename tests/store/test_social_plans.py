"""What is read often is found by an index, however large its table."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from store.projections import notifications as projection
from store.queries import comments, follows, likes, notifications, pages, posts
from store.transaction import Row, Transaction, Value
from tests.store.social import ANN, BEN, CAT, CountingTransaction, Social, open_social

PAIRS = [(1, 2), (3, 4), (5, 6)]


class Plans(CountingTransaction):
    """Keeps how each statement finds its rows."""

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx)
        self.steps: list[str] = []

    async def rows(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        plan = await self._tx.rows("EXPLAIN QUERY PLAN " + sql, params)
        self.steps += [row[3] for row in plan]
        return await super().rows(sql, params)


async def plan(tx: Transaction, query: object, *args: object) -> list[str]:
    plans = Plans(tx)
    await query(plans, *args)  # type: ignore[operator]
    return plans.steps


async def full() -> Social:
    world = await open_social()
    for _ in range(3):
        post = await world.post(ANN, "sea", await world.photograph())
        for user in (BEN, CAT):
            await world.like(user, post.id)
            await world.comment(user, post.id)
    await world.follow(BEN, ANN)
    await world.follow(CAT, ANN)
    await world.project()
    return world


@pytest.mark.parametrize(
    ("query", "args"),
    [
        (likes.liked_since, (PAIRS,)),
        (likes.likers, (1, 0, 30)),
        (follows.followed_since, (PAIRS,)),
        (follows.followers, (ANN, 0, 30)),
        (follows.followings, (BEN, 0, 30)),
        (posts.posts_for, (PAIRS,)),
        (comments.comments_page, (1, 0, 30)),
        (pages.home, (BEN, 0, 30)),
        (pages.profile_posts, (ANN, BEN, 0, 30)),
        (notifications.notifications_page, (ANN, 0, 30)),
        (notifications.unseen, (ANN,)),
    ],
)
async def test_no_table_is_scanned(query: object, args: tuple[object, ...]) -> None:
    world = await full()
    steps = await world.store.read(plan, query, *args)
    assert any(step.startswith("SEARCH") for step in steps)
    # What a statement brings along (the values of its own IN) is all that is scanned.
    scanned = [step for step in steps if step.startswith("SCAN")]
    assert all("CONSTANT ROW" in step or "subquery" in step for step in scanned), scanned
    assert not any("TEMP B-TREE" in step for step in steps)


async def test_the_causes_of_notifications_are_found_by_their_index() -> None:
    world = await full()
    entries = [
        e for e in await world.entries() if e.kind in projection.NotificationsProjection.kinds
    ]
    steps = await world.store.read(plan, projection._present, entries)
    found = [step for step in steps if "notifications" in step]
    assert len(found) == 2
    assert all("post_id=? AND actor_id=?" in step for step in found), found
