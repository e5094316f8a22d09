"""Notifications, and their undoing."""

from __future__ import annotations

import pytest

from store.changes.comments import AddComment, DeleteComment, EditComment
from store.changes.follows import SetFollow
from store.changes.likes import SetLike
from store.changes.posts import DeletePost
from store.log import Entry, Kind, Stream
from store.queries.hydrate import hydrate
from store.records import NotificationKind, NotificationRecord, RemovedRecord
from tests.store.social import ANN, BEN, CAT, DAN, Social

LIKE, COMMENT, REPLY, FOLLOW, MENTION = NotificationKind


async def news(world: Social, after: int) -> list[Entry]:
    """What the projection has appended past a position, with its records."""
    kinds = (Kind.NOTIFIED, Kind.UNNOTIFIED)
    entries = [entry for entry in await world.entries(after) if entry.kind in kinds]
    await world.store.read(hydrate, entries)
    return entries


def actors(told: NotificationRecord) -> list[int]:
    return [one.id for one in told.actors]


async def kinds(world: Social, user: int) -> list[NotificationKind]:
    return [one.kind for one in await world.told(user)]


async def test_the_author_hears_of_a_like_and_an_unlike_takes_it_back(world: Social) -> None:
    photograph = await world.photograph()
    post = await world.post(ANN, "sea", photograph)
    await world.like(BEN, post.id)
    liked_ms = world.now_ms
    await world.project()
    (told,) = await world.told(ANN)
    assert (told.kind, actors(told), told.post_id, told.comment_id) == (LIKE, [BEN], post.id, 0)
    assert told.post_media is not None
    assert (told.post_media.id, told.latest_ms, told.seen) == (photograph, liked_ms, False)
    (entry,) = await news(world, post.id)
    assert (entry.stream, entry.actor_id, entry.record) == (Stream.user(ANN), BEN, told)
    assert entry.position == entry.subject_id == told.id == told.changed
    await world.like(BEN, post.id, False)
    await world.project()
    assert await world.told(ANN) == []
    first, second = await news(world, post.id)
    assert first.record is None  # a device that was away is told of neither
    assert (second.kind, second.stream) == (Kind.UNNOTIFIED, Stream.user(ANN))
    assert second.record == RemovedRecord(notification_id=told.id, changed=second.position)


async def test_nobody_hears_of_what_he_did_himself(world: Social) -> None:
    post = await world.post(ANN)
    await world.like(ANN, post.id)
    first = await world.comment(ANN, post.id)
    await world.comment(ANN, post.id, reply_to=first.id)
    await world.project()
    assert await news(world, post.id) == []


async def test_a_comment_tells_the_author_and_a_reply_whom_it_answers(world: Social) -> None:
    post = await world.post(ANN)
    first = await world.comment(BEN, post.id, "blue")
    reply = await world.comment(CAT, post.id, "green", reply_to=first.id)
    await world.comment(BEN, post.id, "to myself", reply_to=first.id)
    await world.project()
    (told,) = await world.told(ANN)
    assert (told.kind, told.comment_text, told.actor_count) == (COMMENT, "to myself", 2)
    (told,) = await world.told(BEN)
    assert (told.kind, told.comment_id, told.comment_text) == (REPLY, reply.id, "green")
    assert await world.told(CAT) == []


async def test_a_reply_to_the_author_of_the_post_is_one_notification(world: Social) -> None:
    post = await world.post(ANN)
    first = await world.comment(ANN, post.id)
    await world.comment(BEN, post.id, reply_to=first.id)
    await world.project()
    assert await kinds(world, ANN) == [REPLY]


async def test_an_edited_comment_sends_its_notification_again(world: Social) -> None:
    post = await world.post(ANN)
    comment = await world.comment(BEN, post.id, "blue")
    await world.project()
    (before,) = await world.told(ANN)
    await world.do(EditComment(user_id=BEN, comment_id=comment.id, text="green"))
    await world.project()
    (now,) = await world.told(ANN)
    assert (now.id, now.comment_text, now.latest_ms) == (before.id, "green", before.latest_ms)
    entry = (await news(world, post.id))[-1]
    assert (entry.kind, entry.subject_id, entry.record) == (Kind.NOTIFIED, before.id, now)
    assert now.changed == entry.position > before.changed


