"""Likes: set, take back, list."""

from __future__ import annotations

from typing import Any

import pytest

from store.changes.base import Change
from store.changes.comments import AddComment
from store.changes.likes import SetLike
from store.changes.posts import DeletePost
from store.changes.waves import waves
from store.commit import commit_batch
from store.errors import NotFound
from store.log import Kind, Stream
from store.queries.hydrate import hydrate
from store.queries.likes import likers
from store.records import LikeRecord
from store.transaction import Transaction
from tests.store.social import ANN, BEN, CAT, DAN, Social, statements


async def test_liking_is_an_entry_in_the_likers_stream(world: Social) -> None:
    post = await world.post(ANN)
    like = await world.like(BEN, post.id)
    (entry,) = await world.entries(post.id)
    assert like == LikeRecord(post_id=post.id, user_id=BEN, liked=True, changed=entry.position)
    assert (entry.kind, entry.stream) == (Kind.POST_LIKED, Stream.user(BEN))
    assert (entry.actor_id, entry.subject_id, entry.other_id) == (BEN, post.id, ANN)


async def test_what_is_so_already_leaves_no_entry(world: Social) -> None:
    post = await world.post(ANN)
    never = await world.like(BEN, post.id, liked=False)
    assert (never.liked, never.changed) == (False, post.id)
    first = await world.like(BEN, post.id)
    assert await world.like(BEN, post.id) == first
    assert len(await world.entries(post.id)) == 1
    await world.like(BEN, post.id, liked=False)
    gone = await world.like(BEN, post.id, liked=False)
    assert (gone.liked, gone.changed) == (False, await world.head())
    assert [e.kind for e in await world.entries(post.id)] == [Kind.POST_LIKED, Kind.POST_UNLIKED]


async def test_one_batch_keeps_the_order_of_one_users_taps(world: Social) -> None:
    post = await world.post(ANN)
    taps = [SetLike(user_id=BEN, post_id=post.id, liked=on) for on in (True, False, True, True)]
    batch = await world.commit(*taps, SetLike(user_id=CAT, post_id=post.id, liked=True))
    assert [one.liked for one in batch.outcomes] == [True, False, True, True, True]
    mine = [e.kind for e in batch.entries if e.actor_id == BEN]
    assert mine == [Kind.POST_LIKED, Kind.POST_UNLIKED, Kind.POST_LIKED]
    assert [e.sequence for e in batch.entries if e.actor_id == BEN] == [1, 2, 3]
    assert len(await world.rows("SELECT * FROM likes")) == 2


async def test_a_deleted_post_is_not_liked(world: Social) -> None:
    post = await world.post(ANN)
    batch = await world.commit(
        SetLike(user_id=BEN, post_id=post.id, liked=True),
        DeletePost(user_id=ANN, post_id=post.id),
        SetLike(user_id=CAT, post_id=post.id, liked=True),
        SetLike(user_id=BEN, post_id=post.id, liked=False),
        SetLike(user_id=BEN, post_id=post.id + 50, liked=True),
    )
    assert batch.outcomes[0].liked
    assert [type(one) for one in batch.outcomes[2:]] == [NotFound] * 3
    assert [e.kind for e in batch.entries] == [Kind.POST_LIKED, Kind.POST_DELETED]


def test_a_busy_post_stays_one_wave() -> None:
    changes: list[Change[Any]] = []
    for user in range(1, 50):
        changes.append(SetLike(user_id=user, post_id=7, liked=True))
        changes.append(AddComment(user_id=user, post_id=7, text="ah"))
    assert len(waves(changes)) == 1
    assert len(waves([*changes, DeletePost(user_id=1, post_id=7), changes[0]])) == 3


async def test_entries_say_what_a_like_was_even_when_it_is_over(world: Social) -> None:
    post = await world.post(ANN)
    await world.like(BEN, post.id)
    await world.like(BEN, post.id, liked=False)
    entries = await world.entries(post.id)
    await world.store.read(hydrate, entries)
    assert [(e.record.liked, e.record.changed) for e in entries] == [
        (True, entries[0].position),
        (False, entries[1].position),
    ]


async def test_the_list_begins_with_the_latest_and_new_likes_move_no_page(world: Social) -> None:
    post = await world.post(ANN)
    for user in (ANN, BEN, CAT):
        await world.like(user, post.id)
    page, more = await world.store.read(likers, post.id, ANN, 0, 2)
    assert [user.id for user in page] == [CAT, BEN]
    await world.like(DAN, post.id)
    rest, end = await world.store.read(likers, post.id, ANN, more, 2)
    assert ([user.id for user in rest], end) == ([ANN], 0)


@pytest.mark.parametrize("liked", [True, False])
async def test_many_likes_take_as_many_statements_as_one(world: Social, liked: bool) -> None:
    posts = [(await world.post(ANN)).id for _ in range(8)]
    tx_counts = []
    for batch in (posts[:1], posts[1:]):
        changes = [SetLike(user_id=BEN, post_id=post_id, liked=liked) for post_id in batch]
        tx_counts.append(await world.store.write(_count, changes, world.now_ms))
    assert tx_counts[0] == tx_counts[1]


async def _count(tx: Transaction, changes: list[SetLike], now_ms: int) -> int:
    return await statements(tx, commit_batch, changes, now_ms)
