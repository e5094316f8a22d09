"""What those do whom one follows."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from store.changes.base import Change
from store.changes.blocks import SetBlock
from store.changes.comments import AddComment, DeleteComment, EditComment
from store.changes.follows import SetFollow
from store.changes.likes import SetLike
from store.changes.posts import CreatePost, DeletePost
from store.errors import DomainError
from store.log import Entry, Kind
from store.queries.activity import ROUNDS, activity
from store.records import ActivityKind, ActivityRecord
from tests.contracts.backends import OpenStore
from tests.store.social import ANN, BEN, CAT, DAN, USERS, Social, social, statements

LIKE, COMMENT, FOLLOW = ActivityKind


async def page(world: Social, user: int, limit: int = 50) -> list[ActivityRecord]:
    found, more = await world.store.read(activity, user, 0, limit)
    assert not more
    return found


async def test_it_shows_what_those_do_whom_one_follows(world: Social) -> None:
    await world.follow(ANN, BEN)
    post = await world.post(CAT, "sea", await world.photograph(CAT))
    liked = await world.like(BEN, post.id)
    liked_ms = world.now_ms
    comment = await world.comment(BEN, post.id, "blue")
    followed = await world.follow(BEN, DAN)
    await world.like(DAN, post.id)  # of whom she does not follow
    await world.like(ANN, post.id)  # her own
    await world.post(BEN)  # which is for the home timeline
    found = await page(world, ANN)
    assert [(one.id, one.kind, one.actor.id) for one in found] == [
        (followed.changed, FOLLOW, BEN),
        (comment.id, COMMENT, BEN),
        (liked.changed, LIKE, BEN),
    ]
    follow, said, like = found
    assert (follow.post, follow.comment, follow.user and follow.user.id) == (None, None, DAN)
    assert said.comment == comment
    assert (said.user, said.post and said.post.id) == (None, post.id)
    assert (like.comment, like.user, like.created_ms) == (None, None, liked_ms)
    assert like.post is not None
    assert (like.post.liked_by_viewer, like.post.media) == (True, post.media)
    assert await page(world, CAT) == []


async def test_what_is_undone_or_gone_is_not_shown(world: Social) -> None:
    await world.follow(ANN, BEN)
    posts = [await world.post(CAT) for _ in range(3)]
    for post in posts:
        await world.like(BEN, post.id)
    comments = [await world.comment(BEN, post.id) for post in posts]
    await world.follow(BEN, DAN)
    await world.follow(BEN, DAN, False)
    await world.like(BEN, posts[0].id, False)
    await world.do(DeleteComment(user_id=CAT, comment_id=comments[1].id))
    await world.do(DeletePost(user_id=CAT, post_id=posts[2].id))
    found = await page(world, ANN)
    assert [(one.kind, one.post and one.post.id) for one in found] == [
        (COMMENT, posts[0].id),
        (LIKE, posts[1].id),
    ]
    await world.follow(ANN, BEN, False)
    assert await page(world, ANN) == []


async def test_what_concerns_oneself_is_told_by_notifications(world: Social) -> None:
    await world.follow(ANN, BEN)
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.comment(BEN, post.id)
    await world.follow(BEN, ANN)
    assert await page(world, ANN) == []


@pytest.mark.parametrize("by", [ANN, CAT])
async def test_what_a_block_hides_is_not_shown(world: Social, by: int) -> None:
    await world.follow(ANN, BEN)
    post = await world.post(CAT)
    await world.like(BEN, post.id)
    await world.comment(BEN, post.id)
    await world.follow(BEN, CAT)
    assert len(await page(world, ANN)) == 3
    await world.block(by, ANN + CAT - by)
    assert await page(world, ANN) == []
    await world.block(by, ANN + CAT - by, False)
    assert len(await page(world, ANN)) == 3


async def test_pages_stand_still_while_more_is_done(world: Social) -> None:
    await world.follow(ANN, BEN)
    await world.follow(ANN, CAT)
    posts = [await world.post(DAN) for _ in range(4)]
    done = [(await world.like((BEN, CAT)[n % 2], post.id)).changed for n, post in enumerate(posts)]
    first, more = await world.store.read(activity, ANN, 0, 2)
    await world.comment(BEN, posts[0].id)
    rest, end = await world.store.read(activity, ANN, more, 2)
    assert [one.id for one in first + rest] == done[::-1]
    assert end == 0


async def test_a_page_goes_past_what_is_hidden_and_then_leaves_it_to_the_next(
    world: Social,
) -> None:
    await world.follow(ANN, BEN)
    shown, mine = await world.post(CAT), await world.post(ANN)
    await world.like(BEN, shown.id)
    for _ in range(2 * ROUNDS):
        await world.comment(BEN, mine.id)
    found, more = await world.store.read(activity, ANN, 0, 2)
    assert (found, bool(more)) == ([], True)
    found, more = await world.store.read(activity, ANN, more, 2)
    assert ([one.kind for one in found], more) == ([LIKE], 0)
    await world.like(BEN, mine.id)
    found, more = await world.store.read(activity, ANN, 0, 3)
    assert ([one.kind for one in found], more) == ([LIKE], 0)


async def test_it_costs_as_much_whatever_it_shows(world: Social) -> None:
    await world.follow(ANN, BEN)
    for user in (CAT, DAN):
        await world.like(BEN, (await world.post(user)).id)
        await world.comment(BEN, (await world.post(user)).id)
    assert await world.store.read(statements, activity, ANN, 0, 4) == await world.store.read(
        statements, activity, ANN, 0, 50
    )


KINDS = (
    *["like", "comment", "follow"] * 3,
    *["unlike", "unfollow", "post"] * 2,
    *["edit", "delete comment", "delete", "block", "unblock"],
)


def some(random: Random, kind: str, posts: list[int], comments: list[int]) -> Change[Any]:
    user, other = random.choice(USERS), random.choice(USERS)
    post, comment = random.choice(posts), random.choice(comments)
    match kind:
        case "like" | "unlike":
            return SetLike(user_id=user, post_id=post, liked=kind == "like")
        case "comment":
            return AddComment(user_id=user, post_id=post, text="ah")
        case "edit":
            return EditComment(user_id=user, comment_id=comment, text="oh")
        case "delete comment":
            return DeleteComment(user_id=user, comment_id=comment)
        case "post":
            return CreatePost(author_id=user, text="sea")
        case "delete":
            return DeletePost(user_id=user, post_id=post)
        case "block" | "unblock":
            return SetBlock(blocker_id=user, blocked_id=other, blocked=kind == "block")
        case _:
            return SetFollow(follower_id=user, followee_id=other, following=kind == "follow")


def recomputed(entries: list[Entry], viewer: int) -> list[tuple[int, ActivityKind, int, int]]:
    """From the log alone: (position, kind, actor, post or user)."""
    authors: dict[int, int] = {}  # of posts
    deeds: dict[tuple[ActivityKind, int, int], int] = {}  # (kind, actor, about or comment)
    posts_of: dict[int, int] = {}  # of comments
    blocks: set[tuple[int, int]] = set()
    for entry in entries:
        actor, about = entry.actor_id, entry.subject_id
        match entry.kind:
            case Kind.POST_CREATED:
                authors[about] = actor
            case Kind.POST_DELETED:
                del authors[about]
            case Kind.POST_LIKED:
                deeds[LIKE, actor, about] = entry.position
            case Kind.POST_UNLIKED:
                del deeds[LIKE, actor, about]
            case Kind.COMMENT_ADDED:
                deeds[COMMENT, actor, about] = entry.position
                posts_of[about] = entry.other_id
            case Kind.COMMENT_DELETED if entry.other_id:
                del deeds[COMMENT, entry.stream.id, about]
            case Kind.FOLLOWED:
                deeds[FOLLOW, actor, about] = entry.position
            case Kind.UNFOLLOWED:
                del deeds[FOLLOW, actor, about]
            case Kind.BLOCKED:
                blocks.add((actor, about))
            case Kind.UNBLOCKED:
                blocks.remove((actor, about))
    found = []
    for (kind, actor, about), position in deeds.items():
        thing = posts_of[about] if kind is COMMENT else about
        whom = about if kind is FOLLOW else authors.get(thing, viewer)
        apart = (viewer, whom) in blocks or (whom, viewer) in blocks
        if (FOLLOW, viewer, actor) in deeds and whom != viewer and not apart:
            found.append((position, kind, actor, thing))
    return sorted(found, reverse=True)


@settings(max_examples=25)
@given(st.integers(0, 1 << 32))
def test_it_is_what_the_log_says(open_store: OpenStore, seed: int) -> None:
    async def main() -> None:
        random = Random(seed)
        async with social(open_store) as world:
            posts = [(await world.post(user)).id for user in USERS]
            comments = [(await world.comment(ANN, posts[0])).id]
            for _ in range(12):
                kinds = random.choices(KINDS, k=8)
                changes = [some(random, kind, posts, comments) for kind in kinds]
                done = await world.commit(*changes)
                for change, outcome in zip(changes, done.outcomes, strict=True):
                    if isinstance(outcome, DomainError):
                        continue
                    if isinstance(change, CreatePost):
                        posts.append(outcome.id)
                    elif isinstance(change, AddComment):
                        comments.append(outcome.id)
            entries = await world.entries()
            for user in USERS:
                limit = random.choice((1, 3, 50))
                shown: list[ActivityRecord] = []
                before = -1
                while before:
                    some_, before = await world.store.read(activity, user, max(before, 0), limit)
                    assert len(some_) <= limit
                    shown += some_
                assert [
                    (one.id, one.kind, one.actor.id, (one.post or one.user or one.actor).id)
                    for one in shown
                ] == recomputed(entries, user)

    trio.run(main)
