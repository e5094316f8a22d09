"""Of two of whom one has blocked the other, neither hears what the other does now."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime.rooms.hub import NO_BLOCKS
from realtime.rooms.signals import LiveSignals
from realtime.testing import open_test_server
from rpc.proto.frames_pb2 import ACTIVITY_TYPING, Signal, Typing
from store.changes.blocks import SetBlock
from tests.realtime.rooms.town import ANN, BEN, CAT, Ear, Town, open_town


def block(blocker: int, blocked: int, holds: bool = True) -> SetBlock:
    return SetBlock(blocker_id=blocker, blocked_id=blocked, blocked=holds)


async def hearing(town: Town, room: int, ears: list[Ear]) -> list[int]:
    """Who hears that Ann types."""
    for ear in ears:
        ear.signals.clear()
    typing = Typing(room_id=room, user_id=ANN, activity=ACTIVITY_TYPING, ttl_ms=1)
    LiveSignals(town.hub).to_room(room, Signal(typing=typing), except_user=ANN)
    return [ear.user_id for ear in ears if ear.signals]


@pytest.mark.parametrize("pair", [(ANN, BEN), (BEN, ANN)])
async def test_who_is_apart_does_not_hear_of_it(pair: tuple[int, int]) -> None:
    town = await open_town()
    room = await town.group(CAT, ANN, BEN)
    await town.do(block(*pair))
    ears = [Ear(user_id) for user_id in (ANN, BEN, CAT)]
    for ear in ears:
        await town.attach(ear)
    assert await hearing(town, room, ears) == [CAT]
    # And in the order of the log:
    town.hub.part(*pair, 1 << 40, begins=False)
    assert await hearing(town, room, ears) == [BEN, CAT]
    town.hub.part(*pair, 1 << 41, begins=True)
    assert await hearing(town, room, ears) == [CAT]


async def test_two_blocks_end_one_by_one() -> None:
    town = await open_town()
    room = await town.group(CAT, ANN, BEN)
    ears = [Ear(user_id) for user_id in (ANN, BEN)]
    for ear in ears:
        await town.attach(ear)
    for number, pair in enumerate(((ANN, BEN), (BEN, ANN))):
        town.hub.part(*pair, 2000 + number, begins=True)
    town.hub.part(ANN, BEN, 2010, begins=False)
    assert await hearing(town, room, ears) == []
    town.hub.part(BEN, ANN, 2011, begins=False)
    assert await hearing(town, room, ears) == [BEN]
    (place,) = town.hub.present([BEN])
    assert place.blocks is NO_BLOCKS  # which takes no memory of its own


async def test_a_block_that_comes_while_the_place_is_loaded_is_not_missed() -> None:
    town = await open_town()
    room = await town.group(CAT, ANN, BEN)
    ear = Ear(BEN)
    town.store.hold("seen")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(town.attach, ear)
        await town.store.wait_held("seen", 1)
        batch = await town.do(block(ANN, BEN))
        (entry,) = batch.entries
        town.hub.part(ANN, BEN, entry.position, begins=True)
        town.hub.part(CAT, BEN, 1, begins=True)  # older than what is being loaded
        town.store.release("seen")
    assert await hearing(town, room, [ear]) == []
    (place,) = town.hub.present([BEN])
    assert place.blocks == {(ANN, BEN)}


async def test_on_a_server(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        eve = await server.sign_up("eve")
        users = [ann.user_id, bob.user_id]
        group = (await eve.call("Chat.CreateGroup", title="we", user_ids=users)).room.id
        await ann.call("Chat.OpenDirect", user_id=bob.user_id)
        await server.settled()
        await bob.call("Blocks.BlockUser", user_id=ann.user_id)
        # Each is away for the other from now on.
        for one, other in ((ann, bob), (bob, ann)):
            presence = (await one.expect_signal("presence")).presence
            assert (presence.user_id, presence.online) == (other.user_id, False)
            answer = await one.call("Chat.GetPresence", user_ids=[other.user_id])
            assert not answer.presences
        await server.settled()
        for one in (ann, bob, eve):
            one.frames.clear()
        await ann.call("Chat.SetActivity", room_id=group, activity=ACTIVITY_TYPING)
        assert (await eve.expect_signal("typing")).typing.user_id == ann.user_id
        await trio.sleep(1)
        assert not [frame for frame in bob.frames if frame.WhichOneof("frame") == "signal"]
        await bob.call("Blocks.UnblockUser", user_id=ann.user_id)
        await server.settled()
        await ann.call("Chat.SetActivity", room_id=group, activity=ACTIVITY_TYPING)
        assert (await bob.expect_signal("typing")).typing.user_id == ann.user_id