@pytest.mark.parametrize("by", [ANN, BEN])
async def test_a_deleted_comment_is_taken_back_from_all(world: Social, by: int) -> None:
    post = await world.post(ANN)
    first = await world.comment(CAT, post.id)
    reply = await world.comment(BEN, post.id, reply_to=first.id)
    await world.project()
    assert (await kinds(world, ANN), await kinds(world, CAT)) == ([COMMENT], [REPLY])
    assert actors((await world.told(ANN))[0]) == [BEN, CAT]
    await world.do(DeleteComment(user_id=by, comment_id=reply.id))
    await world.project()
    assert (await kinds(world, ANN), await kinds(world, CAT)) == ([COMMENT], [])
    assert actors((await world.told(ANN))[0]) == [CAT]


async def test_a_reply_to_a_comment_that_is_gone_meanwhile_still_tells_its_writer(
    world: Social,
) -> None:
    post = await world.post(ANN)
    first = await world.comment(CAT, post.id)
    await world.comment(BEN, post.id, reply_to=first.id)
    await world.do(DeleteComment(user_id=CAT, comment_id=first.id))
    await world.project()
    assert (await kinds(world, ANN), await kinds(world, CAT)) == ([COMMENT], [REPLY])


async def test_a_follow_tells_and_an_unfollow_takes_back(world: Social) -> None:
    await world.follow(BEN, ANN)
    await world.follow(CAT, ANN)
    await world.project()
    (told,) = await world.told(ANN)
    assert (told.kind, actors(told)) == (FOLLOW, [CAT, BEN])
    await world.follow(BEN, ANN, False)
    await world.project()
    (told,) = await world.told(ANN)
    assert (actors(told), told.post_id, told.post_media) == ([CAT], 0, None)


async def test_a_deleted_post_takes_everything_about_it_back(world: Social) -> None:
    post, other = await world.post(ANN), await world.post(ANN)
    await world.like(BEN, post.id)
    await world.like(BEN, other.id)
    first = await world.comment(BEN, post.id)
    await world.comment(CAT, post.id, reply_to=first.id)
    await world.follow(BEN, ANN)
    await world.project()
    await world.do(DeletePost(user_id=ANN, post_id=post.id))
    before = await world.head()
    await world.project()
    assert await kinds(world, ANN) == [FOLLOW, LIKE]
    assert await world.told(BEN) == []
    assert [e.kind for e in await news(world, before)] == [Kind.UNNOTIFIED] * 3


async def test_what_is_gone_before_it_is_told_is_never_told(world: Social) -> None:
    post, other = await world.post(ANN), await world.post(ANN)
    await world.like(BEN, post.id)
    await world.comment(BEN, post.id)
    comment = await world.comment(BEN, other.id)
    await world.do(EditComment(user_id=BEN, comment_id=comment.id, text="oh"))
    await world.do(DeleteComment(user_id=ANN, comment_id=comment.id))
    await world.follow(BEN, ANN)
    await world.follow(BEN, ANN, False)
    await world.do(DeletePost(user_id=ANN, post_id=post.id))
    while (await world.step("notifications", 1)).read:
        pass
    assert await news(world, post.id) == []


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_like_unlike_like_ends_with_one_notification(world: Social, limit: int) -> None:
    post = await world.post(ANN)
    taps = [SetLike(user_id=BEN, post_id=post.id, liked=on) for on in (True, False, True)]
    await world.commit(*taps)
    while (await world.step("notifications", limit)).read:
        pass
    assert await kinds(world, ANN) == [LIKE]
    assert len(await news(world, post.id)) == 1


async def test_undone_and_done_again_is_one_notification_at_its_new_place(world: Social) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.follow(BEN, ANN)
    await world.project()
    before, old = await world.head(), await world.told(ANN)
    await world.commit(
        *(SetLike(user_id=BEN, post_id=post.id, liked=on) for on in (False, True)),
        *(SetFollow(follower_id=BEN, followee_id=ANN, following=on) for on in (False, True)),
    )
    await world.project()
    assert [e.kind for e in await news(world, before)] == [Kind.NOTIFIED] * 2
    now = await world.told(ANN)
    assert [one.id for one in now] == [one.id for one in old]
    again = (Kind.POST_LIKED, Kind.FOLLOWED)
    places = [entry.position for entry in await world.entries(before) if entry.kind in again]
    assert [one.latest for one in reversed(now)] == places


