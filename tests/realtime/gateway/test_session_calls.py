"""Many calls on one connection: each is answered once, by its number, in any order."""

from __future__ import annotations

from typing import Any

import structlog
import trio
import trio.testing

from realtime.core import CoreLimits
from realtime.gateway.limits import GatewayLimits
from rpc.context import CallContext
from rpc.errors import Code
from rpc.proto.frames_pb2 import Cancel, ClientFrame, ServerFrame
from tests.realtime.gateway.hand import Hand, by_hand, call_frame, waiting
from tests.rpc.probe import Ask, Told

KEY = b"k" * 16


def number(frame: ServerFrame) -> int:
    assert frame.WhichOneof("frame") == "result", frame
    return Told.FromString(frame.result.payload).number


async def code(hand: Hand, call_id: int) -> Any:
    frame = await hand.answer(call_id)
    assert frame.WhichOneof("frame") == "failure", frame
    return frame.failure.code


async def test_answers_come_when_they_are_ready(autojump_clock: trio.testing.MockClock) -> None:
    async def slow(_: CallContext, request: Ask) -> Told:
        await trio.sleep(request.count)
        return Told(number=request.count)

    async with by_hand() as hands:
        hand = await hands.user()
        hands.probe.behave = slow
        hand.say(*(call_frame(10 - seconds, "Read", Ask(count=seconds)) for seconds in (5, 3, 4)))
        await trio.sleep(10)
        results = [frame.result for frame in hand.frames if frame.HasField("result")]
        assert [result.id for result in results] == [7, 6, 5]


async def test_a_number_in_flight_is_refused_and_the_first_call_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        hand = await hands.user()
        hands.probe.behave = waiting(opened := trio.Event())
        hand.say(call_frame(1, "Read", Ask(count=4)), call_frame(1, "Read", Ask(count=5)))
        failure = (await hand.next("failure")).failure
        assert (failure.id, failure.code, failure.retryable) == (1, Code.DUPLICATE_CALL_ID, False)
        opened.set()
        assert number(await hand.next("result")) == 4
        await trio.sleep(1)
        assert "result" not in hand.kinds()
        hand.call(1, "Read", Ask(count=3))  # free again
        assert number(await hand.answer(1)) == 3


async def test_calls_in_flight_are_bounded_for_each_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = CoreLimits(gateway=GatewayLimits(max_calls=3))
    async with by_hand(limits) as hands:
        ann, bob = await hands.user("ann"), await hands.user("bob")
        hands.probe.behave = waiting(opened := trio.Event())
        ann.say(*(call_frame(call_id, "Read") for call_id in (1, 2, 3, 4)))
        failure = (await ann.answer(4)).failure
        assert (failure.code, failure.retry_after_ms) == (Code.TOO_MANY_CALLS, 50)
        assert failure.retryable
        bob.call(1, "Read")
        await trio.sleep(1)
        assert "failure" not in bob.kinds()
        ann.cancel(2)
        assert await code(ann, 2) == Code.CANCELLED
        ann.call(5, "Read", Ask(count=5))
        opened.set()
        assert number(await ann.answer(5)) == 5
        for call_id in (1, 3):
            assert number(await ann.answer(call_id)) == 0


async def test_a_cancel_ends_its_call_alone(autojump_clock: trio.testing.MockClock) -> None:
    async with by_hand() as hands:
        hand = await hands.user()
        hands.probe.behave = waiting(opened := trio.Event())
        hand.say(call_frame(1, "Read", Ask(count=1)), call_frame(2, "Read", Ask(count=2)))
        await trio.sleep(1)
        hand.cancel(1)
        assert await code(hand, 1) == Code.CANCELLED
        opened.set()
        assert number(await hand.answer(2)) == 2


async def test_a_cancel_in_the_message_of_its_call(autojump_clock: trio.testing.MockClock) -> None:
    async with by_hand() as hands:
        hand = await hands.user()
        hands.probe.behave = waiting(trio.Event())
        hand.say(call_frame(1, "Read"), ClientFrame(cancel=Cancel(id=1)))
        assert await code(hand, 1) == Code.CANCELLED


async def test_a_cancel_of_nothing_is_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with by_hand() as hands:
        hand = await hands.user()
        hand.cancel(99)
        hand.call(1, "Read", Ask(count=1))
        assert number(await hand.answer(1)) == 1
        hand.cancel(1)  # answered already
        hand.call(1, "Read", Ask(count=2))
        assert number(await hand.answer(1)) == 2
        hand.call(2, "Peek", Ask(count=3))  # over when the cancel is read
        hand.cancel(2)
        assert number(await hand.answer(2)) == 3
        assert "failure" not in hand.kinds()


async def test_a_refused_call_holds_up_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with by_hand() as hands:
        hand = await hands.user()
        hand.say(
            call_frame(1, "Nothing"),
            call_frame(2, "Read", Ask(text="x")),
            call_frame(3, "Write", op_key=b"short"),
            call_frame(4, "Read", Ask(count=4)),
            call_frame(5, "Peek", Ask(count=5)),
            call_frame(1, "Read", Ask(count=1)),
        )
        assert number(await hand.answer(5)) == 5
        assert number(await hand.answer(4)) == 4
        assert await code(hand, 3) == await code(hand, 2) == Code.INVALID_ARGUMENT
        assert await code(hand, 1) == Code.UNKNOWN_METHOD
        assert number(await hand.answer(1)) == 1  # its number had not been taken


async def test_a_crash_is_the_affair_of_its_call(autojump_clock: trio.testing.MockClock) -> None:
    async def crash(_: CallContext, request: Ask) -> Told:
        if request.count:
            raise RuntimeError("swordfish")
        await trio.sleep(1)
        return Told(number=8)

    async with by_hand() as hands:
        hand = await hands.user()
        hands.probe.behave = crash
        with structlog.testing.capture_logs() as logs:
            hand.say(call_frame(1, "Read"), call_frame(2, "Read", Ask(count=1)))
            assert await code(hand, 2) == Code.INTERNAL
            assert number(await hand.answer(1)) == 8
        assert len(logs) == 1
        hand.call(3, "Peek")
        assert number(await hand.answer(3)) == 0


async def test_the_end_of_a_connection_ends_its_calls(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ended: list[int] = []

    async def behave(_: CallContext, request: Ask) -> Told:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(request.count)
        raise AssertionError

    async with by_hand() as hands:
        hand = await hands.user()
        hands.probe.behave = behave
        hand.say(call_frame(1, "Read", Ask(count=1)), call_frame(2, "Read", Ask(count=2)))
        await trio.sleep(1)
        hand.break_off()
        await hand.end()
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(ended) == [1, 2]


async def test_while_the_server_drains_calls_finish_and_none_begins(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand() as hands:
        hand = await hands.user()
        hands.probe.behave = waiting(opened := trio.Event())
        hand.call(1, "Read", Ask(count=1))
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hands.core.gateway.drain, 10.0)
            assert (await hand.next("go_away")).go_away.reason == "restarting"
            hand.call(2, "Read")
            failure = (await hand.answer(2)).failure
            assert (failure.code, failure.retry_after_ms) == (Code.UNAVAILABLE, 1000)
            hand.call(3, "Peek")
            assert await code(hand, 3) == Code.UNAVAILABLE
            opened.set()
            assert number(await hand.answer(1)) == 1
        assert await hand.end() == (1001, "restarting")
