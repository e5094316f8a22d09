"""One timeline: kept short, given up when nobody looks at it, and filled for who comes back."""

from __future__ import annotations

import pytest

from store.changes.accounts import SignUp
from store.changes.sessions import SignInWithPassword
from store.log import Kind
from store.projections import timelines
from store.projections.counters import CountersProjection
from store.projections.home import HomeProjection
from store.projections.timelines import DAY_MS, TimelineLimits
from store.queries.pages import home
from store.queries.sessions import touch
from store.queries.timelines import State, Timeline, timelines_of, want
from tests.contracts.examples import new_session
from tests.store.social import ANN, BEN, CAT, USERS, Social

LIMITS = TimelineLimits(posts=4, slack=1, idle_ms=3 * DAY_MS)


def keep(world: Social, limits: TimelineLimits = LIMITS) -> None:
    world.invisible = (HomeProjection(limits), CountersProjection())


async def of(world: Social, user: int) -> Timeline | None:
    return (await world.store.read(timelines_of, 0, [user])).get(user)


async def rows(world: Social, user: int) -> list[int]:
    """What is pushed into a timeline, the latest first."""
    found = await world.rows(
        "SELECT post_id FROM timeline_posts WHERE user_id = ? ORDER BY post_id DESC", user
    )
    return [row[0] for row in found]


async def shown(world: Social, user: int) -> list[int]:
    page, more = await world.store.read(home, user, 0, 100)
    assert not more
    return [one.id for one in page]


async def posts(world: Social, number: int, author: int = ANN) -> list[int]:
    """So many of them, the latest first."""
    return [(await world.post(author)).id for _ in range(number)][::-1]


async def test_a_timeline_keeps_the_latest(world: Social) -> None:
    keep(world)
    await world.follow(BEN, ANN)
    made = await posts(world, 7)
    await world.project()
    for user in (ANN, BEN):
        assert await rows(world, user) == await shown(world, user) == made[:4]
        assert await of(world, user) == Timeline(State.KEPT, made[4])
    made = await posts(world, 1) + made
    await world.project()
    assert await shown(world, BEN) == made[:4]


async def test_what_is_too_much_is_taken_out_together(world: Social) -> None:
    keep(world, TimelineLimits(posts=4, slack=3))
    await world.follow(BEN, ANN)
    lengths = []
    for _ in range(12):
        await world.post(ANN)
        await world.project()
        lengths.append(len(await rows(world, BEN)))
    assert set(lengths[-6:]) == {4, 5, 6}
    timeline = await of(world, BEN)
    assert timeline is not None
    assert min(await rows(world, BEN)) > timeline.floor > 0


async def test_a_follow_brings_as_many_as_are_kept(world: Social) -> None:
    keep(world)
    anns, cats = await posts(world, 6), await posts(world, 2, CAT)
    await world.project()
    await world.follow(BEN, ANN)
    await world.project()
    assert await shown(world, BEN) == anns[:4]
    await world.follow(BEN, CAT)
    await world.project()
    assert await shown(world, BEN) == cats + anns[:2]


async def test_a_timeline_that_an_unfollow_has_made_short_is_filled_anew(world: Social) -> None:
    keep(world)
    quiet = await posts(world, 3, CAT)
    await world.follow(BEN, CAT)
    await world.follow(BEN, ANN)
    await posts(world, 6)
    await world.project()
    assert not set(quiet) & set(await shown(world, BEN))
    await world.follow(BEN, ANN, False)
    await world.step("home")
    assert await of(world, BEN) == Timeline(State.WANTED, 0)
    assert await shown(world, BEN) == quiet  # by pull, until it is filled
    await world.project()
    assert await of(world, BEN) == Timeline(State.KEPT, 0)
    assert await rows(world, BEN) == await shown(world, BEN) == quiet


