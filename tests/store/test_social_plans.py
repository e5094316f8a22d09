"""What is read often is found by an index, however large its table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import pytest

from store.changes.notifications import MarkSeen, MuteKind
from store.changes.posts import DeletePost
from store.log import Entry, Kind, WriteTransaction, read_head
from store.projections import notification_tables
from store.projections.causes import Reason, Telling
from store.projections.notifications import NotificationsProjection
from store.queries import (
    block_list,
    blocks,
    comments,
    follows,
    likes,
    mentions,
    notifications,
    pages,
    posts,
)
from store.records import NotificationKind
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
        (likes.likers, (1, BEN, 0, 30)),
        (follows.followed_since, (PAIRS,)),
        (follows.followers, (ANN, BEN, 0, 30)),
        (follows.followings, (BEN, CAT, 0, 30)),
        (posts.posts_for, (PAIRS,)),
        (comments.comments_page, (1, BEN, 0, 30)),
        (blocks.between, (PAIRS,)),
        (blocks.apart_until, (PAIRS,)),
        (blocks.blocks_around, (ANN,)),
        (block_list.blocked_users, (ANN, 0, 30)),
        (pages.profile_posts, (ANN, BEN, 0, 30)),
        (notifications.notifications_page, (ANN, 0, 30)),
        (notifications.unseen, (ANN,)),
        (notifications.notification_settings, (ANN,)),
        (mentions.mentioned_since, (PAIRS,)),
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


async def test_what_a_step_of_notifications_needs_is_found_by_indexes() -> None:
    world = await full()
    entries = [e for e in await world.entries() if e.kind in NotificationsProjection.kinds]
    telling = Telling(ANN, BEN, (Reason(NotificationKind.LIKE),), 1)
    gone = msgspec.structs.replace(entries[0], kind=Kind.POST_DELETED)
    blocked = msgspec.structs.replace(entries[0], kind=Kind.BLOCKED)
    told = [(entry, [telling]) for entry in (*entries, gone, blocked)]
    steps = await world.store.read(plan, notification_tables.load, told)
    found = [step for step in steps if "notification_" in step]
    assert len(found) == 7
    for table, columns in (
        ("notification_causes", "notification_causes_pair (user_id=? AND actor_id=?)"),
        ("notification_causes", "post_id=? AND actor_id=?"),
        ("notification_causes", "post_id=? AND actor_id=? AND user_id=?"),
        ("notification_groups", "INTEGER PRIMARY KEY (rowid=?)"),
        ("notification_groups", "post_id=? AND user_id=? AND closed=?"),
        ("notification_groups", "(post_id=?)"),
        ("notification_receivers", "INTEGER PRIMARY KEY (rowid=?)"),
    ):
        assert any(table in step and columns in step for step in found), (columns, found)


async def test_the_next_faces_of_groups_are_found_by_their_index() -> None:
    world = await full()
    named = {one.id: [BEN, CAT] for one in await world.told(ANN)}
    steps = await world.store.read(plan, notification_tables._next, named)
    found = [step for step in steps if "notification_causes" in step]
    assert len(found) == len(named) > 1
    assert all("notification_causes_latest (notification_id=?)" in step for step in found), found
    assert not any("TEMP B-TREE" in step for step in steps)


class WritePlans(Plans):
    """Of what writes, too."""

    async def run(self, sql: str, params: Sequence[Value] = ()) -> int:
        self.steps += [row[3] for row in await self._tx.rows("EXPLAIN QUERY PLAN " + sql, params)]
        return await super().run(sql, params)

    async def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        all_rows = list(rows)
        for params in all_rows[:1]:
            plan_ = await self._tx.rows("EXPLAIN QUERY PLAN " + sql, params)
            self.steps += [row[3] for row in plan_]
        await super().run_many(sql, all_rows)


async def project(tx: Transaction, entries: Sequence[Entry]) -> list[str]:
    plans = WritePlans(tx)
    head = await read_head(plans)
    await NotificationsProjection().project(WriteTransaction(plans, head, 0, b"b" * 16), entries)
    return plans.steps


async def test_a_step_of_notifications_scans_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await full()
    monkeypatch.setattr(notification_tables, "KEPT", 1)
    after = await world.head()
    posts = [row[0] for row in await world.rows("SELECT id FROM posts")]
    await world.like(BEN, posts[2], False)  # makes a face anew
    await world.do(MarkSeen(user_id=ANN, up_to=1 << 60))
    await world.post(CAT, "@user1 @user2")
    await world.comment(CAT, posts[2])
    await world.follow(BEN, CAT)
    await world.do(MuteKind(user_id=CAT, kind=NotificationKind.LIKE, muted=True))
    await world.do(DeletePost(user_id=ANN, post_id=posts[1]))
    await world.block(CAT, BEN)
    entries = [
        one for one in await world.entries(after) if one.kind in NotificationsProjection.kinds
    ]
    assert len({one.kind for one in entries}) == 9
    steps = await world.store.write(project, entries)
    assert len([step for step in steps if step.startswith("SEARCH")]) > 30
    scanned = [step for step in steps if step.startswith("SCAN")]
    allowed = ("CONSTANT ROW", "subquery", "notification_sweeps")  # what is to be swept away
    assert all(any(word in step for word in allowed) for step in scanned), scanned
    assert not any("TEMP B-TREE" in step for step in steps)
