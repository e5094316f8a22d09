"""Connecting, losing the connection, and what it takes to stay away."""

from __future__ import annotations

from random import Random

import pytest
import trio

from rpc.client import Stopped
from rpc.client.backoff import Backoff
from rpc.client.events import Connected, Disconnected, SignedOut
from rpc.errors import CallError, Close, Code
from rpc.proto import auth_pb2, frames_pb2, models_pb2, users_pb2
from rpc.proto.stubs import AuthClient, UsersClient
from tests.rpc.client.fakes import Inbox, Net, client_of

ME = models_pb2.Profile(user=models_pb2.User(id=7, username="ada"))


def test_backoff_grows_to_its_cap_with_full_jitter_and_resets() -> None:
    ceilings = Backoff(0.25, 30.0, Fixed(1.0))
    assert [ceilings.next() for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    ceilings.reset()
    assert ceilings.next() == 0.25
    assert Backoff(0.25, 30.0, Fixed(0.0)).next() == 0.0
    for _ in range(5000):
        ceilings.next()
    assert ceilings.next() == 30  # and never overflows


class Fixed(Random):
    """A die that always falls on the same part of the range."""

    def __init__(self, part: float) -> None:
        super().__init__()
        self.part = part

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.part


async def test_the_hello_says_who_is_there(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net, device="Pixel 9", background=True) as client:
        hello = await (await net.accept()).hello()
        assert hello.token == "secret"
        assert hello.device == "Pixel 9"
        assert hello.client.startswith("sunwire-python/")
        assert len(hello.device_id) == 16
        assert hello.background
        assert hello.cursor == b""
        await client.wait_connected()
        assert (client.user_id, client.session_id) == (7, 1)


async def test_it_dials_until_it_succeeds(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    net.down = True
    async with client_of(net, random=Fixed(1.0), backoff_first=1.0, backoff_most=8.0):
        await trio.sleep(40)
        assert net.dials == [0, 1, 3, 7, 15, 23, 31, 39]
        net.down = False
        await net.welcome()


async def test_a_connection_that_lasted_resets_the_backoff(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    net.down = True
    async with client_of(net, random=Fixed(1.0), backoff_first=1.0, backoff_most=64.0):
        await trio.sleep(10)  # dialed at 0, 1, 3, 7
        net.down = False
        end = await net.welcome()
        assert trio.current_time() == 15
        await trio.sleep(5)
        end.cut()
        await net.welcome()
        assert trio.current_time() == 21  # one second, not sixteen


async def test_a_connection_that_fell_at_once_does_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net, random=Fixed(1.0), backoff_first=1.0, backoff_most=64.0):
        for at in (0, 1, 3, 7):
            end = await net.welcome()
            assert trio.current_time() == at
            await trio.testing.wait_all_tasks_blocked()
            end.cut()


async def test_a_change_of_network_dials_at_once(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    net.down = True
    async with client_of(net, random=Fixed(1.0), backoff_first=100, backoff_most=1000) as client:
        await trio.sleep(10)
        net.down = False
        client.network_changed()
        await net.welcome()
        assert trio.current_time() == 10


async def test_a_change_of_network_drops_a_connection_without_a_sign_of_life(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net, random=Fixed(0.0), probe_timeout=3.0) as client:
        end = await net.welcome()
        await trio.sleep(1)
        client.network_changed()
        await end.expect("ping")
        await trio.sleep(2)
        assert client.connected
        second = await net.welcome()
        assert trio.current_time() == 4

        client.network_changed()
        ping = await second.expect("ping")
        await second.send(pong=frames_pb2.Pong(nonce=ping.nonce))
        await trio.sleep(10)
        assert client.connected
        assert len(net.dials) == 2


async def test_an_idle_connection_is_kept_alive(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net) as client:
        end = await net.welcome(heartbeat_ms=10_000)
        for at in (10, 20, 30):
            ping = await end.expect("ping")
            assert trio.current_time() == at
            await end.send(pong=frames_pb2.Pong(nonce=ping.nonce))
        assert client.connected


async def test_silence_of_two_intervals_is_death(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net, random=Fixed(0.0)) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        await net.welcome(heartbeat_ms=10_000)
        gone = await inbox.wait(Disconnected)
        assert trio.current_time() == 20
        assert gone.reason == "no sign of life"
        await net.welcome()
        nursery.cancel_scope.cancel()


async def test_only_speaking_is_not_hearing(autojump_clock: trio.testing.MockClock) -> None:
    """A client that sends, and so is not idle, still notices that nothing comes back."""
    net = Net()
    async with client_of(net, random=Fixed(0.0)) as client:
        await net.welcome(heartbeat_ms=10_000)
        await client.wait_connected()
        for _ in range(4):
            await trio.sleep(4)
            client.focus(open_room=1)
        await net.welcome()
        assert trio.current_time() == 20


async def test_go_away_lets_calls_finish_and_comes_back_when_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net, random=Fixed(0.0)) as client, trio.open_nursery() as nursery:
        users = UsersClient(client)
        answers: list[str] = []

        async def get_me() -> None:
            answers.append((await users.get_me(users_pb2.GetMeRequest())).user.username)

        end = await net.welcome()
        nursery.start_soon(get_me)
        first = await end.call()
        await end.send(go_away=frames_pb2.GoAway(reason="stopping", reconnect_after_ms=4000))
        await trio.sleep(1)
        nursery.start_soon(get_me)  # waits for the next connection
        await trio.sleep(1)
        await end.answer(first, ME)
        assert await end.wait_closed() == 1000
        assert answers == ["ada"]

        second = await net.welcome()
        assert trio.current_time() == 4
        await second.answer(await second.call(), ME)
    assert answers == ["ada", "ada"]


async def test_go_away_does_not_wait_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with (
        client_of(net, random=Fixed(0.0), drain_timeout=5.0) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(UsersClient(client).get_me, users_pb2.GetMeRequest())
        end = await net.welcome()
        call = await end.call()
        await end.send(go_away=frames_pb2.GoAway(reason="stopping"))
        second = await net.welcome()
        assert trio.current_time() == 5
        again = await second.call()
        assert again.payload == call.payload
        await second.answer(again, ME)


async def test_a_refused_hello_comes_back_when_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net, random=Fixed(0.0)):
        end = await net.accept()
        await end.expect("hello")
        await end.send(go_away=frames_pb2.GoAway(reason="busy", reconnect_after_ms=2500))
        end.close(Close.OVERLOADED)
        await net.welcome()
        assert trio.current_time() == 2.5


async def test_no_welcome_in_time_is_no_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net, random=Fixed(0.0), connect_timeout=15.0):
        await (await net.accept()).expect("hello")
        await net.welcome()
        assert trio.current_time() == 15


@pytest.mark.parametrize("code", [Close.SLOW, Close.HELLO_TIMEOUT, Close.INTERNAL, 1001, 1011])
async def test_codes_below_4100_reconnect(
    autojump_clock: trio.testing.MockClock, code: int
) -> None:
    net = Net()
    async with client_of(net) as client:
        end = await net.welcome()
        end.close(code)
        await net.welcome()
        assert client.stopped is None


@pytest.mark.parametrize("code", [Close.BAD_FRAME, Close.FLOODING, 4177])
async def test_codes_from_4100_on_stop(autojump_clock: trio.testing.MockClock, code: int) -> None:
    net = Net()
    async with client_of(net) as client:
        end = await net.welcome()
        await client.wait_connected()
        end.close(code, "your fault")
        with pytest.raises(Stopped) as stopped:
            async for _ in client.events:
                pass
        assert stopped.value.close == code
        assert not stopped.value.retryable
        with pytest.raises(Stopped, match="your fault"):
            await UsersClient(client).get_me(users_pb2.GetMeRequest())
        await trio.sleep(1000)
        assert len(net.dials) == 1


async def test_a_revoked_session_is_signed_out(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net) as client:
        end = await net.accept()
        await end.expect("hello")
        end.close(Close.UNAUTHENTICATED, "revoked")
        assert [event async for event in client.events] == [SignedOut("revoked")]
        with pytest.raises(CallError) as error:
            await UsersClient(client).get_me(users_pb2.GetMeRequest())
        assert error.value.code == Code.UNAUTHENTICATED


async def test_signing_in_upgrades_the_connection(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net, token="") as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        end = await net.accept()
        hello = await end.hello()
        assert hello.token == ""
        await inbox.wait(Connected)

        async def sign_in() -> None:
            await AuthClient(client).sign_in_with_code(
                auth_pb2.SignInWithCodeRequest(address="a@example.org", code="123456")
            )

        nursery.start_soon(sign_in)
        call = await end.call()
        assert len(call.op_key) == 16
        await end.answer(
            call,
            auth_pb2.SignedIn(
                token="fresh", session_id=3, user=models_pb2.User(id=7), cursor=b"c9"
            ),
        )
        assert (await end.expect("ack")).cursor == b"c9"
        assert (client.token, client.user_id, client.session_id) == ("fresh", 7, 3)
        end.cut()
        again = await net.accept()
        hello = await again.hello()
        assert (hello.token, hello.cursor) == ("fresh", b"c9")
        nursery.cancel_scope.cancel()


async def test_signing_out_ends_it(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        end = await net.welcome()
        nursery.start_soon(AuthClient(client).sign_out, auth_pb2.SignOutRequest())
        await end.answer(await end.call(), auth_pb2.SignOutResponse())
        await client.wait_stopped()
        kinds = [type(event) async for event in client.events]
        assert kinds[-1] is SignedOut
        assert len(net.dials) == 1


async def test_a_refreshed_token_is_used_from_then_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        end = await net.welcome()
        nursery.start_soon(client.refresh_token)
        await end.answer(await end.call(), auth_pb2.RefreshTokenResponse(token="newer"))
        assert (await end.expect("refresh")).token == "newer"
        end.cut()
        assert (await (await net.accept()).hello()).token == "newer"


async def test_the_focus_is_said_again_after_reconnecting(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client:
        end = await net.welcome()
        await client.wait_connected()
        client.focus(open_room=4)
        assert (await end.expect("focus")).open_room == 4
        end.cut()
        end = await net.welcome()
        assert (await end.expect("focus")).open_room == 4


async def test_leaving_says_goodbye(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net) as client:
        end = await net.welcome()
        await client.wait_connected()
    assert await end.wait_closed() == 1000


async def test_the_body_s_own_error_comes_out_as_itself(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with client_of(Net()):
            raise KeyError("mine")


async def test_an_app_that_does_not_look_keeps_no_history_of_reconnecting(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net, events=4) as client:
        for _ in range(50):
            end = await net.welcome()
            await client.wait_connected()
            end.cut()
        seen = []
        with trio.move_on_after(0):
            async for event in client.events:
                seen.append(event)
    assert len(seen) <= 6
