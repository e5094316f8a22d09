"""A session that ends takes its connections with it, whatever the instant."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from realtime.testing import TestClient, TestServer, open_test_server
from rpc.errors import CallError, Close, Code
from rpc.proto.frames_pb2 import Call, ClientFrame, Hello, Ping, Refresh
from store.errors import Unavailable
from tests.realtime.transports import both_transports

pytestmark = both_transports

DAY_MS = 24 * 3600 * 1000


def revoke_at_the_next_attach(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, witness: TestClient
) -> None:
    """The session is revoked, and its revocation delivered, between the look at its token and
    its registration with the hub."""
    hub = server.core.hub
    attach = hub.attach

    async def late(session: Any, *args: Any) -> Any:
        monkeypatch.setattr(hub, "attach", attach)
        await witness.call("Auth.RevokeSessions", all_others=True)
        await server.settled()
        return await attach(session, *args)

    monkeypatch.setattr(hub, "attach", late)


async def test_a_revocation_during_the_hello_ends_the_connection(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        second = await server.connect()
        address = "ann@example.org"
        await trio.sleep(60)
        await second.call("Auth.RequestCode", address=address)
        answer = await second.call(
            "Auth.SignInWithCode", address=address, code=server.sender.codes[address]
        )
        await second.disconnect()
        revoke_at_the_next_attach(server, monkeypatch, ann)
        late = server.client()
        await late.connect(hello=False)
        await late.send(ClientFrame(hello=Hello(token=answer.token)))
        assert (await late.expect_closed()).code == Close.UNAUTHENTICATED
        assert len(list(server.core.hub.sessions_of(ann.user_id))) == 1


async def test_a_revocation_during_the_sign_in_ends_the_connection(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        second = await server.connect()
        address = "ann@example.org"
        await trio.sleep(60)
        await second.call("Auth.RequestCode", address=address)
        revoke_at_the_next_attach(server, monkeypatch, ann)
        with pytest.raises(CallError) as error:
            await second.call(
                "Auth.SignInWithCode", address=address, code=server.sender.codes[address]
            )
        assert error.value.code == Code.UNAUTHENTICATED
        assert (await second.expect_closed()).code == Close.UNAUTHENTICATED


async def test_a_session_signed_in_on_an_open_connection_expires(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        now_ms = server.core.clock.now_ms
        monkeypatch.setattr(server.core.clock, "now_ms", lambda: now_ms() + 400 * DAY_MS)
        await ann.send(ClientFrame(ping=Ping(nonce=1)))
        assert (await ann.expect_closed()).code == Close.UNAUTHENTICATED


async def test_a_store_that_fails_during_a_refresh_does_not_sign_out(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")

        async def fail(*_: Any) -> None:
            raise Unavailable("for a moment")

        with monkeypatch.context() as patch:
            patch.setattr(server.core.store, "read", fail)
            await ann.send(ClientFrame(refresh=Refresh(token=ann.token)))
            code = (await ann.expect_closed()).code
        assert code == Close.OVERLOADED
        assert Close(code).may_reconnect


async def test_a_call_in_flight_is_answered_before_a_revoked_session_closes(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_test_server() as server:
        ann = await server.sign_up("ann")
        read = server.core.store.read

        async def slow(*arguments: Any) -> Any:
            await trio.sleep(0.5)
            return await read(*arguments)

        monkeypatch.setattr(server.core.store, "read", slow)
        await ann.send(ClientFrame(call=Call(id=77, method="Users.GetMe")))
        await trio.sleep(0.1)
        (session,) = server.core.hub.sessions_of(ann.user_id)
        session.end("revoked")
        assert (await ann.answer(77)).WhichOneof("frame") == "result"
        assert (await ann.expect_closed()).code == Close.UNAUTHENTICATED
