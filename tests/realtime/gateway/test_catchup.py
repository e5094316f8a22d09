"""From any cursor to the live updates: everything once, in order, in bounded pieces."""

from __future__ import annotations

import trio
import trio.testing

from realtime.core import CoreLimits
from realtime.gateway.limits import GatewayLimits
from realtime.push.cursors import decode_cursor
from rpc.rates import Rate
from store.queries.resume import missed_and_newest
from tests.realtime.gateway.hand import Hand, Hands, by_hand
from tests.store.gated import GatedStore, open_gated
from tests.store.notes import Note


async def notes(hands: Hands, user_id: int, count: int) -> list[int]:
    """Commits entries for the user; their positions, when they have been delivered."""
    positions = []
    for _ in range(count):
        note = Note(user_id=user_id, subject=user_id)
        positions.append(await hands.core.batcher.submit(note).wait())
    await hands.core.delivery.wait_for(positions[-1])
    return positions


async def away(hands: Hands) -> tuple[Hand, bytes]:
    """A user who is not connected, and his cursor."""
    ann = await hands.user()
    cursor = hands.core.delivery.cursor()
    ann.break_off()
    await ann.end()
    return ann, cursor


def updates(hand: Hand) -> list[int]:
    return [frame.update.position for frame in hand.frames if frame.HasField("update")]


def checkpoints(hand: Hand) -> list[int]:
    return [
        decode_cursor(frame.checkpoint.cursor).position
        for frame in hand.frames
        if frame.HasField("checkpoint")
    ]


def limited(**fields: object) -> CoreLimits:
    return CoreLimits(gateway=GatewayLimits(**fields))  # type: ignore[arg-type]


async def test_what_was_missed_comes_in_slices_each_with_its_checkpoint(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with by_hand(limited(slice_entries=3)) as hands:
        ann, cursor = await away(hands)
        missed = await notes(hands, ann.user_id, 8)
        back = await hands.hello(ann.token, cursor=cursor)
        await back.next("caught_up")
        assert updates(back) == missed
        assert checkpoints(back) == [missed[2], missed[5], missed[7]]
        kinds = [kind for kind in back.kinds() if kind in ("update", "checkpoint")]
        slice_ = ["update"] * 3 + ["checkpoint"]
        assert kinds == slice_ + slice_ + slice_[1:]


async def test_nothing_missed_is_caught_up_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with by_hand() as hands:
        ann, cursor = await away(hands)
        back = await hands.hello(ann.token, cursor=cursor)
        await back.next("caught_up")
        assert updates(back) == []
        (position,) = await notes(hands, ann.user_id, 1)
        await back.next("update")
        assert position == hands.core.delivery.position


async def held(store: GatedStore, hands: Hands, ann: Hand, cursor: bytes) -> Hand:
    """A session whose catch-up has read a slice and not taken it in."""
    store.hold_when(missed_and_newest, "seen")
    back = await hands.hello(ann.token, cursor=cursor)
    await store.wait_held("seen")
    return back


async def test_what_comes_during_the_catch_up_follows_it_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = await open_gated()
    async with by_hand(store=store) as hands:
        ann, cursor = await away(hands)
        missed = await notes(hands, ann.user_id, 3)
        back = await held(store, hands, ann, cursor)
        meanwhile = await notes(hands, ann.user_id, 4)
        assert updates(back) == []  # not before what was missed
        store.release("seen")
        await back.next("caught_up")
        after = await notes(hands, ann.user_id, 2)
        await trio.sleep(1)
        assert updates(back) == missed + meanwhile + after
        seen = checkpoints(back)
        assert seen == sorted(seen)
        assert seen[-1] == after[-1]


async def test_more_than_can_be_held_takes_another_round(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = await open_gated()
    async with by_hand(limited(hold_max=100, slice_entries=4), store) as hands:
        ann, cursor = await away(hands)
        missed = await notes(hands, ann.user_id, 3)
        back = await held(store, hands, ann, cursor)
        meanwhile = await notes(hands, ann.user_id, 30)
        store.release("seen")
        await back.next("caught_up")
        assert updates(back) == missed + meanwhile
        assert back.kinds().count("caught_up") == 0  # one for all the rounds


async def test_the_next_slice_is_read_when_the_last_has_drained(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = limited(slice_entries=5, outbox_low=50, send_timeout=1e6, heartbeat=1e6)
    store = await open_gated()
    async with by_hand(limits, store) as hands:
        ann, cursor = await away(hands)
        missed = await notes(hands, ann.user_id, 100)
        store.calls.clear()
        back = await hands.hello(ann.token, cursor=cursor)
        back.stuck = True
        await trio.sleep(1000)
        assert [name for name, _ in store.calls].count(missed_and_newest.__name__) <= 3
        back.unstick()
        await back.next("caught_up")
        assert updates(back) == missed


async def test_a_cut_in_the_middle_resumes_at_the_last_checkpoint(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = limited(slice_entries=5, outbox_low=50, send_timeout=1e6, heartbeat=1e6)
    async with by_hand(limits) as hands:
        ann, cursor = await away(hands)
        missed = await notes(hands, ann.user_id, 40)
        got: list[int] = []
        for attempt in range(20):
            back = await hands.hello(ann.token, cursor=cursor)
            if attempt < 3:
                await back.next("checkpoint")
                back.stuck = True
                back.break_off()
                await back.end()
            else:
                await back.next("caught_up")
            got += updates(back)
            last = checkpoints(back)
            if last:
                cursor = next(
                    frame.checkpoint.cursor
                    for frame in reversed(back.frames)
                    if frame.HasField("checkpoint")
                )
            if attempt >= 3:
                break
        assert sorted(set(got)) == missed


async def test_a_session_that_lags_catches_up_from_where_it_fell_behind(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = CoreLimits(
        gateway=GatewayLimits(
            outbox_high=300, outbox_low=50, send_timeout=1e6, frame_rate=Rate(1e6, 1e6)
        )
    )
    async with by_hand(limits) as hands:
        ann = await hands.user()
        await trio.sleep(1)
        ann.frames.clear()
        ann.stuck = True
        told = await notes(hands, ann.user_id, 50)
        ann.unstick()
        await ann.next("lagging")
        await ann.next("caught_up")
        assert updates(ann) == told
        assert ann.kinds().count("lagging") == 0  # it was told once
        assert hands.sample("sunwire_lags_total") == 1
        after = await notes(hands, ann.user_id, 3)
        await trio.sleep(1)
        assert updates(ann) == told + after
        assert checkpoints(ann)[-1] == after[-1]
