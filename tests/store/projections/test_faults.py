"""Entries that fail, retries, pauses, replays and rebuilds at any moment: once everything is
repaired, what the projections have made equals what the state says."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import trio
from hypothesis import given, settings

from store.errors import Conflict
from store.log import Entry
from store.projections import operating
from store.projections.base import Hint, Projection
from store.projections.consuming import Consume, Consumed, carry_on, consume, set_aside, upcoming
from store.projections.counters import CountersProjection
from store.projections.home import HomeProjection
from store.projections.notifications import NotificationsProjection
from store.projections.offsets import Role, lock_places, places_of
from store.projections.rebuilding import cancel_rebuild, seed_step, start_rebuild, sweep
from store.queries.consumers import letters
from store.queries.timelines import home_ids
from tests.contracts.backends import OpenStore
from tests.contracts.statements import Failure
from tests.store.projections.test_rebuild import (
    Story,
    check_counts,
    expected_causes,
    expected_home,
    present_causes,
    seeds,
    story,
)
from tests.store.social import USERS, Social, forget_log, social

# Of one another's undoing. Nobody mutes or blocks: whether that comes before what is told late is
# another matter.
KINDS = (
    *("like", "unlike") * 4,
    *("follow", "unfollow", "comment", "delete comment", "delete"),
    *("reply", "edit comment", "seen", "post"),
)
LIMITS = (1, 2, 5, 500)


class Faults:
    """Some entries fail until they are repaired, after their rows were written."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._bad: dict[int, bool] = {}
        self.over = False

    def meet(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            bad = self._bad.setdefault(entry.position, self._random.random() < 0.15)
            if bad and not self.over:
                raise Failure(f"cannot take in {entry.position}")

    def repair(self) -> None:
        """About half of what is bad."""
        for position, bad in self._bad.items():
            self._bad[position] = bad and self._random.random() < 0.5


class Home(HomeProjection):
    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    async def project(self, tx: Any, entries: Sequence[Entry], generation: int) -> list[Hint]:
        hints = await super().project(tx, entries, generation)
        self._faults.meet(entries)
        return hints


class Counters(CountersProjection):
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def project(self, tx: Any, entries: Sequence[Entry], generation: int) -> list[Hint]:
        hints = await super().project(tx, entries, generation)
        self._faults.meet(entries)
        return hints


class Notifications(NotificationsProjection):
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def project(self, tx: Any, entries: Sequence[Entry]) -> list[Hint]:
        hints = await super().project(tx, entries)
        self._faults.meet(entries)
        return hints


class Operated:
    """Consumers of a world, as their owner and an operator treat them."""

    def __init__(self, world: Social, random: Random) -> None:
        self.world = world
        self.random = random
        self.faults = Faults(random)
        self.counters = Counters(self.faults)
        self.home = Home(self.faults)
        self.notifications = Notifications(self.faults)
        self.all = (self.home, self.counters, self.notifications)

    async def step(
        self, projection: Projection | Notifications, limit: int, role: Role = Role.LIVE
    ) -> Consumed:
        """One that succeeds: what fails alone is set aside."""
        store, now_ms = self.world.store, self.world.now_ms
        building = (await store.read(places_of, projection.name)).building
        seeding = role is Role.BUILDING and building is not None and building.seeded is not None
        while True:
            try:
                if isinstance(projection, Notifications):
                    return await self.world.do(Consume(projection=projection, limit=limit))
                if seeding:
                    ids = self.random.choice((1, 10, 100))
                    return await store.write(seed_step, projection, limit, ids, now_ms)
                return await store.write(consume, projection, limit, now_ms, 0, None, role)
            except Failure as error:
                if limit == 1:
                    position, why = await store.read(upcoming, projection, role), str(error)
                    await store.write(set_aside, projection, position, why, now_ms, 0, role)
                limit = 1

    async def act(self) -> None:
        """Something that an owner or an operator does."""
        random, write = self.random, self.world.store.write
        one = random.choice(self.all)
        try:
            match random.randrange(14):
                case 13:
                    await forget_log(self.world)
                case 12:
                    await write(carry_on, self.home)
                case 0 | 1 | 2 | 3:
                    await self.step(one, random.choice(LIMITS))
                case 4 | 5:
                    built = random.choice((self.counters, self.home))
                    await self.step(built, random.choice(LIMITS), Role.BUILDING)
                case 6:
                    await write(operating.retry_all, one.name)
                case 7 if random.random() < 0.3:
                    self.faults.repair()
                case 8:
                    await write(random.choice((operating.resume, _pause)), one.name)
                case 9:
                    built = random.choice((self.counters, self.home))
                    await write(start_rebuild, built, self.world.now_ms)
                case 10:
                    first = random.randrange(1, await self.world.head() + 1)
                    await write(operating.replay, one, first, self.world.now_ms)
                case _ if random.random() < 0.3:
                    await write(cancel_rebuild, one.name)
                case _:
                    built = random.choice((self.counters, self.home))
                    await write(sweep, built, random.choice(LIMITS))
        except Conflict:
            pass  # a refusal

    async def repair(self) -> None:
        """Everything is sound again, and comes to its end."""
        self.faults.over = True
        for one in self.all:
            await self.world.store.write(operating.resume, one.name)
            await self.world.store.write(operating.retry_all, one.name)
            while (done := await self.step(one, 3)).read or done.left:
                if done.left:
                    await self.world.store.write(carry_on, self.home)
        for built in (self.counters, self.home):
            while (done := await self.step(built, 3, Role.BUILDING)).building:
                if done.left:
                    await self.world.store.write(carry_on, built, 0, Role.BUILDING)
            while await self.world.store.write(sweep, built, 3):
                pass
            places = await self.world.store.read(places_of, built.name)
            assert (places.building, places.leaving) == (None, ())
        assert await self.world.store.read(letters, "", 0, 1, parked=True) == []


async def _pause(tx: Any, consumer: str) -> None:
    await operating.pause(tx, consumer, 1)


@settings(max_examples=20)
@given(seeds)
def test_whatever_fails_the_projections_equal_the_state_once_it_is_repaired(
    open_store: OpenStore, seed: int
) -> None:
    async def main() -> None:
        async with social(open_store) as world:
            operated, told = Operated(world, Random(seed)), Story(world)
            for one in operated.all:  # all have begun: from now on the log is kept for them
                await world.store.write(lock_places, one.name)
            for part in story(seed, KINDS):
                if not isinstance(part, tuple):
                    await told.tell(part)
                for _ in range(operated.random.randrange(4)):
                    await operated.act()
            await operated.repair()
            await check_counts(world)
            home = await expected_home(world)
            for user in USERS:
                shown = await world.store.read(home_ids, user, 0, 1000)
                assert set(shown) == {post for reader, post, _ in home if reader == user}
            causes = await expected_causes(world)
            assert await present_causes(world) == {
                cause: deed.position for cause, deed in causes.items()
            }

    trio.run(main)
