"""Ephemeral news: encoded once, to those who are here, and one of a kind at a time."""

from __future__ import annotations

import pytest
import trio.testing

from realtime.gateway.limits import GatewayLimits
from realtime.gateway.outbox import Mode, Outbox
from realtime.rooms.signals import LiveSignals, key_of
from realtime.testing import open_test_server
from rpc.errors import CallError, Code
from rpc.proto.frames_pb2 import (
    ACTIVITY_NONE,
    ACTIVITY_TYPING,
    HomeChanged,
    PostCounts,
    Presence,
    Signal,
    Typing,
    UploadProgress,
)
from rpc.wire import decode_server
from tests.realtime.rooms.town import ANN, BEN, CAT, DAN, Ear, Town, open_town


def typing(user_id: int, room_id: int = 5, activity: int = ACTIVITY_TYPING) -> Signal:
    return Signal(
        typing=Typing(room_id=room_id, user_id=user_id, activity=activity, ttl_ms=6000)  # type: ignore[arg-type]
    )


async def attached(town: Town, *people: int) -> list[Ear]:
    ears = [Ear(user_id) for user_id in people]
    for ear in ears:
        await town.attach(ear)
    return ears


async def test_a_room_hears_it_once_each_but_for_whose_it_is() -> None:
    town = await open_town()
    room, _ = await town.group(ANN, BEN, CAT), await town.group(DAN)
    phone, laptop, ben, ben_too, dan = await attached(town, ANN, ANN, BEN, BEN, DAN)
    LiveSignals(town.hub).to_room(room, typing(ANN), except_user=ANN)
    assert phone.signals == laptop.signals == dan.signals == []
    ((key, data),) = ben.signals
    ((_, other),) = ben_too.signals
    assert data is other  # encoded once for all
    assert key == ("typing", 5, ANN)
    assert decode_server(data)[0].signal == typing(ANN)


async def test_without_an_exception_the_whole_room_hears_it() -> None:
    town = await open_town()
    room = await town.direct(ANN, BEN)
    ears = await attached(town, ANN, BEN)
    LiveSignals(town.hub).to_room(room, typing(ANN))
    assert [len(ear.signals) for ear in ears] == [1, 1]


async def test_a_user_hears_it_on_every_device() -> None:
    town = await open_town()
    phone, laptop, ben = await attached(town, ANN, ANN, BEN)
    LiveSignals(town.hub).to_user(ANN, Signal(presence=Presence(user_id=BEN)))
    LiveSignals(town.hub).to_user(DAN, Signal(presence=Presence(user_id=BEN)))
    assert [len(ear.signals) for ear in (phone, laptop, ben)] == [1, 1, 0]


async def test_watchers_and_the_author_hear_of_counts_once_each() -> None:
    town = await open_town()
    author, author_too, watcher, other = await attached(town, ANN, ANN, BEN, CAT)
    for ear in (author, watcher):
        town.hub.watch_post(ear, 0, 9)
    LiveSignals(town.hub).to_watchers(9, ANN, Signal(post_counts=PostCounts(post_id=9)))
    assert [len(ear.signals) for ear in (author, author_too, watcher, other)] == [1, 1, 1, 0]


async def test_who_has_left_the_room_hears_no_more_of_it() -> None:
    town = await open_town()
    room = await town.group(ANN, BEN)
    (ben,) = await attached(town, BEN)
    signals = LiveSignals(town.hub)
    assert signals.is_member_online(room, BEN)
    town.deliver(await town.remove(room, ANN, BEN))
    signals.to_room(room, typing(ANN))
    assert ben.signals == []
    assert not signals.is_member_online(room, BEN)
    assert signals.is_online(BEN)


def progress(media_id: str) -> Signal:
    return Signal(upload_progress=UploadProgress(media_id=media_id))


def here(user_id: int, online: bool = True) -> Signal:
    return Signal(presence=Presence(user_id=user_id, online=online))


def counts(post_id: int, likes: int = 0) -> Signal:
    return Signal(post_counts=PostCounts(post_id=post_id, likes=likes))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (typing(ANN), typing(ANN, activity=ACTIVITY_NONE), True),
        (typing(ANN), typing(BEN), False),
        (typing(ANN), typing(ANN, room_id=6), False),
        (here(ANN), here(ANN, False), True),
        (here(ANN), here(BEN), False),
        (counts(1, likes=2), counts(1, likes=3), True),
        (counts(1), counts(2), False),
        (progress("a"), progress("a"), True),
        (progress("a"), progress("b"), False),
        (
            Signal(home_changed=HomeChanged(newest_post_id=1)),
            Signal(home_changed=HomeChanged(newest_post_id=2)),
            True,
        ),
        (here(1), counts(1), False),
    ],
)
def test_what_takes_the_place_of_what(one: Signal, other: Signal, same: bool) -> None:
    assert (key_of(one) == key_of(other)) is same
    assert key_of(one)  # an empty one would replace nothing


async def test_however_often_somebody_types_one_signal_waits_the_last() -> None:
    """This is the throttle: a reader that is slow gets the present state, not its history."""
    town = await open_town()
    room = await town.direct(ANN, BEN)
    outbox = Outbox(GatewayLimits(), lambda: None)
    outbox.mode = Mode.LIVE
    ben = Ear(BEN)
    ben.signal = outbox.signal  # type: ignore[method-assign]
    await town.attach(ben)
    signals = LiveSignals(town.hub)
    for activity in [ACTIVITY_TYPING] * 100 + [ACTIVITY_NONE]:
        signals.to_room(room, typing(ANN, activity=activity), except_user=ANN)
    (frame,) = decode_server(b"".join(outbox.take()))
    assert frame.signal.typing.activity == ACTIVITY_NONE


async def test_typing_says_how_long_it_holds_and_reaches_the_others_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, ben, cat = [await server.sign_up(name) for name in ("ann", "ben", "cat")]
        room = (await ann.call("Chat.OpenDirect", user_id=ben.user_id)).room.id
        await ben.expect("room_joined")
        await server.settled()
        laptop = await server.connect(ann.token)
        await ann.call("Chat.SetActivity", room_id=room, activity=ACTIVITY_TYPING)
        heard = (await ben.expect_signal("typing")).typing
        assert (heard.room_id, heard.user_id) == (room, ann.user_id)
        assert heard.ttl_ms == 6000  # nothing follows that would end it
        for client in (ann, laptop, cat):
            await client.expect_nothing()
        with pytest.raises(CallError) as refused:
            await cat.call("Chat.SetActivity", room_id=room, activity=ACTIVITY_TYPING)
        assert refused.value.code == Code.NOT_FOUND
        await ben.expect_nothing(60)