async def test_who_is_away_for_long_is_pushed_nothing_and_misses_nothing(world: Social) -> None:
    keep(world)
    await world.follow(BEN, ANN)
    made = await posts(world, 2)
    await world.project()
    world.now_ms += 2 * DAY_MS
    await world.store.write(want, 0, dict.fromkeys((ANN, CAT), world.now_ms))
    world.now_ms += 2 * DAY_MS
    made = await posts(world, 1) + made
    await world.project()
    assert (await of(world, BEN), await rows(world, BEN)) == (None, [])
    assert await rows(world, ANN) == made
    assert await shown(world, BEN) == made
    # He comes back.
    await world.store.write(want, 0, {BEN: world.now_ms})
    assert await of(world, BEN) == Timeline(State.WANTED, 0)
    made = await posts(world, 1) + made
    await world.project()
    assert await of(world, BEN) == Timeline(State.KEPT, 0)
    assert await rows(world, BEN) == await shown(world, BEN) == made


async def test_a_timeline_is_filled_in_parts(
    world: Social, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelines, "FILLED_AT_ONCE", 2)
    keep(world, TimelineLimits(posts=5))
    made = await posts(world, 9)
    await world.follow(BEN, ANN)
    await world.project()
    await world.run("DELETE FROM timelines WHERE user_id = ?", BEN)
    await world.run("DELETE FROM timeline_posts WHERE user_id = ?", BEN)
    await world.store.write(want, 0, {BEN: world.now_ms})
    parts = []
    new: list[int] = []
    while (await world.carry_on()).left:
        parts.append(len(await rows(world, BEN)))
        new = await posts(world, 1) + new  # which is pushed meanwhile
        await world.step("home")
        assert await shown(world, BEN) == new + made  # by pull
    assert parts == [2, 5]  # one that was pushed among them
    assert await rows(world, BEN) == await shown(world, BEN) == new + made[:6]
    assert await of(world, BEN) == Timeline(State.KEPT, made[5] - 1)


async def test_new_users_have_a_timeline_and_so_have_those_who_sign_in(world: Social) -> None:
    keep(world)
    sign_up = SignUp(
        address="eve@example.org", username="eve", name="Eve", password="p", session=new_session()
    )
    eve = (await world.do(sign_up)).user_id
    await world.project()
    assert await of(world, eve) == Timeline(State.KEPT, 0)
    world.now_ms += 4 * DAY_MS
    await world.post(ANN)
    await world.project()
    assert await of(world, eve) is None
    signed_in = SignInWithPassword(user_id=eve, verified="p", session=new_session(2))
    session = (await world.do(signed_in)).session_id
    await world.step("home")
    assert await of(world, eve) == Timeline(State.WANTED, 0)
    await world.project()
    # As often as she uses her session she is here.
    for _ in range(3):
        world.now_ms += 2 * DAY_MS
        await world.store.write(touch, [(session, world.now_ms)])
        await world.post(ANN)
        await world.project()
        assert await of(world, eve) == Timeline(State.KEPT, 0)
    # It is noted once a day.
    ((seen,),) = await world.rows("SELECT seen_ms FROM timelines WHERE user_id = ?", eve)
    for later, noted in ((DAY_MS - 1, seen), (DAY_MS, seen + DAY_MS)):
        await world.store.write(touch, [(session, seen + later)])
        assert await world.rows("SELECT seen_ms FROM timelines WHERE user_id = ?", eve) == [
            (noted,)
        ]


async def test_a_use_of_a_session_brings_a_timeline_back(world: Social) -> None:
    sign_up = SignUp(
        address="eve@example.org", username="eve", name="Eve", password="p", session=new_session()
    )
    grant = await world.do(sign_up)
    await world.store.write(touch, [(grant.session_id, world.now_ms), (99, world.now_ms)])
    assert await of(world, grant.user_id) == Timeline(State.WANTED, 0)
    assert Kind.USER_CREATED in HomeProjection.kinds
    await world.project()
    assert await of(world, grant.user_id) == Timeline(State.KEPT, 0)


async def test_a_timeline_that_cannot_be_filled_is_read_by_pull(world: Social) -> None:
    keep(world)
    await world.follow(BEN, ANN)
    made = await posts(world, 2)
    await world.project()
    await world.run("UPDATE timelines SET state = 0 WHERE user_id = ?", BEN)
    assert await world.store.write(world.invisible[0].give_up, 0) == 0
    assert await of(world, BEN) is None
    assert await shown(world, BEN) == made
    assert len(await world.store.read(timelines_of, 0, USERS)) == 3
