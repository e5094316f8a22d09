"""Notifications gather what happens between two looks of their user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from store.changes.comments import DeleteComment, EditComment
from store.changes.notifications import MarkSeen
from store.changes.posts import DeletePost
from store.log import Kind
from store.projections import notification_tables, sweeping
from store.queries.hydrate import hydrate
from store.queries.notifications import notifications_page, unseen
from store.records import NotificationKind, NotificationRecord, SeenRecord
from tests.contracts.backends import OpenStore
from tests.store.social import ANN, BEN, CAT, DAN, Social, social

LIKE, COMMENT, REPLY, FOLLOW, MENTION = NotificationKind
CROWD = range(2, 9)


@asynccontextmanager
async def crowded(open_store: OpenStore) -> AsyncIterator[tuple[Social, int]]:
    """Ann, seven others, and a post of hers."""
    async with social(open_store, range(1, 9)) as world:
        yield world, (await world.post(ANN)).id


def words(told: NotificationRecord) -> tuple[list[int], int]:
    """Whom it names, and how many there are."""
    return [one.id for one in told.actors], told.actor_count


async def look(world: Social, user: int = ANN) -> SeenRecord:
    return await world.do(MarkSeen(user_id=user, up_to=(await world.told(user))[0].latest))


async def entries_of_news(world: Social, after: int) -> list[tuple[Kind, int]]:
    """What was told past a position: of which notification."""
    kinds = (Kind.NOTIFIED, Kind.UNNOTIFIED)
    return [(one.kind, one.subject_id) for one in await world.entries(after) if one.kind in kinds]


async def test_it_names_the_latest_and_counts_all(open_store: OpenStore) -> None:
    async with crowded(open_store) as (world, post):
        for user in CROWD:
            await world.like(user, post)
            await world.follow(user, ANN)
        liked_ms = world.now_ms - 1000
        await world.project()
        follows, likes = await world.told(ANN)
        assert words(likes) == words(follows) == ([8, 7, 6], 7)
        assert (likes.kind, follows.kind, likes.latest_ms) == (LIKE, FOLLOW, liked_ms)
        assert await world.store.read(unseen, ANN) == 2


async def test_a_step_tells_of_a_group_once(open_store: OpenStore) -> None:
    async with crowded(open_store) as (world, post):
        for user in CROWD:
            await world.like(user, post)
        before = await world.head()
        await world.project()
        (told,) = await world.told(ANN)
        assert await entries_of_news(world, before) == [(Kind.NOTIFIED, told.id)]
        before = await world.head()
        await world.like(2, post, False)  # whom it did not name
        await world.project()
        (fewer,) = await world.told(ANN)
        assert words(fewer) == ([8, 7, 6], 6)
        assert await entries_of_news(world, before) == [(Kind.NOTIFIED, told.id)]
        assert (fewer.latest, fewer.changed) == (told.latest, await world.head())


async def test_who_leaves_makes_room_for_those_behind(open_store: OpenStore) -> None:
    async with crowded(open_store) as (world, post):
        latest = {user: (await world.like(user, post)).changed for user in CROWD}
        await world.project()
        for gone, names in ((8, [7, 6, 5]), (6, [7, 5, 4]), (5, [7, 4, 3]), (7, [4, 3, 2])):
            await world.like(gone, post, False)
            await world.project()
            (told,) = await world.told(ANN)
            assert words(told)[0] == names
            assert told.latest == latest[names[0]]
        for gone in (4, 3):
            await world.like(gone, post, False)
        await world.project()
        (told,) = await world.told(ANN)
        assert words(told) == ([2], 1)
        before = await world.head()
        await world.like(2, post, False)
        await world.project()
        assert await world.told(ANN) == []
        assert await entries_of_news(world, before) == [(Kind.UNNOTIFIED, told.id)]
        assert await world.store.read(unseen, ANN) == 0


async def test_who_joins_moves_the_group_up(world: Social) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.follow(BEN, ANN)
    await world.project()
    assert [one.kind for one in await world.told(ANN)] == [FOLLOW, LIKE]
    await world.like(CAT, post.id)
    await world.project()
    assert [(one.kind, *words(one)) for one in await world.told(ANN)] == [
        (LIKE, [CAT, BEN], 2),
        (FOLLOW, [BEN], 1),
    ]
    await world.like(CAT, post.id, False)
    await world.project()
    assert [one.kind for one in await world.told(ANN)] == [FOLLOW, LIKE]


async def test_comments_of_a_post_are_one_by_people_not_by_comments(world: Social) -> None:
    post = await world.post(ANN)
    first = await world.comment(BEN, post.id, "one")
    await world.comment(CAT, post.id, "two")
    third = await world.comment(BEN, post.id, "three")
    await world.project()
    (told,) = await world.told(ANN)
    assert (told.kind, *words(told), told.comment_text) == (COMMENT, [BEN, CAT], 2, "three")
    await world.do(DeleteComment(user_id=BEN, comment_id=third.id))
    await world.project()
    (told,) = await world.told(ANN)
    assert (*words(told), told.comment_text) == ([CAT, BEN], 2, "two")
    await world.do(DeleteComment(user_id=BEN, comment_id=first.id))
    await world.project()
    (told,) = await world.told(ANN)
    assert (*words(told), told.comment_text) == ([CAT], 1, "two")


async def test_only_the_comment_that_is_shown_is_shown_anew(world: Social) -> None:
    post = await world.post(ANN)
    first = await world.comment(BEN, post.id, "one")
    second = await world.comment(CAT, post.id, "two")
    await world.project()
    before = await world.head()
    await world.do(EditComment(user_id=BEN, comment_id=first.id, text="oh"))
    await world.project()
    assert await entries_of_news(world, before) == []
    await world.do(EditComment(user_id=CAT, comment_id=second.id, text="ah"))
    await world.project()
    (told,) = await world.told(ANN)
    assert told.comment_text == "ah"
    assert await entries_of_news(world, before) == [(Kind.NOTIFIED, told.id)]


async def test_answers_are_gathered_by_the_comment_they_answer(world: Social) -> None:
    post = await world.post(ANN)
    one, other = [await world.comment(BEN, post.id) for _ in range(2)]
    for user in (CAT, DAN):
        await world.comment(user, post.id, reply_to=one.id)
    await world.comment(CAT, post.id, reply_to=other.id)
    await world.project()
    assert [(told.kind, *words(told)) for told in await world.told(BEN)] == [
        (REPLY, [CAT], 1),
        (REPLY, [DAN, CAT], 2),
    ]


async def test_a_look_closes_what_it_saw_and_the_next_begins_anew(world: Social) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.project()
    (first,) = await world.told(ANN)
    await look(world)
    await world.like(CAT, post.id)
    await world.project()
    second, seen = await world.told(ANN)
    assert (seen.id, words(seen), seen.seen) == (first.id, ([BEN], 1), True)
    assert (words(second), second.seen) == (([CAT], 1), False)
    assert await world.store.read(unseen, ANN) == 1
    # Whoever comes joins the open one; what is taken back leaves the one that it was in.
    await world.like(DAN, post.id)
    await world.like(BEN, post.id, False)
    await world.project()
    (now,) = await world.told(ANN)
    assert (now.id, words(now), now.seen) == (second.id, ([DAN, CAT], 2), False)
    assert await world.store.read(unseen, ANN) == 1


async def test_what_comes_while_he_looks_is_not_lost_to_him(world: Social) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.project()
    shown = (await world.told(ANN))[0].latest
    await world.like(CAT, post.id)
    await world.project()
    await world.do(MarkSeen(user_id=ANN, up_to=shown))
    assert await world.store.read(unseen, ANN) == 1
    (told,) = await world.told(ANN)
    assert (words(told), told.seen) == (([CAT, BEN], 2), False)


async def test_undoing_what_was_unseen_leaves_it_seen(world: Social) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.project()
    shown = (await world.told(ANN))[0].latest
    await world.like(CAT, post.id)
    await world.project()
    await world.do(MarkSeen(user_id=ANN, up_to=shown))
    await world.like(CAT, post.id, False)
    await world.project()
    (told,) = await world.told(ANN)
    assert (words(told), told.seen) == (([BEN], 1), True)
    assert await world.store.read(unseen, ANN) == 0


async def test_a_look_closes_by_its_place_in_the_log_however_late_it_is_read(
    world: Social,
) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.project()
    await look(world)
    await world.like(CAT, post.id)
    await world.project()
    await world.like(DAN, post.id)  # before the next look, and not read before it
    await look(world)
    await world.follow(BEN, ANN)
    await world.project()
    assert [(told.kind, *words(told)) for told in await world.told(ANN)] == [
        (FOLLOW, [BEN], 1),
        (LIKE, [DAN, CAT], 2),
        (LIKE, [BEN], 1),
    ]


async def test_paging_meets_each_group_once_though_groups_move(world: Social) -> None:
    posts = [(await world.post(ANN)).id for _ in range(5)]
    for post in posts:
        await world.like(BEN, post)
    await world.project()
    page, more = await world.store.read(notifications_page, ANN, 0, 2)
    met = [one.post_id for one in page]
    await world.like(CAT, posts[0])  # from the last page to the first
    await world.project()
    before = await world.head()
    while more:
        page, more = await world.store.read(notifications_page, ANN, more, 2)
        met += [one.post_id for one in page]
    assert met == posts[:0:-1]  # all but the one of which an update has told
    assert await world.head() == before
    assert (await world.told(ANN))[0].post_id == posts[0]


async def test_a_device_that_was_away_hears_of_each_group_once(open_store: OpenStore) -> None:
    async with crowded(open_store) as (world, post):
        start = await world.head()
        for user in CROWD:
            await world.like(user, post)
            await world.project()
        entries = [one for one in await world.entries(start) if one.kind is Kind.NOTIFIED]
        await world.store.read(hydrate, entries)
        assert [one.record for one in entries[:-1]] == [None] * 6
        assert [entries[-1].record] == await world.told(ANN)


async def test_of_too_many_the_oldest_are_taken_back(
    world: Social, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification_tables, "KEPT", 3)
    posts = [(await world.post(ANN)).id for _ in range(5)]
    for post in posts[:3]:
        await world.like(BEN, post)
    await world.project()
    oldest = (await world.told(ANN))[-1]
    await world.like(CAT, posts[0])  # the oldest is the latest now
    await world.project()
    before = await world.head()
    for post in posts[3:]:
        await world.like(BEN, post)
    await world.project()
    told = await world.told(ANN)
    assert [one.post_id for one in told] == [posts[4], posts[3], posts[0]]
    assert told[-1].id == oldest.id
    gone = [one for one in await entries_of_news(world, before) if one[0] is Kind.UNNOTIFIED]
    assert len(gone) == 2
    # What was taken back is forgotten: its undoing finds nothing, and frees no place.
    await world.like(BEN, posts[1], False)
    await world.project()
    assert len(await world.told(ANN)) == 3
    assert await world.rows("SELECT COUNT(*) FROM notification_causes") == [(4,)]
    await world.do(DeletePost(user_id=ANN, post_id=posts[0]))
    await world.follow(BEN, ANN)
    await world.project()
    assert [one.kind for one in await world.told(ANN)] == [FOLLOW, LIKE, LIKE]


async def test_a_look_that_is_read_again_closes_nothing_that_came_after_it(world: Social) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.project()
    await look(world)
    await world.like(CAT, post.id)
    await world.project()
    await world.run("DELETE FROM offsets")
    await world.like(DAN, post.id)
    await world.project()
    assert [words(told) for told in await world.told(ANN)] == [([DAN, CAT], 2), ([BEN], 1)]


async def test_causes_of_what_is_gone_are_swept_away_a_portion_at_a_time(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "AT_ONCE", 3)
    async with crowded(open_store) as (world, post):
        other = (await world.post(ANN)).id
        for user in CROWD:
            await world.like(user, post)
            await world.like(user, other)
        await world.project()
        left = [14]

        async def step() -> None:
            await world.project()
            left.append((await world.rows("SELECT COUNT(*) FROM notification_causes"))[0][0])

        await world.do(DeletePost(user_id=ANN, post_id=post))
        await step()
        await world.do(DeletePost(user_id=ANN, post_id=other))
        await step()
        for user in CROWD:
            await world.like(user, (await world.post(ANN)).id)
            await step()
        assert left == [14, 11, 8, 6, 4, 3, 4, 5, 6, 7]
        assert await world.rows("SELECT COUNT(*) FROM notification_sweeps") == [(0,)]
        assert len(await world.told(ANN)) == 7


async def test_what_is_not_swept_yet_may_come_about_again(
    world: Social, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification_tables, "KEPT", 1)
    monkeypatch.setattr(sweeping, "AT_ONCE", 0)
    posts = [(await world.post(ANN)).id for _ in range(2)]
    for post in posts:
        await world.like(BEN, post)
        await world.project()
    assert [one.post_id for one in await world.told(ANN)] == posts[1:]
    await world.like(BEN, posts[0], False)
    await world.project()
    assert [one.post_id for one in await world.told(ANN)] == posts[1:]
    await world.like(BEN, posts[0])
    await world.project()
    assert [one.post_id for one in await world.told(ANN)] == posts[:1]
    monkeypatch.setattr(sweeping, "AT_ONCE", 100)
    await world.follow(BEN, CAT)
    await world.project()
    assert [one.post_id for one in await world.told(ANN)] == posts[:1]
    assert await world.rows("SELECT COUNT(*) FROM notification_causes") == [(2,)]
    await world.like(BEN, posts[0], False)
    await world.project()
    assert await world.told(ANN) == []
