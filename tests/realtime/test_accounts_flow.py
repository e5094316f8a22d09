"""Accounts over the whole server in memory: upgrades in place, lost answers, live sessions."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime.testing import Closed, TestClient, TestServer, new_key, open_test_server
from rpc.errors import CallError, Close, Code
from rpc.proto.frames_pb2 import ClientFrame, Refresh


async def code_for(server: TestServer, username: str) -> dict[str, str]:
    """The fields of a sign-in by code, for a user of the test server."""
    address = f"{username}@example.org"
    await trio.sleep(31)  # past the pause between two codes
    stranger = await server.connect()
    await stranger.call("Auth.RequestCode", address=address)
    await stranger.disconnect()
    return {"address": address, "code": server.sender.codes[address]}


async def test_a_sign_in_upgrades_its_connection_in_place(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        tablet = await server.connect()
        with pytest.raises(CallError) as caught:
            await tablet.call("Users.GetMe")
        assert caught.value.code == Code.UNAUTHENTICATED
        signed = await tablet.call("Auth.SignInWithCode", **await code_for(server, "ann"))
        assert (await tablet.call("Users.GetMe")).user == signed.user
        # The other device hears of the new session, and both of what happens next.
        update = await ann.expect_update("session")
        while update.session.id != signed.session_id:
            update = await ann.expect_update("session")
        room = await bob.call("Chat.OpenDirect", user_id=ann.user_id)
        for client in (ann, tablet):
            assert (await client.expect("room_joined")).room_joined.summary.room.id == room.room.id


async def test_a_sign_in_whose_answer_is_lost_is_made_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        request, op_key = await code_for(server, "ann"), new_key()
        tablet = await server.connect()
        first = await tablet.call("Auth.SignInWithCode", op_key=op_key, **request)
        await tablet.disconnect()  # as if the answer had not come: the token is not kept
        await tablet.connect()
        assert tablet.user_id == 0
        again = await tablet.call("Auth.SignInWithCode", op_key=op_key, **request)
        assert (again.token, again.session_id) == (first.token, first.session_id)
        await tablet.disconnect()
        tablet.token = again.token
        await tablet.connect()
        assert (tablet.user_id, tablet.session_id) == (ann.user_id, first.session_id)
        assert len((await ann.call("Auth.ListSessions")).sessions) == 2


async def test_a_profile_reaches_every_device_live_and_by_resume(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        phone = await server.connect(ann.token)
        away = await server.connect(ann.token)
        await away.call("Users.GetMe")
        await away.disconnect()
        changed = await ann.call("Users.UpdateProfile", about="sea")
        for client in (ann, phone):
            assert (await client.expect_update("profile")).profile == changed
        await away.reconnect()
        assert away.updates[-1].profile == changed


async def test_a_fresh_token_goes_on_on_the_living_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        old = ann.token
        fresh = await ann.call("Auth.RefreshToken")
        await ann.send(ClientFrame(refresh=Refresh(token=fresh.token)))
        await trio.sleep(1)
        assert not await opens(server, old)  # the frame was the fresh token's first use
        assert await opens(server, fresh.token)
        assert await ann.call("Users.GetMe")


async def test_signing_out_is_answered_before_the_connection_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        for name in ("ann", "bob", "cat"):
            client = await server.sign_up(name)
            await client.call("Auth.SignOut")
            assert (await client.expect_closed()).code == Close.UNAUTHENTICATED
            assert not await opens(server, client.token)


async def opens(server: TestServer, token: str) -> bool:
    client: TestClient = server.client()
    client.token = token
    try:
        await client.connect()
    except Closed as closed:
        if closed.code != Close.UNAUTHENTICATED:
            raise
        return False
    await client.disconnect()
    return True
