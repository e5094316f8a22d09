"""Rows built anew beside those that are shown: the switch loses no entry and shows no half."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from store.errors import Conflict
from store.log import Entry, Kind
from store.projections import operating
from store.projections.base import Hint, Projection
from store.projections.consuming import Consumed, consume, set_aside, upcoming
from store.projections.counters import CountersProjection
from store.projections.offsets import Role, places_of
from store.projections.rebuilding import cancel_rebuild, start_rebuild, sweep
from store.queries.consumers import statuses
from store.queries.leases import Fenced, take_leases
from store.queries.posts import posts_by_id
from store.records import PostRecord
from store.retention import holders
from store.transaction import Transaction
from tests.store.social import ANN, BEN, CAT, DAN, Social

COUNTERS = CountersProjection()


async def shown(world: Social, post_id: int) -> tuple[int, int]:
    """(likes, comments), as everybody sees them."""
    post: PostRecord = (await world.store.read(posts_by_id, [post_id], ANN))[post_id]
    return post.likes, post.comments


async def build(world: Social, limit: int = 500) -> Consumed:
    return await world.store.write(consume, COUNTERS, limit, world.now_ms, 0, None, Role.BUILDING)


async def generations(world: Social) -> dict[Role, int]:
    places = await world.store.read(places_of, "counters")
    found = [places.live, *([places.building] if places.building else []), *places.leaving]
    return {one.role: one.generation for one in found}


async def begun(world: Social) -> int:
    """A post whose counts are wrong, and a rebuild of them."""
    post = await world.post(ANN)
    for user in (BEN, CAT):
        await world.like(user, post.id)
    await world.project()
    await world.run("UPDATE post_counts SET likes = 70")
    assert await world.store.write(start_rebuild, COUNTERS, world.now_ms) == 1
    return post.id


async def test_what_is_shown_goes_on_until_the_new_is_as_new(world: Social) -> None:
    post = await begun(world)
    assert await shown(world, post) == (70, 0)
    await build(world, 1)
    await world.comment(DAN, post)
    await world.step("counters")  # the live one is ahead
    assert await shown(world, post) == (70, 1)
    await build(world, 2)
    assert await shown(world, post) == (70, 1)
    assert await generations(world) == {Role.LIVE: 0, Role.BUILDING: 1}
    while not (done := await build(world, 1)).switched:
        assert done.building
        assert await shown(world, post) == (70, 1)
    assert await shown(world, post) == (2, 1)
    assert await generations(world) == {Role.LIVE: 1, Role.LEAVING: 0}
    await world.like(DAN, post)
    await world.step("counters")
    assert await shown(world, post) == (3, 1)


async def test_the_new_one_goes_on_where_it_is_when_it_overtook(world: Social) -> None:
    """It may read what the live one has not seen yet; nothing is counted twice or left out."""
    post = await begun(world)
    await world.like(DAN, post)
    assert (await build(world)).switched
    assert await shown(world, post) == (3, 0)
    assert (await world.step("counters")).read == 0
    await world.like(DAN, post, False)
    await world.step("counters")
    assert await shown(world, post) == (2, 0)


async def test_old_rows_are_removed_bit_by_bit(world: Social) -> None:
    post = await begun(world)
    assert not await world.store.write(sweep, COUNTERS, 1)
    await build(world)
    rows = await world.rows("SELECT COUNT(*) FROM user_counts WHERE generation = 0")
    assert rows[0][0] > 0
    steps = 0
    while await world.store.write(sweep, COUNTERS, 1):
        steps += 1
        assert await shown(world, post) == (2, 0)
    assert steps >= rows[0][0]
    for table in ("user_counts", "post_counts", "offsets WHERE consumer = 'counters'"):
        assert await world.rows(f"SELECT DISTINCT generation FROM {table}") == [(1,)]
    # Numbers are not used again while there may be rows of theirs.
    assert await world.store.write(start_rebuild, COUNTERS, world.now_ms) == 2


async def test_a_rebuild_is_given_up(world: Social) -> None:
    post = await begun(world)
    await build(world, 1)
    await world.store.write(cancel_rebuild, "counters")
    assert (await build(world)).halted == "gone"
    assert await world.store.write(start_rebuild, COUNTERS, world.now_ms) == 2
    assert (await build(world)).switched
    assert await shown(world, post) == (2, 0)
    while await world.store.write(sweep, COUNTERS, 100):
        pass
    assert await generations(world) == {Role.LIVE: 2}
    with pytest.raises(Conflict):
        await world.store.write(cancel_rebuild, "counters")


class Bare(Projection):
    """Without tables that have generations."""

    name: ClassVar[str] = "bare"
    kinds: ClassVar[frozenset[Kind]] = frozenset()

    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        raise AssertionError


async def test_what_cannot_be_built_is_refused(world: Social) -> None:
    with pytest.raises(Conflict, match="cannot be built anew"):
        await world.store.write(start_rebuild, Bare(), 0)
    await begun(world)
    with pytest.raises(Conflict, match="already"):
        await world.store.write(start_rebuild, COUNTERS, 0)


async def test_it_is_not_shown_while_entries_of_it_are_set_aside(world: Social) -> None:
    post = await begun(world)
    await build(world, 1)
    position = await world.store.read(upcoming, COUNTERS, Role.BUILDING)
    assert await world.store.write(set_aside, COUNTERS, position, "no", 0, 0, Role.BUILDING)
    assert not (await build(world)).switched
    assert await shown(world, post) == (70, 0)
    found = await world.store.read(statuses, {"counters": COUNTERS.kinds})
    live, building = (one for one in found if one.name == "counters")
    assert (live.failed, building.failed) == (0, 1)
    assert building.parked == 1  # the second like of the post
    assert (await world.store.write(holders))[0] == ("the consumer counters", position - 1)
    await world.store.write(operating.retry_all, "counters")
    while not (done := await build(world)).switched:
        assert done.read
    assert await shown(world, post) == (2, 0)


async def test_a_pause_is_one_for_both(world: Social) -> None:
    await begun(world)
    await world.store.write(operating.pause, "counters", 1)
    assert (await build(world)).halted == "paused"
    assert (await world.step("counters")).halted == "paused"
    await world.store.write(operating.resume, "counters")
    assert (await build(world)).switched


async def test_an_owner_that_was_overtaken_builds_and_removes_nothing(world: Social) -> None:
    post = await begun(world)
    name = "consumer.counters"
    await world.store.write(take_leases, [name], b"1" * 16, 60_000)
    await world.run("UPDATE leases SET until_ms = 1")
    await world.store.write(take_leases, [name], b"2" * 16, 60_000)
    with pytest.raises(Fenced):
        await world.store.write(consume, COUNTERS, 9, 0, 1, None, Role.BUILDING)
    with pytest.raises(Fenced):
        await world.store.write(sweep, COUNTERS, 9, 1)
    with pytest.raises(Fenced):
        await world.store.write(set_aside, COUNTERS, 1, "no", 0, 1, Role.BUILDING)
    assert await generations(world) == {Role.LIVE: 0, Role.BUILDING: 1}
    done = await world.store.write(consume, COUNTERS, 9, 0, 2, None, Role.BUILDING)
    assert done.switched
    assert await shown(world, post) == (2, 0)


async def test_one_of_two_consumers_is_built_and_the_other_is_not_touched(world: Social) -> None:
    await begun(world)
    await world.project()
    found = {one.name: one for one in await world.store.read(statuses, {"home": frozenset[Kind]()})}
    assert found["home"].generation == 0
    assert found["home"].entries_behind == 0
