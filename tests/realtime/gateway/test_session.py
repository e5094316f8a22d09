"""One connection from its welcome to its end, where a session may go wrong."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from realtime.core import CoreLimits
from realtime.gateway.limits import GatewayLimits
from realtime.gateway.wheel import TICK
from realtime.push.cursors import decode_cursor
from rpc.errors import Close, Code, ProtocolError
from rpc.proto.frames_pb2 import (
    Ack,
    ClientFrame,
    Focus,
    Ping,
    PostCounts,
    Refresh,
    Signal,
)
from rpc.rates import Rate
from tests.realtime.gateway.hand import by_hand, call_frame, hello_frame, news, waiting
from tests.rpc.probe import Ask

DAY_MS = 24 * 3600 * 1000
PING = ClientFrame(ping=Ping(nonce=1))


async def test_a_ping_is_answered_with_the_time_and_where_the_client_stands(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        stranger, ann = await hands.hello(), await hands.user()
        await trio.sleep(3)
        for hand in (stranger, ann):
            hand.frames.clear()
            hand.ping(77)
            pong = (await hand.next("pong")).pong
            assert (pong.nonce, pong.server_time_ms) == (77, hands.core.clock.now_ms())
        assert (await ann.next("checkpoint")).checkpoint.cursor == hands.core.delivery.cursor()
        assert stranger.kinds() == []


async def test_checkpoints_follow_updates_at_their_interval(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The first at once, the others no closer than the interval, the last no later."""
    async with by_hand() as hands:
        ann = await hands.user()
        seen: list[tuple[float, int]] = []
        await trio.sleep(1)
        start = trio.current_time()
        for _ in range(20):
            await news(hands, ann.user_id)
            await trio.sleep(0.05)
            for frame in ann.frames:
                if frame.HasField("checkpoint"):
                    position = decode_cursor(frame.checkpoint.cursor).position
                    seen.append((trio.current_time() - start, position))
            ann.frames.clear()
        times, positions = zip(*seen, strict=True)
        assert 3 <= len(seen) <= 6
        assert times[0] <= 0.06
        assert list(positions) == sorted(set(positions))
        for _ in range(2):  # the second cannot be due at once
            await news(hands, ann.user_id)
        await trio.sleep(0.6)
        last = (await ann.next("checkpoint")).checkpoint.cursor
        assert decode_cursor(last).position == hands.core.delivery.position
        ann.frames.clear()
        await trio.sleep(60)
        assert ann.kinds() == []  # nothing new, no checkpoint


