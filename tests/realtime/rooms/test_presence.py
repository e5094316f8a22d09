"""Who comes and goes is told once, after the grace, to those who have a direct room with him."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import structlog
import trio
import trio.testing

from realtime.clock import TrioClock
from realtime.rooms import presence
from realtime.rooms.presence import GRACE, RETRY, PresenceKeeper
from realtime.rooms.signals import LiveSignals
from rpc.proto.frames_pb2 import Presence
from rpc.wire import decode_server
from store.errors import Unavailable
from store.queries.presence import direct_peers, last_seen_of_peers, store_last_seen
from tests.realtime.rooms.town import ANN, BEN, CAT, DAN, Ear, Town, open_town

COME, GONE = True, False


@dataclass
class Watching:
    """A town where Ann has direct rooms with Ben and Cat, and a group with Dan, who all
    listen."""

    town: Town
    keeper: PresenceKeeper
    ears: dict[int, Ear]
    clock: TrioClock

    async def come(self, user_id: int, *, foreground: bool = True) -> Ear:
        ear = Ear(user_id, foreground=foreground)
        await self.town.attach(ear)
        self.keeper.changed(user_id)
        return ear

    def go(self, ear: Ear) -> None:
        self.town.hub.detach(ear)
        self.keeper.changed(ear.user_id)

    def turn(self, ear: Ear, *, foreground: bool) -> None:
        ear.foreground = foreground
        self.keeper.changed(ear.user_id)

    def told(self, user_id: int = BEN) -> list[Presence]:
        """What a user has heard of Ann since the last time."""
        ear = self.ears[user_id]
        heard, ear.signals = ear.signals, []
        found = [decode_server(data)[0].signal.presence for _, data in heard]
        return [one for one in found if one.user_id == ANN]

    def news(self, user_id: int = BEN) -> list[bool]:
        return [one.online for one in self.told(user_id)]

    async def seen_ms(self) -> int:
        """When Ann was last here, as Ben is told."""
        return (await self.town.store.inner.read(last_seen_of_peers, BEN, [ANN]))[ANN]


@asynccontextmanager
async def watching() -> AsyncIterator[Watching]:
    town, clock = await open_town(), TrioClock()
    await town.direct(ANN, BEN)
    await town.direct(CAT, ANN)
    await town.group(ANN, DAN)
    keeper = PresenceKeeper(town.store, town.hub, LiveSignals(town.hub), clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        kit = Watching(town, keeper, {}, clock)
        for user_id in (BEN, CAT, DAN):
            kit.ears[user_id] = await kit.come(user_id)
        await trio.testing.wait_all_tasks_blocked()
        yield kit
        town.store.release_all()
        nursery.cancel_scope.cancel()


async def test_coming_is_told_at_once_to_direct_peers_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with watching() as kit:
        start = trio.current_time()
        ann = await kit.come(ANN)
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == start
        for user_id in (BEN, CAT):
            (told,) = kit.told(user_id)
            assert (told.online, told.last_seen_ms) == (True, 0)
        assert kit.news(DAN) == []
        assert [key for key, _ in ann.signals] == []


async def test_going_is_told_after_the_grace_with_the_time_and_kept(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with watching() as kit:
        ann = await kit.come(ANN)
        await trio.sleep(60)
        assert kit.news() == [COME]
        kit.go(ann)
        await trio.sleep(GRACE - 0.01)
        assert kit.news() == []
        await trio.sleep(0.02)
        (told,) = kit.told()
        assert told.online is False
        assert told.last_seen_ms == pytest.approx(kit.clock.now_ms(), abs=20)
        assert await kit.seen_ms() == told.last_seen_ms


async def test_who_returns_within_the_grace_has_not_been_away(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with watching() as kit:
        ann = await kit.come(ANN)
        for _ in range(3):
            await trio.sleep(GRACE / 2)
            kit.go(ann)
            await trio.sleep(GRACE / 2)
            ann = await kit.come(ANN)
        await trio.sleep(60)
        assert kit.news() == [COME]
        assert await kit.seen_ms() == 0


async def test_the_grace_counts_from_the_going_and_is_not_put_off(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with watching() as kit:
        ann = await kit.come(ANN)
        await trio.sleep(60)
        kit.told()
        kit.go(ann)
        for _ in range(10):
            await trio.sleep(GRACE / 11)
            kit.keeper.changed(ANN)
        await trio.sleep(GRACE / 10)
        assert kit.news() == [GONE]


async def test_a_user_is_here_as_long_as_one_device_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with watching() as kit:
        phone = await kit.come(ANN)
        await trio.sleep(10)
        laptop = await kit.come(ANN)
        await trio.sleep(10)
        kit.go(phone)
        await trio.sleep(10)
        assert kit.news() == [COME]
        kit.go(laptop)
        await trio.sleep(10)
        assert kit.news() == [GONE]


async def test_in_the_background_a_user_is_away(autojump_clock: trio.testing.MockClock) -> None:
    async with watching() as kit:
        phone = await kit.come(ANN, foreground=False)
        await trio.sleep(60)
        assert kit.news() == []
        kit.turn(phone, foreground=True)
        await trio.sleep(1)
        assert kit.news() == [COME]
        kit.turn(phone, foreground=False)
        await trio.sleep(GRACE + 1)
        assert kit.news() == [GONE]
        kit.go(phone)  # from away to gone is no news
        await trio.sleep(60)
        assert kit.news() == []


async def test_those_who_are_not_here_are_not_told_and_nothing_is_kept_for_them(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with watching() as kit:
        kit.go(kit.ears[BEN])
        await kit.come(ANN)
        await trio.sleep(1)
        assert kit.news(BEN) == []
        ben = kit.ears[BEN] = await kit.come(BEN)
        await trio.sleep(60)
        assert kit.news(BEN) == []
        assert ben.signals == []


async def test_a_store_that_is_away_delays_the_news_and_loses_none(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with watching() as kit:
            ann = await kit.come(ANN)
            await trio.sleep(60)
            kit.told()
            kit.town.store.fail_when(direct_peers, "read", Unavailable("a"), Unavailable("b"))
            kit.go(ann)
            await trio.sleep(GRACE + 2 * RETRY - 0.01)
            assert kit.news() == []
            await trio.sleep(0.02)
            assert kit.news() == [GONE]
            assert await kit.seen_ms()
    assert {entry["event"] for entry in logs} == {"presence waits for the store"}


async def test_a_last_seen_that_could_not_be_stored_is_stored_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs():
        async with watching() as kit:
            ann = await kit.come(ANN)
            await trio.sleep(60)
            kit.town.store.fail_when(store_last_seen, "write", Unavailable("away"))
            kit.go(ann)
            await trio.sleep(GRACE + RETRY / 2)
            (_, gone) = kit.told()
            assert await kit.seen_ms() == 0
            await trio.sleep(RETRY)
            assert await kit.seen_ms() == gone.last_seen_ms


async def test_a_failure_with_one_user_holds_up_the_news_of_nobody_for_good(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs():
        async with watching() as kit:
            ann = await kit.come(ANN)
            await trio.sleep(60)
            kit.told()
            kit.go(kit.ears[DAN])
            kit.go(kit.ears[CAT])
            kit.go(ann)
            kit.town.store.fail_when(direct_peers, "read", Unavailable("away"))
            await trio.sleep(GRACE + RETRY + 0.1)
            assert kit.news() == [GONE]
            rows = await kit.town.store.inner.read(last_seen_of_peers, ANN, [BEN, CAT, DAN])
            assert {user_id for user_id, at_ms in rows.items() if at_ms} == {CAT, DAN}


async def test_what_changes_during_a_look_is_looked_at_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with watching() as kit:
        town = kit.town
        ann = await kit.come(ANN)
        town.store.hold("seen")
        await town.store.wait_held("seen")  # Ann's coming is being told
        kit.go(ann)
        town.store.release("seen")
        await trio.sleep(1)
        assert kit.news() == [COME]
        await trio.sleep(GRACE)
        assert kit.news() == [GONE]


async def test_changes_that_wait_are_bounded_and_those_that_do_are_told(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching() as kit:
        ann = await kit.come(ANN)
        await trio.sleep(60)
        kit.told()
        monkeypatch.setattr(presence, "QUEUE", 50)
        kit.go(ann)
        for stranger in range(1000, 1200):
            kit.keeper.changed(stranger)
        assert len(kit.keeper._soon) + len(kit.keeper._later) == 50
        await trio.sleep(GRACE + 1)
        assert kit.news() == [GONE]
        assert not kit.keeper._soon
        assert not kit.keeper._later


async def test_a_keeper_that_takes_over_tells_nothing_twice(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Another one has told that Ann and Ben are online: Ben is still here, Ann is not."""
    told: list[tuple[int, bool]] = []
    async with watching() as kit:
        later = PresenceKeeper(
            kit.town.store,
            kit.town.hub,
            LiveSignals(kit.town.hub),
            kit.clock,
            lambda user_id, online: told.append((user_id, online)),
        )
        assert later.adopt([ANN, BEN]) == [ANN, BEN]
        assert later.adopt([ANN]) == []
        assert sorted(later.online()) == [ANN, BEN]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(later.run)
            later.changed(BEN)
            await trio.sleep(GRACE - 0.01)
            assert (kit.news(), told) == ([], [])
            await trio.sleep(0.02)
            assert kit.news() == [GONE]
            assert told == [(ANN, False)]
            assert later.online() == [BEN]
            await kit.come(ANN)
            later.changed(ANN)
            await trio.sleep(60)
            assert told == [(ANN, False), (ANN, True)]
            nursery.cancel_scope.cancel()
