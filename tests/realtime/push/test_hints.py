"""Hints of the consumers become signals to those who are here, the latest of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import structlog
import trio
import trio.testing

from realtime.push import hints
from realtime.push.hints import MAX_WAITING, HintTeller
from realtime.rooms.signals import LiveSignals
from rpc.proto.frames_pb2 import HomeChanged, PostCounts
from rpc.wire import decode_server
from store.changes.follows import SetFollow
from store.errors import Unavailable
from store.projections.base import CountsHint, HomeHint
from tests.realtime.rooms.town import ANN, BEN, CAT, DAN, Ear, Town, open_town


@dataclass
class Telling:
    """A town that listens. Ben and Cat follow Ann."""

    town: Town
    teller: HintTeller
    ears: dict[int, Ear] = field(default_factory=dict)

    async def come(self, *people: int) -> None:
        for user_id in people:
            self.ears[user_id] = Ear(user_id)
            await self.town.attach(self.ears[user_id])

    def home(self, user_id: int) -> list[HomeChanged]:
        found = [decode_server(data)[0].signal for _, data in self.ears[user_id].signals]
        return [one.home_changed for one in found if one.HasField("home_changed")]

    def counts(self, user_id: int) -> list[PostCounts]:
        found = [decode_server(data)[0].signal for _, data in self.ears[user_id].signals]
        return [one.post_counts for one in found if one.HasField("post_counts")]


@asynccontextmanager
async def telling(people: range = range(1, 5)) -> AsyncIterator[Telling]:
    town = await open_town(people)
    await town.do(
        *[SetFollow(follower_id=one, followee_id=ANN, following=True) for one in (BEN, CAT)]
    )
    teller = HintTeller(town.store, LiveSignals(town.hub))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(teller.run)
        try:
            yield Telling(town, teller)
        finally:
            town.store.release_all()
            nursery.cancel_scope.cancel()


async def test_followers_who_are_here_hear_of_a_post(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with telling() as kit:
        await kit.come(ANN, BEN, DAN)
        kit.teller.offer([HomeHint(author_id=ANN, post_id=50)])
        await trio.testing.wait_all_tasks_blocked()
        (told,) = kit.home(BEN)
        assert (told.newest_post_id, told.author_id) == (50, ANN)
        assert kit.home(DAN) == kit.home(ANN) == []


async def test_watchers_and_the_author_hear_of_counts(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with telling() as kit:
        await kit.come(ANN, BEN, CAT)
        kit.town.hub.watch_post(kit.ears[BEN], 0, 50)
        reads = len(kit.town.store.calls)
        kit.teller.offer([CountsHint(post_id=50, author_id=ANN, likes=4, comments=2)])
        await trio.testing.wait_all_tasks_blocked()
        for user_id in (ANN, BEN):
            (told,) = kit.counts(user_id)
            assert (told.post_id, told.likes, told.comments) == (50, 4, 2)
        assert kit.counts(CAT) == []
        assert len(kit.town.store.calls) == reads


async def test_a_later_hint_takes_the_place_of_one_that_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with telling() as kit:
        await kit.come(ANN, BEN)
        kit.town.store.hold("read")
        kit.teller.offer([HomeHint(author_id=DAN, post_id=1)])  # occupies the teller
        await kit.town.store.wait_held("read")
        for number in (50, 51, 52):
            kit.teller.offer([HomeHint(author_id=ANN, post_id=number)])
            kit.teller.offer([CountsHint(post_id=7, author_id=ANN, likes=number, comments=0)])
            kit.teller.offer([CountsHint(post_id=8, author_id=ANN, likes=number, comments=0)])
        kit.town.store.release("read")
        await trio.testing.wait_all_tasks_blocked()
        assert [one.newest_post_id for one in kit.home(BEN)] == [52]
        assert [(one.post_id, one.likes) for one in kit.counts(ANN)] == [(7, 52), (8, 52)]


async def test_followers_beyond_the_first_page_hear_of_it_too(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "CHUNK", 3)
    followers = range(10, 19)
    async with telling(range(1, 20)) as kit:
        await kit.town.do(
            *[SetFollow(follower_id=one, followee_id=ANN, following=True) for one in followers]
        )
        await kit.come(BEN, *followers)
        kit.teller.offer([HomeHint(author_id=ANN, post_id=50)])
        await trio.testing.wait_all_tasks_blocked()
        assert all(len(kit.home(one)) == 1 for one in (BEN, *followers))


async def test_hints_that_wait_are_bounded_and_the_oldest_go(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with telling() as kit:
        await kit.come(ANN)
        kit.town.store.hold("read")
        kit.teller.offer([HomeHint(author_id=DAN, post_id=1)])
        await kit.town.store.wait_held("read")
        kit.teller.offer(
            [
                CountsHint(post_id=number, author_id=ANN, likes=0, comments=0)
                for number in range(MAX_WAITING + 5)
            ]
        )
        kit.town.store.release("read")
        await trio.testing.wait_all_tasks_blocked()
        told = [one.post_id for one in kit.counts(ANN)]
        assert told == list(range(5, MAX_WAITING + 5))


async def test_a_store_that_is_away_costs_one_hint_and_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with telling() as kit:
            await kit.come(ANN, BEN)
            kit.town.store.fail("read", Unavailable("away"))
            kit.teller.offer([HomeHint(author_id=ANN, post_id=50)])
            kit.teller.offer([CountsHint(post_id=7, author_id=ANN, likes=1, comments=0)])
            await trio.testing.wait_all_tasks_blocked()
            assert kit.home(BEN) == []
            assert len(kit.counts(ANN)) == 1
            kit.teller.offer([HomeHint(author_id=ANN, post_id=51)])
            await trio.testing.wait_all_tasks_blocked()
            assert [one.newest_post_id for one in kit.home(BEN)] == [51]
    assert [entry["event"] for entry in logs] == ["hint dropped"]
