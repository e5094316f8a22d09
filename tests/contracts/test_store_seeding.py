"""Rows built from the state of things, where the log has lost its beginning: whatever happens
between the portions, they are those of the offset."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from store.log import Entry
from store.projections import operating
from store.projections.base import Hint
from store.projections.consuming import Consumed, carry_on, consume, set_aside, upcoming
from store.projections.counters import CountersProjection
from store.projections.home import HomeProjection
from store.projections.offsets import Role, places_of
from store.projections.rebuilding import cancel_rebuild, seed_step, start_rebuild, sweep
from store.queries.consumers import statuses
from store.queries.leases import Fenced
from store.queries.timelines import State, home_ids
from store.transaction import Transaction
from tests.contracts.statements import Failure
from tests.store.projections.test_home_story import sign_up
from tests.store.projections.test_rebuild import check_counts
from tests.store.social import ANN, BEN, CAT, DAN, Social, forget_log


class Counters(CountersProjection):
    """Fails at what is `bad`."""

    def __init__(self) -> None:
        self.bad: set[int] = set()

    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        if any(entry.position in self.bad for entry in entries):
            raise Failure("cannot take it in")
        return await super().project(tx, entries, generation)


class Home(HomeProjection):
    """The same."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: set[int] = set()

    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        if any(entry.position in self.bad for entry in entries):
            raise Failure("cannot take it in")
        return await super().project(tx, entries, generation)


async def begun(world: Social, counters: Counters) -> list[int]:
    """Posts that people like and answer, of which the log knows nothing any more; and a rebuild of
    their counts."""
    posts = [(await world.post(author)).id for author in (ANN, BEN, CAT)]
    for post in posts:
        await world.like(DAN, post)
        comment = await world.comment(CAT, post)
        await world.comment(BEN, post, reply_to=comment.id)
    last = await world.follow(BEN, ANN)
    await world.project()
    assert await forget_log(world) >= last.changed
    await world.store.write(start_rebuild, counters, world.now_ms)
    return posts


async def seed(world: Social, counters: Counters, ids: int, limit: int = 500) -> Consumed:
    return await world.store.write(seed_step, counters, limit, ids, world.now_ms)


async def finish(world: Social, counters: Counters) -> None:
    done = await world.store.write(consume, counters, 500, world.now_ms, 0, None, Role.BUILDING)
    assert done.switched
    while (await world.step("counters")).read:
        pass
    while await world.store.write(sweep, counters, 100):
        pass
    await check_counts(world)


@pytest.mark.parametrize("ids", [20, 300, 10_000])
async def test_what_happens_between_the_portions_is_counted_once(world: Social, ids: int) -> None:
    counters = Counters()
    posts = await begun(world, counters)
    number = 0
    while (await seed(world, counters, ids)).seeding:
        number += 1
        post = posts[number % len(posts)]
        await world.like((ANN, BEN, CAT)[number % 3], post, number % 2 > 0)
        await world.follow(CAT, BEN, number % 4 > 1)
        if number % 5 == 0:
            await world.post(DAN)
        if number % 7 == 0:
            await world.step("counters")
    await finish(world, counters)


async def test_an_entry_that_fails_meanwhile_is_in_the_rows_all_the_same(world: Social) -> None:
    counters = Counters()
    posts = await begun(world, counters)
    await seed(world, counters, 1_005)
    counters.bad = {(await world.like(ANN, post)).changed for post in (posts[0], posts[2])}
    again = 0
    while (building := (await world.store.read(places_of, "counters")).building) is not None:
        if building.seeded is None:
            break
        try:
            await seed(world, counters, 1_005, limit=1)
        except Failure:
            position = await world.store.read(upcoming, counters, Role.BUILDING)
            await world.store.write(set_aside, counters, position, "no", 0, 0, Role.BUILDING)
        again += building.seeded == 0
    assert again == 2  # once for each, from the first id
    await finish(world, counters)
    assert await world.rows("SELECT * FROM set_aside") == []


async def test_a_timeline_that_an_entry_has_failed_for_is_filled_all_the_same(
    world: Social,
) -> None:
    home = Home()
    old = (await world.post(ANN)).id
    await world.project()
    await forget_log(world)
    await world.store.write(start_rebuild, home, world.now_ms)

    async def seed_some() -> Consumed:
        return await world.store.write(seed_step, home, 1, 10, world.now_ms)

    await seed_some()
    # He is new, so his timeline would be complete, if the log could be followed.
    eve = (await world.do(sign_up(9))).user_id
    home.bad = {(await world.follow(eve, ANN)).changed}
    while True:
        try:
            if not (await seed_some()).seeding:
                break
        except Failure:
            position = await world.store.read(upcoming, home, Role.BUILDING)
            await world.store.write(set_aside, home, position, "no", 0, 0, Role.BUILDING)
    while True:
        done = await world.store.write(consume, home, 9, world.now_ms, 0, None, Role.BUILDING)
        if done.switched:
            break
        await world.store.write(carry_on, home, 0, Role.BUILDING)
    found = await world.rows("SELECT generation, state FROM timelines WHERE user_id = ?", eve)
    assert found == [(1, int(State.KEPT))]
    assert await world.store.read(home_ids, eve, 0, 10) == [old]


async def test_it_is_paused_given_up_and_fenced_off_as_any_other(world: Social) -> None:
    counters = Counters()
    await begun(world, counters)
    await world.store.write(operating.pause, "counters", 1)
    assert (await seed(world, counters, 10)).halted == "paused"
    await world.store.write(operating.resume, "counters")
    with pytest.raises(Fenced):
        await world.store.write(seed_step, counters, 10, 10, 0, 7)
    await seed(world, counters, 10)
    found = await world.store.read(statuses, {"counters": counters.kinds})
    assert [one.seeded for one in found if one.name == "counters"] == [None, 10]
    await world.store.write(cancel_rebuild, "counters")
    assert (await seed(world, counters, 10)).halted == "gone"
    while await world.store.write(sweep, counters, 100):
        pass
    assert await world.rows("SELECT * FROM seeds") == []
    await check_counts(world)
