"""What waits for one socket: bounded, in order, each kind by its own policy."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime.gateway.limits import GatewayLimits
from realtime.gateway.outbox import LAGGING, Mode, Outbox

LIMITS = GatewayLimits(outbox_high=100, outbox_low=40, hold_max=50, max_signals=3)


def outbox(mode: Mode = Mode.LIVE) -> Outbox:
    made = Outbox(LIMITS, lambda: None)
    made.mode = mode
    return made


def frames(count: int, size: int = 10) -> list[bytes]:
    return [bytes([65 + number]) * size for number in range(count)]


def test_what_is_queued_leaves_in_its_order_as_one_message() -> None:
    box = outbox()
    box.answer(b"a")
    box.update(b"u", 5)
    box.answer(b"b")
    box.signal(("typing",), b"s")
    box.update(b"v", 6)
    assert box.size == 4
    assert b"".join(box.take()) == b"aubvs"  # signals last
    assert (b"".join(box.take()), box.size) == (b"", 0)


def test_a_single_frame_is_not_copied() -> None:
    box, data = outbox(), b"x" * 1000
    box.answer(data)
    assert box.take()[0] is data


def test_a_new_session_has_answers_and_nothing_else() -> None:
    box = Outbox(LIMITS, lambda: None)
    assert box.mode is Mode.OPEN
    box.update(b"u", 1)
    box.signal(("typing",), b"s")
    box.signal((), b"broadcast")
    assert b"".join(box.take()) == b""
    box.answer(b"a")
    assert b"".join(box.take()) == b"a"


def test_updates_are_queued_up_to_the_high_mark_and_no_further() -> None:
    box = outbox()
    for position, data in enumerate(frames(10), 1):
        box.update(data, position)
    assert (box.mode, box.size, box.updates) == (Mode.LIVE, 100, 10)
    box.update(b"!", 11)
    assert (box.mode, box.missed_from, box.updates) == (Mode.LAGGING, 10, 10)
    assert b"".join(box.take()) == b"".join(frames(10)) + LAGGING


def test_lag_is_told_once_and_remembers_where_it_began() -> None:
    box = outbox()
    box.answer(b"x" * 100)
    for position in range(7, 12):
        box.update(b"u", position)
    b"".join(box.take())
    box.update(b"u", 12)  # there is room again, but what came between is missing
    assert b"".join(box.take()) == b""
    assert (box.mode, box.missed_from) == (Mode.LAGGING, 6)


def test_one_update_larger_than_the_mark_lags_by_itself() -> None:
    box = outbox()
    box.update(b"u" * 101, 3)
    assert (box.mode, box.missed_from, b"".join(box.take())) == (Mode.LAGGING, 2, LAGGING)


def test_answers_are_taken_in_every_mode_and_beyond_every_mark() -> None:
    for mode in Mode:
        box = outbox(mode)
        for data in frames(30):
            box.answer(data)
        assert box.size == 300
        assert b"".join(box.take()) == b"".join(frames(30))
        assert box.mode is mode


def test_answers_count_towards_the_mark_of_the_updates() -> None:
    box = outbox()
    box.answer(b"a" * 95)
    box.update(b"u" * 5, 1)
    assert (box.mode, box.size) == (Mode.LIVE, 100)
    box.update(b"u", 2)
    assert (box.mode, box.missed_from) == (Mode.LAGGING, 1)


def test_a_later_signal_takes_the_place_of_an_earlier_with_its_key() -> None:
    box = outbox()
    box.signal(("typing", 1), b"one")
    box.signal(("typing", 2), b"two")
    box.signal(("typing", 1), b"ONE")
    assert b"".join(box.take()) == b"ONEtwo"
    assert b"".join(box.take()) == b""


def test_signals_past_their_number_are_dropped_but_may_still_be_replaced() -> None:
    box = outbox()
    for number in range(5):
        box.signal(("typing", number), b"%d" % number)
    box.signal(("typing", 1), b"one")
    assert b"".join(box.take()) == b"0one2"
    box.signal(("typing", 4), b"4")
    assert b"".join(box.take()) == b"4"


def test_signals_without_a_key_queue_up_to_the_high_mark() -> None:
    box = outbox()
    box.signal((), b"s" * 60)
    box.signal((), b"t" * 40)
    box.signal((), b"u")
    assert b"".join(box.take()) == b"s" * 60 + b"t" * 40
    assert box.mode is Mode.LIVE


@pytest.mark.parametrize("mode", [Mode.OPEN, Mode.LAGGING, Mode.CATCHING_UP])
def test_signals_are_for_live_sessions(mode: Mode) -> None:
    box = outbox(mode)
    box.signal(("typing",), b"s")
    box.signal((), b"s")
    assert b"".join(box.take()) == b""


def test_what_is_held_follows_the_catch_up_from_its_end_on() -> None:
    box = outbox(Mode.LAGGING)
    box.update(b"dropped", 4)
    box.hold()
    for position in (5, 6, 7):
        box.update(b"%d" % position, position)
    assert (box.mode, box.size, box.updates) == (Mode.CATCHING_UP, 0, 0)
    box.answer(b"caught up to 5;")
    assert box.release(5)
    box.update(b"8", 8)
    assert b"".join(box.take()) == b"caught up to 5;678"
    assert (box.mode, box.updates) == (Mode.LIVE, 3)


def test_too_much_to_hold_asks_for_another_round() -> None:
    box = outbox()
    box.hold()
    for position, data in enumerate(frames(5), 1):
        box.update(data, position)  # fifty bytes, which is the limit
    assert box.release(0)
    assert len(b"".join(box.take())) == 50
    box.hold()
    for position, data in enumerate(frames(6), 6):
        box.update(data, position)
    assert not box.release(5)
    assert box.mode is Mode.CATCHING_UP
    box.update(b"small", 12)  # not even that: what is held must have no hole
    assert not box.release(5)
    box.hold()
    box.update(b"next", 13)
    assert box.release(12)
    assert b"".join(box.take()) == b"next"


def test_what_is_held_is_forgotten_with_it() -> None:
    """An overflow gives its memory back, and a release leaves nothing for the next."""
    box = outbox()
    box.hold()
    box.update(b"a" * 30, 1)
    box.update(b"b" * 30, 2)
    box.update(b"b", 3)
    assert not box._held
    box.hold()
    box.update(b"c", 3)
    box.release(2)
    box.hold()
    assert box.release(2)
    assert b"".join(box.take()) == b"c"


def test_nothing_is_queued_in_a_closed_outbox_and_what_waits_may_be_taken() -> None:
    box = outbox()
    box.answer(b"last")
    box.close()
    box.answer(b"a")
    box.update(b"u", 1)
    box.signal(("typing",), b"s")
    box.signal((), b"s")
    assert (b"".join(box.take()), box.size) == (b"last", 0)
    assert b"".join(box.take()) == b""


def test_the_socket_is_woken_when_something_comes_to_wait_and_not_again() -> None:
    wakes: list[bool] = []
    box = Outbox(LIMITS, lambda: wakes.append(box.waits))
    box.mode = Mode.LIVE
    assert not box.waits
    box.answer(b"a")
    box.update(b"u", 1)
    assert wakes == [True]  # by then there is something to take
    box.take()
    assert not box.waits
    box.update(b"v", 2)
    assert wakes == [True] * 2
    box.take()
    box.signal(("typing",), b"s")
    assert wakes == [True] * 3
    box.take()
    box.signal((), b"s")
    assert wakes == [True] * 4


def test_nothing_to_send_is_nothing_queued() -> None:
    """A pointer whose row is gone leaves nothing to say."""
    wakes: list[bool] = []
    box = Outbox(LIMITS, lambda: wakes.append(True))
    box.mode = Mode.LIVE
    box.update(b"", 1)
    box.answer(b"")
    box.hold()
    box.update(b"", 2)
    box.release(1)
    box.signal((), b"")
    assert not box.waits
    assert not wakes
    assert box.updates == 0


async def drained(box: Outbox) -> bool:
    with trio.move_on_after(1) as scope:
        await box.wait_drained()
    return not scope.cancelled_caught


async def test_drained_is_at_the_low_mark_and_sent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = outbox()
    box.answer(b"x" * 40)
    assert await drained(box)
    box.answer(b"x")
    assert not await drained(box)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.wait_drained)
        await trio.testing.wait_all_tasks_blocked()
        b"".join(box.take())
        box.answer(b"y" * 41)
        box.sent()  # what came meanwhile is too much as well
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        b"".join(box.take())
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks  # taken, not sent
        box.sent()


@pytest.mark.parametrize("how", ["sent", "closed"])
async def test_everyone_who_waits_for_the_drain_hears_of_it(
    autojump_clock: trio.testing.MockClock, how: str
) -> None:
    """A catch-up between two slices, and the reader of a client that does not drain."""
    box = outbox()
    box.answer(b"x" * 200)
    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(box.wait_drained)
                await trio.testing.wait_all_tasks_blocked()
            if how == "sent":
                b"".join(box.take())
                box.sent()
            else:
                box.close()