@pytest.mark.parametrize("kind", ["ping", "call", "focus"])
async def test_an_expired_session_ends_with_whatever_it_sends_next(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    frame = {
        "ping": PING,
        "call": call_frame(1, "Read"),
        "focus": ClientFrame(focus=Focus(background=True)),
    }[kind]
    async with by_hand() as hands:
        ann = await hands.user()
        ann.say(frame)
        await trio.sleep(1)
        now_ms = hands.core.clock.now_ms
        monkeypatch.setattr(hands.core.clock, "now_ms", lambda: now_ms() + 400 * DAY_MS)
        ann.frames.clear()
        ann.say(frame)
        assert (await ann.end())[0] == Close.UNAUTHENTICATED
        assert ann.kinds() == []


async def test_a_refresh_with_ones_own_token_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        ann.say(ClientFrame(refresh=Refresh(token=ann.token)), PING)
        assert await ann.next("pong")
        ann.call(1, "Read", Ask(count=2))
        assert (await ann.answer(1)).HasField("result")


@pytest.mark.parametrize("whose", ["nobody's", "another's"])
async def test_a_refresh_is_for_ones_own_session(
    autojump_clock: trio.testing.MockClock, whose: str
) -> None:
    async with by_hand() as hands:
        ann, bob = await hands.user("ann"), await hands.user("bob")
        ann.say(ClientFrame(refresh=Refresh(token="x" if whose == "nobody's" else bob.token)))
        assert (await ann.end())[0] == Close.UNAUTHENTICATED
        bob.ping()
        assert await bob.next("pong")


async def test_a_refresh_is_no_sign_in(autojump_clock: trio.testing.MockClock) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        stranger = await hands.hello()
        stranger.say(ClientFrame(refresh=Refresh(token=ann.token)))
        assert (await stranger.end())[0] == Close.UNAUTHENTICATED


async def test_many_refreshes_are_looked_at_one_by_one(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client may send a thousand in one message: the last of those that wait is enough."""
    async with by_hand() as hands:
        ann = await hands.user()
        authenticate = hands.core.gateway.node.authenticate
        at_once, most, looked = 0, 0, 0

        async def count(token: str) -> Any:
            nonlocal at_once, most, looked
            at_once, looked = at_once + 1, looked + 1
            most = max(most, at_once)
            await trio.sleep(1)
            at_once -= 1
            return await authenticate(token)

        node = hands.core.gateway.node
        object.__setattr__(node, "authenticate", count)
        refresh = ClientFrame(refresh=Refresh(token=ann.token))
        for _ in range(5):
            ann.say(*[refresh] * 1000)
            await trio.sleep(0.1)
        await trio.sleep(30)
        assert most == 1
        assert looked <= 2
        ann.say(*[refresh] * 10)
        await trio.sleep(0.1)
        ann.say(ClientFrame(refresh=Refresh(token="the last one counts")))
        assert (await ann.end())[0] == Close.UNAUTHENTICATED


async def test_an_open_post_is_watched_until_it_is_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        signals, hub = hands.core.local, hands.core.hub

        def told(post_id: int) -> None:
            counts = PostCounts(post_id=post_id, likes=1)
            signals.to_watchers(post_id, 0, Signal(post_counts=counts))

        ann.say(ClientFrame(focus=Focus(open_post=5)))
        await trio.sleep(1)
        told(5)
        told(6)
        signal = (await ann.next("signal")).signal
        assert signal.post_counts.post_id == 5
        ann.say(ClientFrame(focus=Focus(open_post=6)))
        await trio.sleep(1)
        told(5)
        told(6)
        assert (await ann.next("signal")).signal.post_counts.post_id == 6
        assert not list(hub.watchers(5))
        ann.break_off()
        await ann.end()
        assert not list(hub.watchers(6))


async def test_the_background_is_not_online(autojump_clock: trio.testing.MockClock) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        assert hands.core.hub.is_online(ann.user_id)
        ann.say(ClientFrame(focus=Focus(background=True)))
        await trio.sleep(1)
        assert not hands.core.hub.is_online(ann.user_id)
        ann.say(ClientFrame(focus=Focus()))
        await trio.sleep(1)
        assert hands.core.hub.is_online(ann.user_id)
        away = await hands.hello(ann.token, background=True)
        ann.break_off()
        await ann.end()
        assert not hands.core.hub.is_online(ann.user_id)
        assert not away.over.is_set()


async def test_silence_ends_a_session_and_any_frame_is_no_silence(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = CoreLimits(gateway=GatewayLimits(heartbeat=10))
    async with by_hand(limits) as hands:
        ann = await hands.user()
        for _ in range(5):
            await trio.sleep(24)
            ann.say(ClientFrame(ack=Ack(cursor=b"c")))
        start = trio.current_time()
        code, _ = await ann.end()
        assert code == Close.SLOW
        assert Close(code).may_reconnect
        assert trio.current_time() - start == pytest.approx(25, abs=TICK)


async def test_a_rule_broken_beneath_the_frames_closes_with_its_code(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        ann.break_rules(ProtocolError(Close.NOT_BINARY, "a text message"))
        assert await ann.end() == (Close.NOT_BINARY, "a text message")
        assert hands.sample("sunwire_closed_total", code=str(int(Close.NOT_BINARY))) == 1


async def test_who_does_not_drain_his_answers_is_not_listened_to(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = CoreLimits(
        gateway=GatewayLimits(outbox_max=2000, outbox_low=100, send_timeout=1e6, heartbeat=1e6)
    )
    async with by_hand(limits) as hands:
        ann = await hands.user()
        ann.stuck = True
        before = ann.received
        for nonce in range(1, 501):
            ann.ping(nonce)
        await trio.sleep(1000)
        (session,) = hands.core.hub.sessions_of(ann.user_id)
        taken = ann.received - before
        assert taken < 250
        assert session.outbox.size < 2200  # type: ignore[attr-defined]
        ann.unstick()
        await trio.sleep(1)
        nonces = [frame.pong.nonce for frame in ann.frames if frame.HasField("pong")]
        assert nonces == list(range(1, 501))


async def test_a_socket_that_stays_full_is_given_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        await trio.sleep(GatewayLimits().hello_timeout + 1)  # the next look is far away
        ann.stuck = True
        ann.ping()
        start = trio.current_time()
        with trio.fail_after(60):
            await ann.over.wait()
        limits = GatewayLimits()
        assert ann.aborted
        assert trio.current_time() - start == pytest.approx(limits.send_timeout, abs=TICK)
        assert hands.sample("sunwire_closed_total", code=str(int(Close.SLOW))) == 1
        assert not hands.core.hub.sessions_of(ann.user_id)


async def test_a_close_handshake_has_its_time_and_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        ann.stuck_close = True
        start = trio.current_time()
        ann.say(hello_frame())
        assert (await ann.end())[0] == Close.BAD_FRAME
        assert trio.current_time() - start == pytest.approx(GatewayLimits().close_timeout, abs=TICK)


async def test_what_was_queued_is_written_before_the_close(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        ann.say(PING, PING, hello_frame())
        await ann.end()
        assert ann.kinds().count("pong") == 2


async def test_a_session_leaves_nothing_behind(autojump_clock: trio.testing.MockClock) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        hands.probe.behave = waiting(trio.Event())
        ann.say(ClientFrame(focus=Focus(open_post=5)), call_frame(1, "Read"))
        await news(hands, ann.user_id)
        await news(hands, ann.user_id)
        ann.break_off()
        await ann.end()
        assert hands.core.hub.statistics() == {"users": 0, "sessions": 0, "rooms": 0}
        assert not hands.core.gateway.node.dirty
        assert hands.core.gateway.sessions.inside == 0
        assert hands.sample("sunwire_connections") == 0


async def test_a_flood_is_not_held_against_the_next_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = CoreLimits(gateway=GatewayLimits(frame_rate=Rate(per_second=0.001, burst=11)))
    async with by_hand(limits) as hands:
        for _ in range(3):
            hand = await hands.hello()
            hand.say(*[PING] * 10)  # all that it may, after the hello
            assert await hand.next("pong")
            hand.say(PING)
            assert (await hand.end())[0] == Close.FLOODING


async def test_a_sign_in_on_a_connection_that_has_one_is_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        ann, bob = await hands.user("ann"), await hands.user("bob")
        (session,) = hands.core.hub.sessions_of(ann.user_id)
        with pytest.raises(Exception, match="CONFLICT") as caught:
            await session.signed_in(bob.user_id, 1)  # type: ignore[attr-defined]
        assert caught.value.code == Code.CONFLICT  # type: ignore[attr-defined]
        assert session.user_id == ann.user_id
