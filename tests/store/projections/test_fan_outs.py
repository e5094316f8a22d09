"""How a post comes to many followers: in parts, each of which is done once."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest

from store.changes.posts import DeletePost
from store.projections.base import HomeHint
from store.projections.consuming import give_up
from store.projections.counters import CountersProjection
from store.projections.home import HomeProjection
from store.projections.operating import retry
from store.projections.timelines import TimelineLimits
from store.queries.pages import home
from tests.contracts.backends import OpenStore
from tests.store.social import ANN, Social, social

FOLLOWERS = range(11, 21)
LIMITS = TimelineLimits(rows=4, pushed_below=100)


@pytest.fixture
def world(open_store: OpenStore) -> AbstractAsyncContextManager[Social]:
    return social(open_store, (ANN, *FOLLOWERS))


def keep(world: Social, limits: TimelineLimits = LIMITS) -> None:
    world.invisible = (HomeProjection(limits), CountersProjection())


async def followed(world: Social) -> None:
    """Ann has ten followers, and their timelines know of it."""
    for user in FOLLOWERS:
        await world.follow(user, ANN)
    await caught_up(world)


async def caught_up(world: Social) -> None:
    while (done := await world.step("home")).read or done.left:
        if done.left:
            await world.carry_on()


async def readers(world: Social, post_id: int) -> list[int]:
    found = await world.rows(
        "SELECT user_id FROM timeline_posts WHERE post_id = ? ORDER BY user_id", post_id
    )
    return [row[0] for row in found]


async def test_a_post_reaches_many_in_parts_that_are_remembered(world: Social) -> None:
    keep(world)
    await followed(world)
    post = await world.post(ANN)
    world.hints.clear()
    done = await world.step("home")
    # The entry is taken; of its followers none has been served yet, and that is known.
    assert (done.read, done.left, done.position) == (1, True, post.id)
    assert await world.rows("SELECT post_id, author_id, erases, followers FROM fan_outs") == [
        (post.id, ANN, 0, 10)
    ]
    served = []
    while (done := await world.carry_on()).left:
        served.append(await readers(world, post.id))
        assert done.position == post.id
        assert world.hints == []  # not everybody would find it
    assert [len(one) for one in served] == [5, 9]  # Ann herself with the first of them
    assert await readers(world, post.id) == [ANN, *FOLLOWERS]
    assert world.hints == [HomeHint(author_id=ANN, post_id=post.id)]
    assert await world.rows("SELECT * FROM fan_outs") == []


async def test_entries_are_taken_while_a_post_is_on_its_way(world: Social) -> None:
    keep(world)
    await followed(world)
    slow = await world.post(ANN)
    await world.step("home")
    await world.carry_on()
    assert FOLLOWERS[0] in await readers(world, slow.id)
    quick = await world.post(FOLLOWERS[0])
    await world.follow(FOLLOWERS[0], ANN, False)
    await world.step("home")
    assert await readers(world, quick.id) == [FOLLOWERS[0]]
    assert FOLLOWERS[0] not in await readers(world, slow.id)
    await caught_up(world)
    assert await readers(world, slow.id) == [ANN, *FOLLOWERS[1:]]


async def test_who_unfollows_before_his_turn_gets_nothing(world: Social) -> None:
    keep(world)
    await followed(world)
    post = await world.post(ANN)
    await world.step("home")
    await world.carry_on()
    await world.follow(FOLLOWERS[-1], ANN, False)
    await caught_up(world)
    assert await readers(world, post.id) == [ANN, *FOLLOWERS[:-1]]


async def test_a_part_that_fails_leaves_nothing_and_is_done_again(
    world: Social, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(world)
    await followed(world)
    post = await world.post(ANN)
    await world.step("home")
    await world.carry_on()
    before = await readers(world, post.id), await world.rows("SELECT * FROM fan_outs")

    async def broken(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("store.projections.fan_outs.FanOuts._keep", broken)
        with pytest.raises(RuntimeError):
            await world.carry_on()
    assert (await readers(world, post.id), await world.rows("SELECT * FROM fan_outs")) == before
    await caught_up(world)
    assert await readers(world, post.id) == [ANN, *FOLLOWERS]


async def test_a_deletion_leaves_in_parts_and_stops_what_is_on_its_way(world: Social) -> None:
    keep(world)
    await followed(world)
    old, new = await world.post(ANN), await world.post(ANN)
    await world.step("home")
    while (await world.carry_on()).left:
        if len(await readers(world, old.id)) == 11:
            break
    await world.carry_on()  # the first part of the new one
    for post in (old, new):
        await world.do(DeletePost(user_id=ANN, post_id=post.id))
    await world.step("home")
    assert await world.rows("SELECT post_id, erases, after FROM fan_outs ORDER BY post_id") == [
        (old.id, 1, 0),
        (new.id, 1, 0),
    ]
    counts = []
    while True:
        done = await world.carry_on()
        counts.append(len(await readers(world, old.id)))
        if not done.left:
            break
    assert counts == [6, 2, 0, 0, 0, 0]
    assert await world.rows("SELECT * FROM timeline_posts") == []


async def test_small_ones_do_not_wait_behind_a_large_one(world: Social) -> None:
    keep(world)
    await followed(world)
    large = await world.post(ANN)
    small = [await world.post(user) for user in FOLLOWERS]
    world.hints.clear()
    await world.step("home")  # one after the other has no place in the step
    await world.carry_on()
    assert [await readers(world, one.id) for one in small] == [[user] for user in FOLLOWERS]
    assert len(await readers(world, large.id)) == 5


@pytest.mark.parametrize("first_pulled", [False, True])
async def test_the_threshold_is_crossed_in_both_directions(
    world: Social, first_pulled: bool
) -> None:
    """What was published before stays as it is: pushed, or pulled."""
    keep(world, TimelineLimits(pushed_below=2))
    users = FOLLOWERS[:3]
    posts = []
    for user in users[: 2 + first_pulled]:
        await world.follow(user, ANN)
    for following in (first_pulled, not first_pulled, first_pulled):
        await world.follow(users[2], ANN, following)
        posts += [(await world.post(ANN)).id for _ in range(2)]
        await caught_up(world)
    pulled = [row[0] for row in await world.rows("SELECT post_id FROM pulled_posts")]
    assert pulled == (posts[:2] + posts[4:] if first_pulled else posts[2:4])
    rows = await world.rows("SELECT post_id FROM timeline_posts WHERE user_id = ?", users[0])
    assert [row[0] for row in rows] == [one for one in posts if one not in pulled]
    for user in (users[0], users[1], ANN):
        shown = []
        before = 0
        for _ in posts:
            (page,), before = await world.store.read(home, user, before, 1)
            shown.append(page.id)
        assert (shown, before) == (posts[::-1], 0)


async def test_a_step_takes_few_follows(world: Social) -> None:
    for user in range(100, 155):
        await world.follow(user, ANN)
    limit = HomeProjection.step
    assert [(await world.step("home", limit)).read for _ in range(3)] == [50, 5, 0]


async def test_what_is_given_up_is_set_aside_and_the_rest_goes_on(world: Social) -> None:
    keep(world)
    await followed(world)
    bad, good = await world.post(ANN), await world.post(ANN)
    await world.step("home")
    projection = world.invisible[0]
    assert await world.store.write(give_up, projection, "no", 7) == bad.id
    await caught_up(world)
    assert await readers(world, bad.id) == []
    assert await readers(world, good.id) == [ANN, *FOLLOWERS]
    assert await world.rows("SELECT consumer, position, error, at_ms FROM set_aside") == [
        ("home", bad.id, "no", 7)
    ]
    assert await world.store.write(give_up, projection, "no", 7) == 0  # there is nothing left
    await world.store.write(retry, "home", bad.id)
    await caught_up(world)
    assert await readers(world, bad.id) == [ANN, *FOLLOWERS]
    assert await world.rows("SELECT * FROM set_aside") == []
