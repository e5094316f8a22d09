"""The harness's line for `rpc.client`."""

from __future__ import annotations

from random import Random

import pytest
import trio
import trio.testing

from realtime.testing import FaultyStream, Line, open_test_server
from rpc.client import ClientOptions, open_client
from rpc.proto import users_pb2
from rpc.proto.stubs import UsersClient

ME = users_pb2.GetMeRequest()


async def test_a_client_goes_on_over_a_line_that_is_cut_and_down(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, line = await server.sign_up("ann"), server.line()
        options = ClientOptions(random=Random(1), events=0)
        async with open_client(line.dial, token=ann.token, options=options) as client:
            users = UsersClient(client)
            assert (await users.get_me(ME)).user.id == ann.user_id
            assert line.dials == 1
            await line.cut()
            assert (await users.get_me(ME)).user.id == ann.user_id
            assert line.dials == 2
            line.down = True
            await line.cut()
            await trio.sleep(60)
            assert not client.connected
            tries = line.dials
            assert tries > 5
            line.down = False
            assert (await users.get_me(ME, timeout=60)).user.id == ann.user_id
            assert line.dials == tries + 1


async def test_a_line_that_breaks_in_the_handshake_is_dialed_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        handshakes = 0

        def stream() -> trio.abc.HalfCloseableStream:
            nonlocal handshakes
            handshakes += 1
            found = server.stream()
            if handshakes < 3:
                return FaultyStream(found, cut_after=50 * handshakes, cut_after_received=40)
            return found

        line = Line(stream)
        async with open_client(
            line.dial, token=ann.token, options=ClientOptions(random=Random(1), events=0)
        ) as client:
            # A server that breaks off in the handshake is given up after `connect_timeout`.
            me = await UsersClient(client).get_me(ME, timeout=60)
            assert me.user.id == ann.user_id
        assert handshakes == 3


async def test_what_a_test_raises_comes_out_as_itself(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def failing_test() -> None:
        async with open_test_server() as server:
            await server.connect()
            raise AssertionError("as itself")

    with pytest.raises(AssertionError, match="as itself"):
        await failing_test()
