"""The hello of a connection: what it may ask for, and what it is answered."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
import trio
import trio.testing

from realtime.core import CoreLimits
from realtime.gateway.limits import GatewayLimits
from realtime.push.cursors import Cursor, decode_cursor, encode_cursor
from rpc.errors import Close
from rpc.proto.frames_pb2 import ClientFrame, Ping, Resync
from rpc.rates import Rate
from store.errors import Unavailable
from tests.contracts.statements import run
from tests.realtime.gateway.hand import by_hand, call_frame, hello_frame, news
from tests.rpc.probe import Ask, Told
from tests.store.notes import Note

PING = ClientFrame(ping=Ping(nonce=1))


async def test_the_welcome_says_what_a_client_may_do(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = CoreLimits(gateway=GatewayLimits(heartbeat=7, max_message=1000, max_calls=5))
    async with by_hand(limits) as hands:
        hand = hands.open()
        hand.say(hello_frame())
        welcome = (await hand.next("welcome")).welcome
        assert (welcome.user_id, welcome.session_id) == (0, 0)
        assert (welcome.heartbeat_ms, welcome.max_message_bytes, welcome.max_calls) == (
            7000,
            1000,
            5,
        )
        assert welcome.server.startswith("sunwire/")
        assert welcome.server_time_ms == hands.core.clock.now_ms()
        assert decode_cursor(welcome.cursor).position == hands.core.delivery.position


async def test_frames_may_come_with_the_hello(autojump_clock: trio.testing.MockClock) -> None:
    async with by_hand() as hands:
        hand = hands.open()
        hand.say(hello_frame(), call_frame(1, "Open", Ask(count=4)), PING)
        assert (await hand.next("pong")).pong.nonce == 1
        frame = await hand.answer(1)
        assert Told.FromString(frame.result.payload).number == 4


@pytest.mark.parametrize(
    "fields",
    [{"device_id": b"d" * 17}, {"device": "d" * 101}, {"client": "c" * 101}],
    ids=lambda fields: next(iter(fields)),
)
async def test_a_hello_has_bounds(
    autojump_clock: trio.testing.MockClock, fields: dict[str, Any]
) -> None:
    async with by_hand() as hands:
        hand = hands.open()
        hand.say(hello_frame(**fields))
        assert (await hand.end())[0] == Close.BAD_FRAME
        largest = {name: value[:-1] for name, value in fields.items()}
        await hands.hello(**largest)


async def test_who_arrives_in_a_crowd_is_told_when_to_come_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = CoreLimits(gateway=GatewayLimits(hello_rate=Rate(per_second=2, burst=2)))
    async with by_hand(limits) as hands:
        await hands.hello()
        await hands.hello()
        late = hands.open()
        late.say(hello_frame())
        away = (await late.next("go_away")).go_away
        assert (away.reason, away.reconnect_after_ms) == ("busy", 1000)
        code, _ = await late.end()
        assert code == Close.OVERLOADED
        assert Close(code).may_reconnect
        await trio.sleep(away.reconnect_after_ms / 1000)
        await hands.hello()


async def test_a_cursor_that_cannot_be_resumed_is_answered_with_the_reason(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        here = hands.core.delivery
        await hands.core.store.write(run, "UPDATE log_head SET floor = 1")
        good = encode_cursor(Cursor(here.epoch, here.position))
        cases = [
            (Resync.MALFORMED, b"garbage"),
            (Resync.MALFORMED, b"\x00" + good[1:]),  # of another version
            (Resync.MALFORMED, encode_cursor(Cursor(here.epoch, here.position, (1,)))),
            (Resync.OTHER_EPOCH, encode_cursor(Cursor(here.epoch + 1, here.position))),
            (Resync.PAST_HEAD, encode_cursor(Cursor(here.epoch, here.position + 99))),
            (Resync.TOO_OLD, encode_cursor(Cursor(here.epoch, 0))),
        ]
        for reason, cursor in cases:
            hand = await hands.hello(ann.token, cursor=cursor)
            resync = (await hand.next("resync")).resync
            assert (resync.reason, resync.cursor) == (reason, here.cursor())
            await news(hands, ann.user_id)
            assert await hand.next("update")
            hand.break_off()
            await hand.end()
        assert hands.sample("sunwire_resyncs_total") == len(cases)


async def test_a_cursor_of_a_quicker_process_is_met_and_resumed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Another process has delivered what this one has not come to yet."""
    async with by_hand() as hands:
        ann = await hands.user()
        core = hands.core
        note = Note(user_id=ann.user_id, subject=ann.user_id)
        batches = [await core.store.commit([note], 0) for _ in range(3)]
        ahead = Cursor(core.delivery.epoch, batches[1].head.position)
        hand = hands.open()
        hand.say(hello_frame(ann.token, cursor=encode_cursor(ahead)))
        await trio.testing.wait_all_tasks_blocked()
        for batch in batches:
            core.delivery.offer(batch.entries)
        await hand.next("caught_up")
        assert hands.sample("sunwire_resyncs_total") == 0
        assert (await hand.next("update")).update.position == batches[2].head.position
        assert "update" not in hand.kinds()


async def test_a_store_that_is_away_at_the_hello_is_no_reason_to_stay_away(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise Unavailable("for a moment")

    async with by_hand() as hands:
        ann = await hands.user()
        with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
            patch.setattr(hands.core.store, "read", fail)
            hand = hands.open()
            hand.say(hello_frame(ann.token))
            code, reason = await hand.end()
        assert (code, reason) == (Close.OVERLOADED, "the store is not available")
        assert [entry["log_level"] for entry in logs] == ["warning"]
        await hands.hello(ann.token)


async def test_a_store_that_is_away_during_a_catch_up_ends_it_resumably(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with by_hand() as hands:
        ann = await hands.user()
        cursor = hands.core.delivery.cursor()
        await news(hands, ann.user_id)
        read = hands.core.store.read

        async def fail(query: Any, *arguments: Any) -> Any:
            if query.__name__ == "missed_and_newest":
                raise Unavailable("for a moment")
            return await read(query, *arguments)

        with monkeypatch.context() as patch, structlog.testing.capture_logs():
            patch.setattr(hands.core.store, "read", fail)
            hand = await hands.hello(ann.token, cursor=cursor)
            code, _ = await hand.end()
        assert code == Close.OVERLOADED
        again = await hands.hello(ann.token, cursor=cursor)
        assert await again.next("update")
