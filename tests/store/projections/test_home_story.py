"""Whatever happens, and whenever it is projected: a home timeline is what the log says it is.

The limits are so small that everything occurs: authors who come to have too many followers to be
pushed, and lose them; fan-outs and fillings in many parts, with other things between; timelines
that are trimmed, given up, and wanted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from store.changes.accounts import SignUp
from store.changes.base import Change
from store.changes.blocks import SetBlock
from store.changes.follows import SetFollow
from store.changes.posts import CreatePost, DeletePost
from store.errors import DomainError
from store.projections import home as projection
from store.projections import timelines
from store.projections.consuming import carry_on, consume
from store.projections.counters import CountersProjection
from store.projections.home import HomeProjection
from store.projections.offsets import Role, places_of
from store.projections.rebuilding import seed_step, start_rebuild, sweep
from store.projections.timelines import DAY_MS, TimelineLimits
from store.queries.pages import home
from store.queries.resume import newest_home_post
from store.queries.timelines import State, timelines_of, want
from tests.contracts.backends import OpenStore
from tests.contracts.examples import new_session
from tests.store.social import Social, forget_log, social

BUILDING = Role.BUILDING
USERS = tuple(range(1, 9))
KINDS = (
    *["post"] * 8,
    *["follow"] * 8,
    *["unfollow", "delete"] * 2,
    *["block", "unblock", "come", "away"],
    *["step", "carry on"] * 6,
)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timelines, "FILLED_AT_ONCE", 2)
    monkeypatch.setattr(projection, "FILLS_AT_ONCE", 1)


class Story:
    """Things that happen to a few people by chance."""

    def __init__(self, world: Social, seed: int, users: Sequence[int] = USERS) -> None:
        self.world = world
        self.users = users
        self.random = random = Random(seed)
        self.limits = TimelineLimits(
            posts=random.choice((2, 4, 8)),
            slack=random.choice((1, 2)),
            pushed_below=random.choice((0, 1, 2, 3, 100)),
            rows=random.choice((1, 2, 3, 100)),
            idle_ms=3 * DAY_MS,
        )
        world.invisible = (HomeProjection(self.limits), CountersProjection())
        self.posts: list[int] = []

    async def go_on(self, steps: int) -> None:
        for _ in range(steps):
            await self._do(self.random.choice(KINDS))

    async def _do(self, kind: str) -> None:
        world, choice = self.world, self.random.choice
        user, other = choice(self.users), choice(self.users[: choice((1, 3, 8))])
        post = choice(self.posts) if self.posts else 0
        match kind:
            case "post":
                await self._try(CreatePost(author_id=other, text="sea"))
            case "delete":
                author = await world.rows("SELECT author_id FROM posts WHERE id = ?", post)
                if author:
                    await self._try(DeletePost(user_id=author[0][0], post_id=post))
            case "follow" | "unfollow":
                following = kind == "follow"
                await self._try(SetFollow(follower_id=user, followee_id=other, following=following))
            case "block" | "unblock":
                await self._try(
                    SetBlock(blocker_id=user, blocked_id=other, blocked=kind == "block")
                )
            case "come":
                await world.store.write(want, 0, {user: world.now_ms})
            case "away":  # everybody, for a day
                world.now_ms += DAY_MS
            case "step":
                await world.step("home", choice((1, 2, 5, 500)))
            case _:
                await world.carry_on()

    async def _try(self, change: Change[Any]) -> None:
        (outcome,) = (await self.world.commit(change)).outcomes
        if isinstance(change, CreatePost) and not isinstance(outcome, DomainError):
            self.posts.append(outcome.id)

    async def finish(self) -> None:
        while (done := await self.world.step("home", 3)).read or done.left:
            if done.left:
                await self.world.carry_on()


async def pages(world: Social, user: int, limit: int) -> list[int]:
    """A whole timeline, page by page."""
    found: list[int] = []
    before = 0
    while True:
        page, before = await world.store.read(home, user, before, limit)
        assert len(page) <= limit
        found += [one.id for one in page]
        if not before:
            return found


async def expected(world: Social, user: int) -> list[int]:
    """The posts of those whom a user follows, and his own."""
    found = await world.rows(
        "SELECT p.id FROM posts p WHERE p.deleted = 0 AND (p.author_id = ? OR p.author_id IN "
        "(SELECT followee_id FROM follows WHERE follower_id = ?)) ORDER BY p.id DESC",
        user,
        user,
    )
    return [row[0] for row in found]


async def check(story: Story) -> None:
    world, limits = story.world, story.limits
    generation = (await world.store.read(places_of, "home")).live.generation
    of = f"WHERE generation = {generation}"
    kept = await world.store.read(timelines_of, generation, story.users)
    pulled = {row[0] for row in await world.rows(f"SELECT post_id FROM pulled_posts {of}")}
    for user in story.users:
        timeline = kept.get(user)
        ids = await expected(world, user)
        floor = 0 if timeline is None else timeline.floor
        above = [one for one in ids if one > floor]
        for limit in (2, 50):
            assert await pages(world, user, limit) == above
        assert await world.store.read(newest_home_post, user) == (above or [0])[0]
        rows = await world.rows(
            f"SELECT post_id FROM timeline_posts {of} AND user_id = ? ORDER BY post_id DESC", user
        )
        if timeline is None:
            assert rows == []
            continue
        assert timeline.state is State.KEPT
        assert [row[0] for row in rows] == [one for one in above if one not in pulled]
        if limits.slack == 1:
            assert len(rows) <= limits.posts
    assert await world.rows(f"SELECT * FROM fan_outs {of}") == []


SEEDS = st.integers(0, 1 << 32)


@settings(max_examples=30)
@given(SEEDS)
def test_timelines_are_what_the_log_says(open_store: OpenStore, seed: int) -> None:
    async def main() -> None:
        async with social(open_store, USERS) as world:
            story = Story(world, seed)
            for _ in range(2):
                await story.go_on(50)
                await story.finish()
                await check(story)

    trio.run(main)


@settings(max_examples=15)
@given(SEEDS)
def test_timelines_made_again_from_the_log_come_to_the_same(
    open_store: OpenStore, seed: int
) -> None:
    async def main() -> None:
        async with social(open_store, USERS) as world:
            story = Story(world, seed)
            await story.go_on(60)
            await story.finish()
            for name in ("timelines", "timeline_posts", "pulled_posts", "fan_outs", "offsets"):
                await world.run(f"DELETE FROM {name}")
            await world.keep_timelines(USERS)
            await story.finish()
            await check(story)

    trio.run(main)


@settings(max_examples=16)
@given(SEEDS, st.booleans())
def test_timelines_are_built_anew_beside_those_that_are_shown(
    open_store: OpenStore, seed: int, whole: bool
) -> None:
    """From the log where it is whole, else from the state of things."""

    async def main() -> None:
        async with social(open_store, ()) as world:
            users = [(await world.do(sign_up(number))).user_id for number in USERS]
            story = Story(world, seed, users)
            await story.go_on(60)
            home = world.invisible[0]
            if not whole:
                await story.finish()
                await forget_log(world)
            await world.store.write(start_rebuild, home, world.now_ms)
            switched = False
            seeding = not whole
            while not switched:
                await story.go_on(story.random.choice((0, 0, 3)))
                limit = story.random.choice((2, 50))
                if seeding:
                    ids = story.random.choice((5, 20, 100))
                    done = await world.store.write(seed_step, home, limit, ids, world.now_ms)
                else:
                    done = await world.store.write(
                        consume, home, limit, world.now_ms, 0, None, BUILDING
                    )
                seeding, switched = done.seeding, done.switched
                if done.left and story.random.random() < 0.7:
                    assert not switched
                    await world.store.write(carry_on, home, 0, BUILDING)
            await story.finish()
            await check(story)
            assert (await world.store.read(places_of, "home")).live.generation == 1
            while await world.store.write(sweep, home, 3):
                pass
            for table in home.tables:
                assert await world.rows(f"SELECT * FROM {table} WHERE generation = 0") == []
            await check(story)

    trio.run(main)


def sign_up(number: int) -> SignUp:
    return SignUp(
        address=f"u{number}@example.org",
        username=f"user{number}",
        name="U",
        session=new_session(number),
    )


@settings(max_examples=25)
@given(SEEDS)
def test_pages_stand_still_whatever_happens_between_them(open_store: OpenStore, seed: int) -> None:
    """Read while everything moves, page by page, a timeline shows what is in it from beginning
    to end, once and in its order, and nothing that does not belong there."""

    async def main() -> None:
        async with social(open_store, USERS) as world:
            story = Story(world, seed)
            await story.go_on(60)
            await story.finish()
            user = story.random.choice(USERS)
            steady = set(await expected(world, user))
            shown: list[int] = []
            before = floor = 0
            while True:
                floor = max(floor, await floor_of(world, user))
                page, before = await world.store.read(home, user, before, 2)
                belongs = set(await expected(world, user))
                assert {one.id for one in page} <= belongs
                shown += [one.id for one in page]
                if not before:
                    break
                for _ in range(6):
                    await story.go_on(1)
                    steady &= set(await expected(world, user))
                    floor = max(floor, await floor_of(world, user))
            assert shown == sorted(set(shown), reverse=True)
            assert {one for one in steady if one > floor} <= set(shown)

    trio.run(main)


async def floor_of(world: Social, user: int) -> int:
    found = await world.store.read(timelines_of, 0, [user])
    return found[user].floor if user in found else 0
