"""As what somebody is told: replies, comments, mentions, and the kinds that he has muted."""

from __future__ import annotations

import pytest

from store.changes.comments import DeleteComment, EditComment
from store.changes.notifications import MuteKind
from store.changes.posts import DeletePost, EditPost
from store.log import Kind, Stream
from store.queries.hydrate import hydrate
from store.queries.notifications import notification_settings
from store.records import NotificationKind, NotificationSettingsRecord
from tests.store.social import ANN, BEN, CAT, DAN, Social

LIKE, COMMENT, REPLY, FOLLOW, MENTION = NotificationKind


async def kinds(world: Social, user: int) -> list[NotificationKind]:
    return [one.kind for one in await world.told(user)]


async def mute(
    world: Social, user: int, kind: NotificationKind, muted: bool = True
) -> NotificationSettingsRecord:
    return await world.do(MuteKind(user_id=user, kind=kind, muted=muted))


async def test_a_mention_tells_whom_it_names_each_by_itself(world: Social) -> None:
    post = await world.post(ANN, "with @user2")
    one, other = [await world.comment(CAT, post.id, f"{n}, @user2 @user3") for n in (1, 2)]
    await world.project()
    told = await world.told(BEN)
    assert [(one.kind, one.actors[0].id, one.comment_id, one.comment_text) for one in told] == [
        (MENTION, CAT, other.id, "2, @user2 @user3"),
        (MENTION, CAT, one.id, "1, @user2 @user3"),
        (MENTION, ANN, 0, ""),
    ]
    assert {one.post_id for one in told} == {post.id}
    assert await kinds(world, CAT) == []  # herself


async def test_who_is_told_of_a_comment_anyway_is_not_told_of_its_mention(world: Social) -> None:
    post = await world.post(ANN)
    first = await world.comment(BEN, post.id)
    await world.comment(CAT, post.id, "@user1 @user2 @user4", reply_to=first.id)
    await world.project()
    assert await kinds(world, ANN) == [COMMENT]
    assert await kinds(world, BEN) == [REPLY]
    assert await kinds(world, DAN) == [MENTION]


async def test_an_edit_tells_whom_it_adds_and_takes_back_from_whom_it_drops(world: Social) -> None:
    post = await world.post(ANN, "with @user2")
    comment = await world.comment(ANN, post.id, "and @user3")
    await world.project()
    (kept,) = await world.told(CAT)
    await world.do(EditPost(user_id=ANN, post_id=post.id, text="with @user4"))
    edited = await world.do(
        EditComment(user_id=ANN, comment_id=comment.id, text="and @user3, @user4")
    )
    await world.project()
    assert await kinds(world, BEN) == []
    assert [one.comment_id for one in await world.told(DAN)] == [comment.id, 0]
    assert (await world.told(DAN))[0].latest == edited.changed
    (now,) = await world.told(CAT)
    assert (now.id, now.latest, now.comment_text) == (kept.id, kept.latest, "and @user3, @user4")
    await world.do(DeleteComment(user_id=ANN, comment_id=comment.id))
    await world.project()
    assert (await kinds(world, CAT), await kinds(world, DAN)) == ([], [MENTION])
    await world.do(DeletePost(user_id=ANN, post_id=post.id))
    await world.project()
    assert await kinds(world, DAN) == []


@pytest.mark.parametrize("limit", [1, 500])
async def test_a_mention_that_comes_back_is_told_of_once(world: Social, limit: int) -> None:
    post = await world.post(ANN, "@user2")
    for text in ("nobody", "@user2", "@user2!"):
        await world.do(EditPost(user_id=ANN, post_id=post.id, text=text))
    await world.project(limit)
    assert await kinds(world, BEN) == [MENTION]


async def test_a_muted_kind_is_not_made_and_others_are(world: Social) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.project()
    settings = await mute(world, ANN, LIKE)
    (entry,) = [e for e in await world.entries() if e.kind is Kind.NOTIFICATION_SETTINGS]
    assert (entry.stream, entry.position) == (Stream.user(ANN), settings.changed)
    await world.like(CAT, post.id)
    await world.comment(CAT, post.id)
    await world.project()
    told = await world.told(ANN)
    assert [(one.kind, one.actor_count) for one in told] == [(COMMENT, 1), (LIKE, 1)]
    await world.like(BEN, post.id, False)  # what was told before is still taken back
    await mute(world, ANN, LIKE, muted=False)
    await world.like(DAN, post.id)
    await world.project()
    assert [(one.kind, [a.id for a in one.actors]) for one in await world.told(ANN)] == [
        (LIKE, [DAN]),
        (COMMENT, [CAT]),
    ]


async def test_mutes_count_where_they_stand_in_the_log_however_late_they_are_read(
    world: Social,
) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await mute(world, ANN, LIKE)
    await world.like(CAT, post.id)
    await mute(world, ANN, LIKE, muted=False)
    await world.like(DAN, post.id)
    await mute(world, ANN, LIKE)
    await world.project()
    (told,) = await world.told(ANN)
    assert [one.id for one in told.actors] == [DAN, BEN]


async def test_of_several_reasons_the_first_that_is_not_muted_counts(world: Social) -> None:
    post = await world.post(ANN)
    first = await world.comment(ANN, post.id)
    for muted, expected in ((None, [REPLY]), (REPLY, [COMMENT]), (COMMENT, [MENTION])):
        if muted is not None:
            await mute(world, ANN, muted)
        comment = await world.comment(BEN, post.id, "@user1", reply_to=first.id)
        await world.project()
        assert await kinds(world, ANN) == expected
        await world.do(DeleteComment(user_id=BEN, comment_id=comment.id))
    await mute(world, ANN, MENTION)
    await world.comment(BEN, post.id, "@user1", reply_to=first.id)
    await world.project()
    assert await kinds(world, ANN) == []


async def test_settings_are_an_entry_each_and_nothing_for_what_is_so(world: Social) -> None:
    nothing = NotificationSettingsRecord(user_id=ANN, muted=(), changed=0)
    assert await world.store.read(notification_settings, ANN) == nothing
    before = await world.head()
    assert await mute(world, ANN, FOLLOW, muted=False) == nothing
    assert await world.head() == before
    first = await mute(world, ANN, FOLLOW)
    assert (first.muted, first.changed) == ((FOLLOW,), before + 1)
    assert await mute(world, ANN, FOLLOW) == first
    second = await mute(world, ANN, LIKE)
    assert second.muted == (LIKE, FOLLOW)
    third = await mute(world, ANN, FOLLOW, muted=False)
    assert await world.store.read(notification_settings, ANN) == third
    assert third.muted == (LIKE,)
    entries = await world.entries(before)
    await world.store.read(hydrate, entries)
    assert [entry.record for entry in entries] == [first, second, third]
    assert await world.store.read(notification_settings, BEN) == NotificationSettingsRecord(
        user_id=BEN, muted=(), changed=0
    )
