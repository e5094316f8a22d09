"""Counters."""

from __future__ import annotations

from store.changes.comments import DeleteComment, EditComment
from store.changes.posts import DeletePost
from store.projections.base import CountsHint
from store.queries.comments import comments_page, counted_comments
from store.queries.posts import post
from store.queries.users import profile
from tests.store.social import ANN, BEN, CAT, Social


async def counts(world: Social, post_id: int) -> tuple[int, int]:
    found = await world.store.read(post, post_id, ANN)
    return found.likes, found.comments


async def test_likes_and_comments_are_counted_with_one_hint_a_post_and_step(world: Social) -> None:
    sea, hill = await world.post(ANN), await world.post(BEN)
    for user in (ANN, BEN, CAT):
        await world.like(user, sea.id)
    await world.comment(CAT, sea.id)
    await world.like(ANN, hill.id)
    await world.step("counters")
    assert world.hints == [
        CountsHint(post_id=sea.id, author_id=ANN, likes=3, comments=1),
        CountsHint(post_id=hill.id, author_id=BEN, likes=1, comments=0),
    ]
    assert await counts(world, sea.id) == (3, 1)
    world.hints.clear()
    await world.like(BEN, sea.id, False)
    await world.step("counters")
    assert world.hints == [CountsHint(post_id=sea.id, author_id=ANN, likes=2, comments=1)]


async def test_what_comes_to_nothing_within_a_step_is_no_news(world: Social) -> None:
    sea = await world.post(ANN)
    await world.like(BEN, sea.id)
    await world.like(BEN, sea.id, False)
    await world.step("counters")
    assert world.hints == []
    assert await world.rows("SELECT post_id, likes, comments FROM post_counts") == []


async def test_a_comment_that_the_author_deletes_is_counted_once(world: Social) -> None:
    sea = await world.post(ANN)
    _, by_author, by_writer = [await world.comment(BEN, sea.id) for _ in range(3)]
    await world.do(DeleteComment(user_id=ANN, comment_id=by_author.id))
    await world.do(DeleteComment(user_id=BEN, comment_id=by_writer.id))
    while (await world.step("counters", 1)).read:  # the two entries fall into two steps
        pass
    assert await counts(world, sea.id) == (0, 1)
    assert await world.rows("SELECT post_id, likes, comments FROM post_counts") == [(sea.id, 0, 1)]


async def test_a_deleted_post_takes_its_counts_along(world: Social) -> None:
    sea = await world.post(ANN)
    await world.post(ANN)
    await world.like(BEN, sea.id)
    await world.step("counters")
    await world.comment(BEN, sea.id)
    await world.do(DeletePost(user_id=ANN, post_id=sea.id))
    world.hints.clear()
    await world.step("counters")
    assert world.hints == []
    assert await world.rows("SELECT post_id, likes, comments FROM post_counts") == []
    found = await world.store.read(profile, ANN, BEN)
    assert found is not None
    assert found.posts == 1


async def test_followers_and_followings_are_counted(world: Social) -> None:
    await world.follow(ANN, BEN)
    await world.follow(CAT, BEN)
    await world.follow(CAT, BEN, False)
    await world.step("counters")
    assert await world.rows(
        "SELECT user_id, posts, followers, followings FROM user_counts ORDER BY user_id"
    ) == [
        (ANN, 0, 0, 1),
        (BEN, 0, 1, 0),
    ]


async def test_a_count_is_never_negative(world: Social) -> None:
    sea = await world.post(ANN)
    await world.like(BEN, sea.id)
    await world.step("counters")
    await world.run("DELETE FROM post_counts")  # as if an entry had been set aside
    await world.like(BEN, sea.id, False)
    await world.step("counters")
    assert await counts(world, sea.id) == (0, 0)


async def test_answers_are_counted_by_the_comment_they_answer(world: Social) -> None:
    sea = await world.post(ANN)
    one, _ = [await world.comment(ANN, sea.id) for _ in range(2)]
    first = await world.comment(BEN, sea.id, reply_to=one.id)
    second = await world.comment(CAT, sea.id, reply_to=one.id)
    await world.comment(CAT, sea.id, reply_to=second.id)

    async def replies() -> list[int]:
        page, _ = await world.store.read(comments_page, sea.id, ANN, 0, 30)
        return [comment.replies for comment in reversed(page)]

    await world.step("counters", 4)
    assert await replies() == [1, 0, 0, 0, 0]
    await world.step("counters")
    assert await replies() == [2, 0, 0, 1, 0]
    # By the author of the post: the copy of the entry in his own stream counts for nothing.
    await world.do(DeleteComment(user_id=ANN, comment_id=first.id))
    while (await world.step("counters", 1)).read:
        pass
    assert await replies() == [1, 0, 1, 0]
    edited = await world.do(EditComment(user_id=ANN, comment_id=one.id, text="oh"))
    assert edited.replies == 1
    assert (await world.store.read(counted_comments, [one.id]))[one.id] == edited