async def test_an_entry_that_was_set_aside_harms_no_later_one(world: Social) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.comment(CAT, post.id)
    # As if the consumer had given up on both: their undoing and their edits find nothing.
    await world.run(
        "INSERT INTO offsets VALUES (?, 0, 0, ?, 0, 0, 0)",
        "notifications",
        await world.head(),
    )
    comment = (await world.rows("SELECT id FROM comments"))[0][0]
    await world.like(BEN, post.id, False)
    await world.do(EditComment(user_id=CAT, comment_id=comment, text="oh"))
    await world.like(BEN, post.id)
    await world.project()
    assert await kinds(world, ANN) == [LIKE]


async def test_each_receivers_stream_stays_dense(world: Social) -> None:
    post = await world.post(ANN)
    first = await world.comment(DAN, post.id)
    await world.commit(
        *(SetLike(user_id=user, post_id=post.id, liked=True) for user in (BEN, CAT, DAN)),
        *(AddComment(user_id=u, post_id=post.id, text="ah", reply_to=first.id) for u in (BEN, CAT)),
        SetFollow(follower_id=BEN, followee_id=DAN, following=True),
    )
    await world.project(limit=2)
    by_stream: dict[Stream, list[int]] = {}
    for entry in await world.entries():
        by_stream.setdefault(entry.stream, []).append(entry.sequence)
    assert len(await world.told(DAN)) == 2
    for numbers in by_stream.values():
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("by", [ANN, BEN])
async def test_a_block_takes_back_what_the_two_told_each_other(world: Social, by: int) -> None:
    anns, cats = await world.post(ANN), await world.post(CAT)
    first = await world.comment(ANN, cats.id)
    await world.comment(BEN, cats.id, reply_to=first.id)
    await world.like(BEN, anns.id)
    await world.like(CAT, anns.id)
    await world.follow(ANN, BEN)
    await world.project()
    assert await kinds(world, ANN) == [LIKE, REPLY]
    assert await kinds(world, BEN) == [FOLLOW]
    await world.block(by, ANN + BEN - by)
    before = await world.head()
    await world.project()
    (left,) = await world.told(ANN)
    assert (left.kind, [one.id for one in left.actors]) == (LIKE, [CAT])
    assert await world.told(BEN) == []
    assert await kinds(world, CAT) == [COMMENT]
    taken = await news(world, before)
    assert sorted(one.kind for one in taken) == [Kind.NOTIFIED, *[Kind.UNNOTIFIED] * 2]
    # Its end brings nothing back.
    await world.block(by, ANN + BEN - by, False)
    await world.project()
    assert await world.told(ANN) == [left]
    await world.like(BEN, anns.id, False)
    await world.like(BEN, anns.id)
    await world.project()
    (now,) = await world.told(ANN)
    assert [one.id for one in now.actors] == [BEN, CAT]


async def test_what_was_done_before_a_block_ended_is_never_told(world: Social) -> None:
    """However late it is read."""
    anns, cats = await world.post(ANN), await world.post(CAT)
    first = await world.comment(ANN, cats.id)
    await world.like(BEN, anns.id)
    reply = await world.comment(BEN, cats.id, reply_to=first.id)
    await world.block(BEN, ANN)
    await world.do(EditComment(user_id=BEN, comment_id=reply.id, text="while it holds"))
    await world.block(BEN, ANN, False)
    await world.project(1)
    assert await world.told(ANN) == []
    (told,) = await world.told(CAT)
    assert {one.id for one in told.actors} == {ANN, BEN}


async def test_a_second_reading_of_the_log_takes_nothing_back(world: Social) -> None:
    post = await world.post(ANN)
    for on in (True, False, True):
        await world.like(BEN, post.id, on)
        await world.follow(BEN, ANN, on)
    await world.project()
    before, told = await world.head(), await world.told(ANN)
    await world.run("DELETE FROM offsets")
    while (await world.step("notifications", 1)).read:
        pass
    assert await world.head() == before
    assert await world.told(ANN) == told


async def test_a_mention_of_who_is_apart_is_plain_text(world: Social) -> None:
    cats = await world.post(CAT)
    await world.block(ANN, BEN)
    comment = await world.comment(BEN, cats.id, f"look, @user{ANN} and @user{DAN}")
    await world.project()
    assert (await world.told(ANN), len(await world.told(DAN))) == ([], 1)
    await world.block(ANN, BEN, False)
    await world.project()
    assert await world.told(ANN) == []
    await world.comment(BEN, cats.id, f"look now, @user{ANN}")
    await world.project()
    (told,) = await world.told(ANN)
    assert told.comment_id > comment.id
