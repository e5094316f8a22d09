"""The service on a whole server in memory. No time passes that the test does not let pass."""

from __future__ import annotations

from random import Random

import trio.testing

from examples.own_service.service import Dice
from realtime.testing import new_key, open_test_server


async def test_a_roll_is_seen_once_by_everybody(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server(services=[Dice(Random(4))]) as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        room = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
        key = new_key()
        roll = await ann.call("Dice.Roll", room_id=room, sides=6, op_key=key)
        assert (await bob.expect_update("message")).message.text == f"rolled {roll.value} of 6"
        assert await ann.call("Dice.Roll", room_id=room, sides=6, op_key=key) == roll
        await bob.expect_nothing()
        await bob.disconnect()
        missed = await ann.call("Dice.Roll", room_id=room, sides=100)
        await bob.reconnect()
        assert (await bob.expect_update("message")).message.id == missed.message_id
