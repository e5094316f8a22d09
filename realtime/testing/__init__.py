"""A whole server in memory, for your own tests.

    async def test_two_people_talk(autojump_clock):
        async with open_test_server() as server:
            ann = await server.sign_up("ann")
            bob = await server.sign_up("bob")
            room = await ann.call("Chat.OpenDirect", user_id=bob.user_id)
            await ann.call("Chat.SendMessage", room_id=room.room.id,
                           client_id=new_key(), text="hello")
            update = await bob.expect_update("message")
            assert update.message.text == "hello"

The store is in memory and runs inline, the sockets are memory streams, and the wall clock is
Trio's: under `trio.testing.MockClock(autojump_threshold=0)` nothing waits for real time.
docs/harness.md describes every word.
"""

from realtime.testing.client import Closed, TestClient
from realtime.testing.line import Line
from realtime.testing.server import TestServer, open_test_server
from realtime.testing.streams import FaultyStream, MemorySocket, socket_pair
from rpc.client.keys import new_key

__all__ = [
    "Closed",
    "FaultyStream",
    "Line",
    "MemorySocket",
    "TestClient",
    "TestServer",
    "new_key",
    "open_test_server",
    "socket_pair",
]
