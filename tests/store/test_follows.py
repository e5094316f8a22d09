"""Follows: set, take back, list."""

from __future__ import annotations

import pytest

from store.changes.follows import SetFollow
from store.errors import Invalid, NotFound
from store.log import Kind, Stream
from store.queries.follows import followers, followings
from store.queries.hydrate import hydrate
from store.records import FollowRecord
from tests.store.social import ANN, BEN, CAT, DAN, NOBODY, Social


async def test_following_is_an_entry_in_the_followers_stream(world: Social) -> None:
    before = await world.head()
    follow = await world.follow(ANN, BEN)
    (entry,) = await world.entries(before)
    assert follow == FollowRecord(
        follower_id=ANN, followee_id=BEN, following=True, changed=entry.position
    )
    assert (entry.kind, entry.stream, entry.subject_id) == (Kind.FOLLOWED, Stream.user(ANN), BEN)


async def test_what_is_so_already_leaves_no_entry(world: Social) -> None:
    before = await world.head()
    never = await world.follow(ANN, BEN, False)
    assert (never.following, never.changed) == (False, before)
    first = await world.follow(ANN, BEN)
    assert await world.follow(ANN, BEN) == first
    await world.follow(ANN, BEN, False)
    assert not (await world.follow(ANN, BEN, False)).following
    entries = await world.entries(before)
    assert [e.kind for e in entries] == [Kind.FOLLOWED, Kind.UNFOLLOWED]
    await world.store.read(hydrate, entries)
    assert [(e.record.following, e.record.changed) for e in entries] == [
        (True, entries[0].position),
        (False, entries[1].position),
    ]


async def test_nobody_follows_himself_or_nobody(world: Social) -> None:
    before = await world.head()
    for following in (True, False):
        with pytest.raises(Invalid):
            await world.follow(ANN, ANN, following)
        with pytest.raises(NotFound):
            await world.follow(ANN, NOBODY, following)
    assert await world.entries(before) == []


async def test_one_batch_keeps_the_order_of_one_users_taps(world: Social) -> None:
    batch = await world.commit(
        *(SetFollow(follower_id=ANN, followee_id=BEN, following=on) for on in (True, False)),
        SetFollow(follower_id=BEN, followee_id=ANN, following=True),
    )
    assert [one.following for one in batch.outcomes] == [True, False, True]
    assert await world.rows("SELECT follower_id, followee_id FROM follows") == [(BEN, ANN)]


async def test_both_lists_begin_with_the_latest_and_new_follows_move_no_page(world: Social) -> None:
    for user in (BEN, CAT):
        await world.follow(user, ANN)
        await world.follow(ANN, user)
    page, more = await world.store.read(followers, ANN, ANN, 0, 1)
    assert [user.id for user in page] == [CAT]
    await world.follow(DAN, ANN)
    rest, end = await world.store.read(followers, ANN, ANN, more, 1)
    assert ([user.id for user in rest], end) == ([BEN], 0)
    page, more = await world.store.read(followings, ANN, ANN, 0, 1)
    assert [user.id for user in page] == [CAT]
    await world.follow(ANN, DAN)
    rest, end = await world.store.read(followings, ANN, ANN, more, 1)
    assert ([user.id for user in rest], end) == ([BEN], 0)
