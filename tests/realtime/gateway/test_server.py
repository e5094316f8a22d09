"""Who is let in, and how everybody is sent away."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
import trio
import trio.testing

from realtime.core import CoreLimits
from realtime.gateway.limits import GatewayLimits
from realtime.testing import open_test_server
from rpc.context import CallContext
from tests.realtime.gateway.hand import Hands, by_hand, waiting
from tests.rpc.probe import Ask, Told


def limited(**fields: Any) -> CoreLimits:
    return CoreLimits(gateway=GatewayLimits(**fields))


async def is_open(stream: Any) -> bool:
    """Whether the server has kept the connection, of which nothing has been said."""
    with trio.move_on_after(1) as scope:
        try:
            assert await stream.receive_some(1) == b""
        except trio.BrokenResourceError:
            return False
    return scope.cancelled_caught


@pytest.mark.parametrize("bound", ["max_connections", "max_connections_per_address"])
async def test_connections_are_bounded_before_they_have_said_a_word(
    autojump_clock: trio.testing.MockClock, bound: str
) -> None:
    async with open_test_server(limits=limited(**{bound: 2})) as server:
        client = await server.connect()
        assert await is_open(server.stream())
        assert not await is_open(server.stream())
        await client.disconnect()
        await trio.testing.wait_all_tasks_blocked()
        client = await server.connect()  # there is room again, for one
        assert not await is_open(server.stream())


async def test_who_does_not_shake_hands_gives_his_place_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server(limits=limited(max_connections=1)) as server:
        assert await is_open(server.stream())
        await trio.sleep(GatewayLimits().handshake_timeout)
        assert await is_open(server.stream())


async def drained(hands: Hands, grace: float) -> float:
    """How long it takes to send everyone away (seconds)."""
    start = trio.current_time()
    await hands.core.gateway.drain(grace)
    return trio.current_time() - start


async def test_idle_clients_are_sent_away_at_once_with_times_to_return(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        everyone = [await hands.hello() for _ in range(30)]
        assert await drained(hands, 10) < 1
        times = []
        for hand in everyone:
            assert await hand.end() == (1001, "restarting")
            times.append((await hand.next("go_away")).go_away.reconnect_after_ms)
        assert hands.core.gateway.sessions.inside == 0
        assert all(100 <= time < 5200 for time in times)
        assert len(set(times)) > 20  # spread, not all at once


async def test_a_call_in_flight_holds_the_drain_until_it_is_answered(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def slow(_: CallContext, __: Ask) -> Told:
        await trio.sleep(4)
        return Told(number=4)

    async with by_hand() as hands:
        hand = await hands.hello()
        hands.probe.behave = slow
        hand.call(1, "Open")
        await trio.sleep(1)
        assert 3 <= await drained(hands, 10) < 3.5
        assert (await hand.answer(1)).HasField("result")


async def test_a_call_that_does_not_end_does_not_hold_the_drain_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        hand = await hands.hello()
        hands.probe.behave = waiting(trio.Event())
        hand.call(1, "Open", timeout_ms=60_000)
        hand.stuck_close = True
        await trio.sleep(1)
        assert await drained(hands, 10) <= 10


async def test_nobody_is_let_in_while_the_server_drains(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        assert await is_open(server.stream())
        await server.core.gateway.drain(1)
        assert not await is_open(server.stream())


async def test_a_fault_of_ours_ends_one_connection(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError("a bug")

    async with open_test_server() as server:
        witness, victim = await server.sign_up("ann"), await server.connect()
        with structlog.testing.capture_logs() as logs, monkeypatch.context() as patch:
            patch.setattr(server.core.gateway.node.dispatcher, "prepare", fault)
            with pytest.raises(Exception, match=r"."):
                await victim.call("Auth.RequestCode", address="x@example.org")
            await victim.expect_closed()
        assert [entry["log_level"] for entry in logs] == ["error"]
        assert (await witness.call("Users.GetMe")).user.id == witness.user_id
