"""Who is online at which node: told once, whatever becomes of nodes and of what is between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog.testing
import trio
import trio.testing

from realtime.nodes.messages import CODEC, Moved, Seal
from realtime.nodes.nodes import BEAT, EXPIRY
from realtime.rooms.presence import GRACE
from store.queries.presence import last_seen_of_peers
from tests.realtime.nodes.air import KEY, Place, World, a_world
from tests.realtime.rooms.town import ANN, BEN

COME, GONE = True, False


async def settled() -> None:
    await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def friends(count: int = 3) -> AsyncIterator[tuple[World, list[Place]]]:
    """Nodes over a town where Ann and Ben have a direct room, the one with the least name
    first."""
    async with a_world() as world:
        await world.town.direct(ANN, BEN)
        places = [await world.open() for _ in range(count)]
        await trio.sleep(2 * BEAT)  # until everybody has heard of everybody
        yield world, sorted(places, key=lambda place: place.nodes.name)


def known(places: list[Place], user_id: int) -> list[bool]:
    """Whether the user is online elsewhere, as each node and its workers know."""
    for place in places:
        assert place.nodes.is_online(user_id) == (user_id in place.abroad)
        assert (user_id in place.nodes.online()) == (user_id in place.abroad)
    return [user_id in place.abroad for place in places]


async def test_a_user_is_online_while_any_node_has_him(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with friends() as (world, places):
        one, two, three = places
        ear = await one.enter(ANN)
        assert known(places, ANN) == [False, True, True]
        again = await two.enter(ANN)
        assert known(places, ANN) == [True, True, True]
        one.leave(ear)
        await trio.sleep(GRACE + 1)
        assert known(places, ANN) == [True, False, True]
        assert three.heard_of(ANN) == [COME]
        two.leave(again)
        await trio.sleep(GRACE - 0.1)
        assert three.heard_of(ANN) == [COME]
        await trio.sleep(1)
        assert known(places, ANN) == [False, False, False]
        assert three.heard_of(ANN) == [COME, GONE]
        assert await world.town.store.inner.read(last_seen_of_peers, BEN, [ANN]) != {ANN: 0}


async def test_who_leaves_two_nodes_at_once_is_told_to_have_left(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Each thinks that he is still at the other."""
    for stay in range(3):
        async with friends() as (_, places):
            watcher = places.pop(stay)
            ears = [await place.enter(ANN) for place in places]
            assert watcher.heard_of(ANN) == [COME]
            for place, ear in zip(places, ears, strict=True):
                place.leave(ear)
            await trio.sleep(2 * GRACE + 1)
            told = watcher.heard_of(ANN)
            assert (told[0], told[-1]) == (COME, GONE)
            assert len(told) <= 3
            assert not any(known([*places, watcher], ANN))


async def test_the_people_of_a_node_that_ends_are_told_to_have_left_unless_they_come_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with friends() as (_, places):
        one, two, three = places
        await two.enter(ANN)
        await two.enter(BEN)
        two.end()
        await settled()
        assert known([one, three], ANN) == known([one, three], BEN) == [False, True]
        await three.enter(BEN)
        await trio.sleep(GRACE + 0.1)
        assert known([one, three], ANN) == [False, False]
        assert known([one, three], BEN) == [True, False]
        for place in (one, three):
            assert place.heard_of(ANN) == [COME, GONE]
            assert place.heard_of(BEN) == [COME]


