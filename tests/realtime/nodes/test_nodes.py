"""What nodes tell each other: hints at commits, signals, and that they are there."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime.link.messages import Reached, Relay
from realtime.nodes import outbox
from realtime.nodes.messages import CODEC, Seal
from store.projections.base import CountsHint, HomeHint
from tests.realtime.nodes.air import KEY, a_world


async def settled() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_the_others_hear_of_commits_and_of_many_at_once_the_last(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world() as world:
        one, two, three = [await world.open() for _ in range(3)]
        one.nodes.committed(5)
        await settled()
        for position in (6, 7, 9, 8):
            one.nodes.committed(position)
        await settled()
        assert (one.hints, two.hints, three.hints) == ([], [5, 9], [5, 9])
        assert (one.nodes._outbox.hints, two.nodes.hints_heard) == (2, 2)


async def test_hints_are_expected_while_there_is_a_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world() as world:
        one, two = await world.open(), await world.open()
        world.air.turn(up=False)
        await settled()
        one.nodes.committed(5)
        await trio.sleep(60)
        world.air.turn(up=True)
        await settled()
        assert one.come == two.come == [True, False, True]
        assert two.hints == [], "it asks by itself how far the log reaches"
        one.nodes.committed(6)
        await settled()
        assert two.hints == [6]


async def test_signals_and_news_reach_all_others_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world() as world:
        one, two, three = [await world.open() for _ in range(3)]
        relay = Relay(7, [], 3, ["typing", 7, 3], b"typing")
        one.nodes.relay(7, (), 3, ("typing", 7, 3), b"typing")
        one.nodes.pass_on(CODEC.encode(relay)[5:])
        news: list[HomeHint | CountsHint] = [
            HomeHint(author_id=1, post_id=2),
            CountsHint(post_id=1, author_id=2, likes=3, comments=4),
        ]
        one.nodes.hint(news)
        await settled()
        for place in (two, three):
            assert place.relays == [relay, relay]
            assert place.news == news
        assert (one.relays, one.news) == ([], [])


async def test_what_waits_is_bounded_and_goes_out_joined(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST", 10_000)
    monkeypatch.setattr(outbox, "PIECE", 4_000)
    async with a_world() as world:
        one, two = await world.open(), await world.open()
        before = world.air.said
        for number in range(20):
            one.nodes.relay(7, (), 0, (), b"%04d" % number + bytes(996))
        one.nodes.committed(3)
        await settled()
        assert [relay.data[:4] for relay in two.relays] == [b"%04d" % at for at in range(9)]
        assert one.nodes._outbox.dropped == 11
        assert world.air.said - before == 3
        assert two.hints == [3], "a hint waits for nothing"


async def test_signals_are_dropped_while_there_is_no_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world() as world:
        one, two = await world.open(), await world.open()
        world.air.turn(up=False)
        await settled()
        one.nodes.relay(7, (), 0, (), b"lost")
        world.air.turn(up=True)
        await settled()
        one.nodes.relay(7, (), 0, (), b"comes")
        await settled()
        assert [relay.data for relay in two.relays] == [b"comes"]


async def test_what_no_node_has_said_is_counted_and_does_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world() as world:
        one = await world.open()
        forged = Seal(b"q" * 32).close(b"somebody", CODEC.encode(Reached(10)))
        broken = Seal(KEY).close(b"somebody", CODEC.encode(Reached(10)) + b"\x00")
        for message in (b"", b"garbage", forged, broken):
            world.air.say(message)
        assert (one.hints, one.nodes.refused) == ([], 4)
        world.air.say(Seal(KEY).close(b"somebody", CODEC.encode(Reached(10))))
        assert (one.hints, one.nodes.refused) == ([10], 4)


async def test_databases_do_not_hear_each_other(autojump_clock: trio.testing.MockClock) -> None:
    """Even on one channel."""
    async with a_world() as world:
        one, other = await world.open(), await world.open(key=b"q" * 32)
        one.nodes.committed(5)
        await settled()
        assert other.hints == []
        assert other.nodes.refused
