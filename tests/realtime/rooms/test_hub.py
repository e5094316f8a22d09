"""Who receives what, while sessions come and go and rooms change under them."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from store.errors import Unavailable
from tests.realtime.rooms.town import ANN, BEN, CAT, START, Ear, Town, open_town


class Arrival:
    """An `attach` under way in a task of its own, whose rooms have been read and not taken in."""

    def __init__(self, town: Town, nursery: trio.Nursery, ear: Ear) -> None:
        self._town = town
        self._nursery = nursery
        self.ear = ear
        self.scope = trio.CancelScope()
        self.done = trio.Event()
        self.position: int | None = None
        self.error: Exception | None = None

    async def _attach(self) -> None:
        with self.scope:
            try:
                self.position = await self._town.attach(self.ear)
            except Unavailable as error:
                self.error = error
        self.done.set()

    async def begin(self, number: int = 1) -> None:
        """Returns when `number` sessions have read their rooms."""
        self._nursery.start_soon(self._attach)
        await self._town.store.wait_held("seen", number)

    async def finish(self) -> None:
        self._town.store.release("seen")
        await self.done.wait()


def statistics(users: int, sessions: int, rooms: int) -> dict[str, int]:
    return {"users": users, "sessions": sessions, "rooms": rooms}


async def test_a_session_is_in_the_rooms_of_its_user_and_nowhere_else() -> None:
    town = await open_town()
    both, alone = await town.direct(ANN, BEN), await town.group(CAT)
    ear = Ear(ANN)
    position = await town.attach(ear)
    assert position == town.batches[-1].head.position
    assert town.here(both) == {ANN}
    assert town.here(alone) == set()
    assert town.hub.is_member(both, ANN)
    assert not town.hub.is_member(both, BEN)  # of the room, but not here
    assert not town.hub.is_member(alone, ANN)
    assert town.hub.sessions_of(ANN) == (ear,)
    assert town.hub.sessions_of(BEN) == ()
    assert town.hub.statistics() == statistics(1, 1, 1)


async def test_devices_come_and_go_and_the_user_stays_until_the_last() -> None:
    town = await open_town()
    room = await town.direct(ANN, BEN)
    phone, laptop, ben = Ear(ANN), Ear(ANN), Ear(BEN)
    first = await town.attach(phone)
    await town.group(CAT)
    town.store.calls.clear()
    assert await town.attach(laptop) == first
    assert [name for name, _ in town.store.calls] == ["_nothing"]  # his rooms are known
    await town.attach(ben)
    assert town.hub.statistics() == statistics(2, 3, 1)
    (place,) = town.hub.present([CAT, ANN, 99])
    assert place.sessions == {phone, laptop}
    town.hub.detach(phone)
    town.hub.detach(phone)  # once more is once
    assert town.here(room) == {ANN, BEN}
    town.hub.detach(laptop)
    assert town.here(room) == {BEN}
    town.hub.detach(ben)
    town.hub.detach(Ear(CAT))
    assert town.hub.statistics() == statistics(0, 0, 0)


async def test_joining_and_leaving_follow_the_log() -> None:
    town = await open_town()
    room = await town.group(ANN)
    await town.attach(Ear(ANN))
    await town.attach(Ear(BEN))
    joined = await town.add(room, ANN, BEN, CAT)
    town.deliver(joined)
    assert town.here(room) == {ANN, BEN}  # Cat has no session
    (place,) = town.hub.present([BEN])
    assert place.rooms == {room: joined.entries[0].position}
    town.deliver(await town.remove(room, ANN, BEN))
    assert town.here(room) == {ANN}
    assert place.rooms == {}
    town.deliver(await town.remove(room, ANN, CAT))
    town.deliver(await town.remove(room, ANN, ANN))
    assert town.hub.statistics() == statistics(2, 2, 0)


async def test_a_join_during_the_loading_counts_and_a_leave_too() -> None:
    town = await open_town()
    stays, leaves, joins = [await town.group(ANN, BEN) for _ in range(3)]
    town.deliver(await town.remove(joins, ANN, BEN))
    town.store.hold("seen")
    async with trio.open_nursery() as nursery:
        arrival = Arrival(town, nursery, Ear(BEN))
        await arrival.begin()
        assert town.here(stays) == set()  # not known yet
        town.deliver(await town.remove(leaves, ANN, BEN))
        rejoined = await town.add(joins, ANN, BEN)
        town.deliver(rejoined)
        await arrival.finish()
    assert arrival.position == rejoined.head.position - 2
    assert [town.here(room) for room in (stays, leaves, joins)] == [{BEN}, set(), {BEN}]
    (place,) = town.hub.present([BEN])
    assert place.rooms[joins] == rejoined.entries[-1].position


@pytest.mark.parametrize("last", ["leave", "join"])
async def test_what_happened_last_during_the_loading_counts(last: str) -> None:
    town = await open_town()
    room = await town.group(ANN, BEN)
    town.store.hold("seen")
    async with trio.open_nursery() as nursery:
        arrival = Arrival(town, nursery, Ear(BEN))
        await arrival.begin()
        town.deliver(await town.remove(room, ANN, BEN))
        town.deliver(await town.add(room, ANN, BEN))
        if last == "leave":
            town.deliver(await town.remove(room, ANN, BEN))
        await arrival.finish()
    assert town.here(room) == ({BEN} if last == "join" else set())


async def test_what_was_loaded_already_is_not_applied_again() -> None:
    """The delivery is behind the database: it has still to come to what was read."""
    town = await open_town()
    room, left = await town.group(ANN), await town.group(ANN)
    joined = await town.add(room, ANN, BEN)
    removed = await town.remove(room, ANN, BEN)
    again = await town.add(room, ANN, BEN)
    there = await town.add(left, ANN, BEN)
    gone = await town.remove(left, ANN, BEN)
    town.store.hold("seen")
    async with trio.open_nursery() as nursery:
        arrival = Arrival(town, nursery, Ear(BEN))
        await arrival.begin()
        for batch in (joined, removed, there):
            town.deliver(batch)
        await arrival.finish()
    (place,) = town.hub.present([BEN])
    for _ in range(2):
        assert place.rooms == {room: again.entries[-1].position}
        assert (town.here(room), town.here(left)) == ({BEN}, set())
        town.deliver(again)
        town.deliver(gone)


async def test_two_sessions_of_a_user_may_arrive_at_once() -> None:
    town = await open_town()
    room = await town.group(ANN)
    town.store.hold("seen")
    async with trio.open_nursery() as nursery:
        one, two = (Arrival(town, nursery, Ear(BEN)) for _ in range(2))
        await one.begin(1)
        joined = await town.add(room, ANN, BEN)
        await two.begin(2)  # has read more than the first
        town.deliver(joined)
        await one.finish()
        await two.finish()
    assert one.position is not None
    assert two.position is not None
    assert town.here(room) == {BEN}
    assert town.hub.statistics() == statistics(1, 2, 1)


async def test_a_late_reading_does_not_undo_what_was_delivered_since() -> None:
    town = await open_town()
    kept, lost = await town.group(ANN), await town.group(ANN, BEN)
    town.store.hold("seen")
    async with trio.open_nursery() as nursery:
        slow = Arrival(town, nursery, Ear(BEN))
        await slow.begin()
        slowly = town.store.overtake("seen")
        quick = Ear(BEN)
        await town.attach(quick)
        town.deliver(await town.add(kept, ANN, BEN))
        town.deliver(await town.remove(lost, ANN, BEN))
        slowly.set()
        await slow.done.wait()
    assert town.here(kept) == {BEN}
    assert town.here(lost) == set()


@pytest.mark.parametrize("how", ["cancelled", "failed"])
async def test_an_arrival_that_does_not_succeed_leaves_nothing(how: str) -> None:
    town = await open_town()
    room = await town.direct(ANN, BEN)
    town.store.hold("seen")
    async with trio.open_nursery() as nursery:
        arrival = Arrival(town, nursery, Ear(BEN))
        await arrival.begin()
        if how == "cancelled":
            arrival.scope.cancel()
            await arrival.done.wait()
        else:
            town.store.fail("seen", Unavailable("away"))
            await arrival.finish()
            assert arrival.error is not None
    assert town.hub.statistics() == statistics(0, 0, 0)
    assert town.here(room) == set()


async def test_an_arrival_that_does_not_succeed_takes_nobody_with_it() -> None:
    town = await open_town()
    room = await town.direct(ANN, BEN)
    town.store.hold("seen")
    async with trio.open_nursery() as nursery:
        bad, good = (Arrival(town, nursery, Ear(BEN)) for _ in range(2))
        await bad.begin(1)
        await good.begin(2)
        bad.scope.cancel()
        await bad.done.wait()
        await good.finish()
    assert town.hub.sessions_of(BEN) == (good.ear,)
    assert town.here(room) == {BEN}


async def test_who_left_while_arriving_is_not_there_when_the_rooms_come() -> None:
    """The connection broke off during the loading; another of the user has come since."""
    town = await open_town()
    room = await town.direct(ANN, BEN)
    town.store.hold("seen")
    async with trio.open_nursery() as nursery:
        gone = Arrival(town, nursery, Ear(BEN))
        await gone.begin()
        town.hub.detach(gone.ear)
        assert town.hub.statistics() == statistics(0, 0, 0)
        fresh = Arrival(town, nursery, Ear(BEN))
        await fresh.begin(2)
        await gone.finish()
        await fresh.finish()
    assert town.hub.sessions_of(BEN) == (fresh.ear,)
    (place,) = town.hub.members(room)
    assert place.sessions == {fresh.ear}
    town.hub.detach(fresh.ear)
    assert town.hub.statistics() == statistics(0, 0, 0)


async def test_nobody_is_added_for_a_session_that_left_while_arriving() -> None:
    town = await open_town()
    await town.direct(ANN, BEN)
    town.store.hold("seen")
    async with trio.open_nursery() as nursery:
        gone = Arrival(town, nursery, Ear(BEN))
        await gone.begin()
        town.hub.detach(gone.ear)
        await gone.finish()
    assert town.hub.statistics() == statistics(0, 0, 0)


async def test_an_empty_town_has_a_position_too() -> None:
    town = await open_town()
    assert await town.attach(Ear(ANN)) == START


async def test_one_device_in_front_is_enough_to_be_online() -> None:
    town = await open_town()
    phone, laptop = Ear(ANN, foreground=False), Ear(ANN)
    await town.attach(phone)
    assert not town.hub.is_online(ANN)
    await town.attach(laptop)
    assert town.hub.is_online(ANN)
    laptop.foreground = False
    assert not town.hub.is_online(ANN)
    phone.foreground = True
    assert town.hub.is_online(ANN)
    town.hub.detach(phone)
    assert not town.hub.is_online(ANN)
    assert not town.hub.is_online(BEN)


async def test_posts_have_the_watchers_that_have_them_open() -> None:
    town = await open_town()
    ann, ben = Ear(ANN), Ear(BEN)
    hub: Any = town.hub
    hub.watch_post(ann, 0, 5)
    hub.watch_post(ben, 0, 5)
    assert set(hub.watchers(5)) == {ann, ben}
    hub.watch_post(ann, 5, 6)
    assert set(hub.watchers(5)) == {ben}
    assert set(hub.watchers(6)) == {ann}
    hub.watch_post(ben, 5, 0)
    hub.watch_post(ben, 5, 0)
    hub.watch_post(ann, 6, 0)
    assert hub.watchers(5) == hub.watchers(6) == ()
    assert not hub._posts


async def test_those_who_leave_while_they_are_told_disturb_nobody() -> None:
    """What is handed out is a copy: a session that ends with what it is told is not missed."""
    town = await open_town()
    ears = [Ear(ANN) for _ in range(3)]
    for ear in ears:
        await town.attach(ear)
        town.hub.watch_post(ear, 0, 5)
    for session in town.hub.sessions_of(ANN):
        town.hub.detach(session)
    for session in town.hub.watchers(5):
        town.hub.watch_post(session, 5, 0)
    assert town.hub.statistics() == statistics(0, 0, 0)