async def test_the_people_of_a_node_that_was_killed_expire(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with friends() as (_, places):
        one, two, three = places
        await three.enter(ANN)
        three.kill()
        await trio.sleep(EXPIRY - BEAT)
        assert known([one, two], ANN) == [True, True]
        await trio.sleep(3 * BEAT)
        assert known([one, two], ANN) == [False, True], "the one has taken her over"
        await trio.sleep(GRACE)
        assert known([one, two], ANN) == [False, False]
        assert two.heard_of(ANN) == [COME, GONE]
        assert two.told == [], "one of those who know tells it"


async def test_when_the_bus_comes_back_all_announce_their_people(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with friends() as (world, places):
        one, two, three = places
        await one.enter(ANN)
        ben = await two.enter(BEN)
        world.air.turn(up=False)
        await trio.sleep(EXPIRY + 2 * BEAT)
        assert known(places, ANN) == [False] * 3, "nobody knows"
        assert three.heard_of(ANN) == [COME], "nor says so"
        two.leave(ben)
        cat = await two.enter(3)
        await trio.sleep(GRACE + 1)
        world.air.turn(up=True)
        await settled()
        assert known(places, ANN) == [False, True, True]
        assert known(places, BEN) == [False] * 3
        assert known(places, cat.user_id) == [True, False, True]
        assert three.heard_of(BEN) == [COME, GONE], "told late"
        await trio.sleep(60)
        assert three.heard_of(ANN) == [COME]


async def test_who_comes_back_later_than_others_is_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with friends() as (world, places):
        one, two, three = places
        await three.enter(ANN)
        world.air.turn(up=False)
        await trio.sleep(60)
        three.bus.cut = True
        world.air.turn(up=True)
        await trio.sleep(EXPIRY - BEAT)
        three.bus.turn(cut=False)
        await trio.sleep(60)
        assert known(places, ANN) == [True, True, False]
        assert one.heard_of(ANN) == two.heard_of(ANN) == [COME]


async def test_a_node_that_was_cut_off_tells_again_who_is_there(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with friends() as (_, places):
        one, two, three = places
        await three.enter(ANN)
        three.bus.turn(cut=True)
        await trio.sleep(EXPIRY + GRACE + 3 * BEAT)
        assert two.heard_of(ANN) == [COME, GONE]
        three.bus.turn(cut=False)
        await settled()
        assert two.heard_of(ANN) == [COME, GONE, COME]
        assert known(places, ANN) == [True, True, False]
        await trio.sleep(60)
        assert two.heard_of(ANN) == [COME, GONE, COME]
        assert one.told == [(ANN, GONE)]


async def test_who_comes_late_hears_who_is_there(autojump_clock: trio.testing.MockClock) -> None:
    async with friends() as (world, places):
        for place in places:
            await place.enter(ANN)
        late = [await world.open()]
        assert known(late, ANN) == [True], "at once"
        late.append(await world.open())
        await trio.sleep(2 * BEAT)
        assert known(late, ANN) == [True, True]
        assert [len(place.nodes._neighbours) for place in [*places, *late]] == [4] * 5


async def test_a_move_that_was_missed_is_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with friends() as (world, places):
        one = places[0]
        world.air.lost.add(one.bus)
        await one.enter(ANN)
        assert known(places, ANN) == [False] * 3
        world.air.lost.clear()
        await trio.sleep(BEAT / 2)
        await one.enter(BEN)
        assert known(places, ANN) == [False, True, True]
        world.air.lost.add(one.bus)
        await one.enter(3)
        world.air.lost.clear()
        await trio.sleep(2 * BEAT)
        assert known(places, 3) == [False, True, True], "a sign of life tells how many there were"
        # Doubled, it changes nothing.
        name = one.nodes.name
        world.air.say(Seal(KEY).close(name, CODEC.encode(Moved(3, 3, True, True))))
        await trio.sleep(2 * BEAT)
        assert known(places, 3) == [False, True, True]


async def test_a_node_that_stood_still_does_not_take_the_others_for_gone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its clock has gone on, and what the others said waits to be heard."""
    async with friends(2) as (_, (one, two)):
        await two.enter(ANN)
        with structlog.testing.capture_logs() as logs:
            autojump_clock.jump(10 * EXPIRY)  # nobody runs meanwhile
            for _ in range(20):
                await trio.sleep(BEAT)
                assert known([one], ANN) == [True]
        assert (one.told, logs) == ([], [])
