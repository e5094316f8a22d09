"""Calls: answers, failures, retries with the same op_key, deadlines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from google.protobuf.wrappers_pb2 import StringValue

from rpc.errors import TABLE, CallError, Close, Code, Committed
from rpc.proto import chat_pb2, frames_pb2, models_pb2, users_pb2
from rpc.proto.stubs import ChatClient, UsersClient
from tests.rpc.client.fakes import Net, ServerEnd, client_of

SEND = chat_pb2.SendMessageRequest(room_id=1, client_id=b"12345678", text="hello")
SENT = models_pb2.Message(id=9, text="hello")
ME = models_pb2.Profile(user=models_pb2.User(id=7, username="ada"))


class Outcome:
    """Runs one call in the background and keeps what came of it."""

    def __init__(self, nursery: trio.Nursery, call: Callable[[], Awaitable[object]]) -> None:
        self.answer: object = None
        self.error: CallError | None = None
        self.at = -1.0
        self._done = trio.Event()
        nursery.start_soon(self._run, call)

    async def _run(self, call: Callable[[], Awaitable[object]]) -> None:
        try:
            self.answer = await call()
        except CallError as error:
            self.error = error
        self.at = trio.current_time()
        self._done.set()

    async def wait(self) -> None:
        await self._done.wait()


async def test_answers_come_in_any_order(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        first = Outcome(nursery, lambda: UsersClient(client).get_me(users_pb2.GetMeRequest()))
        end = await net.welcome()
        one = await end.call()
        second = Outcome(nursery, lambda: ChatClient(client).send_message(SEND))
        two = await end.call()
        assert one.id != two.id
        assert (one.method, two.method) == ("Users.GetMe", "Chat.SendMessage")
        assert (len(one.op_key), len(two.op_key)) == (0, 16)
        assert two.payload == SEND.SerializeToString()
        assert 0 < two.timeout_ms <= 10_000
        await end.answer(two, SENT)
        await second.wait()
        assert second.answer == SENT
        assert first.answer is None
        await end.answer(one, ME)
        await first.wait()
        assert first.answer == ME


async def test_a_failure_is_a_call_error(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND))
        end = await net.welcome()
        await end.fail(
            await end.call(), Code.INVALID_ARGUMENT, message="too long", details={"field": "text"}
        )
        await sending.wait()
        assert sending.error is not None
        assert sending.error.code == Code.INVALID_ARGUMENT
        assert sending.error.details == {"field": "text"}
        assert sending.error.committed == Committed.COMMITTED_NO


@pytest.mark.parametrize("code", [code for code in TABLE if not TABLE[code].retryable])
async def test_what_the_table_says_is_final_is_not_tried_again(
    autojump_clock: trio.testing.MockClock, code: frames_pb2.Code
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND))
        end = await net.welcome()
        await end.fail(await end.call(), code)
        await sending.wait()
        assert sending.error is not None
        assert sending.error.code == code


RETRIED = [c for c in TABLE if TABLE[c].retryable and c != Code.DEADLINE_EXCEEDED]


@pytest.mark.parametrize("code", RETRIED)
async def test_what_the_table_says_is_passing_is_tried_again_with_the_same_key(
    autojump_clock: trio.testing.MockClock, code: frames_pb2.Code
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND))
        end = await net.welcome()
        call = await end.call()
        await end.fail(call, code, retryable=True, retry_after_ms=1500)
        again = await end.call()
        assert trio.current_time() >= 1.5
        assert (again.op_key, again.payload) == (call.op_key, call.payload)
        await end.answer(again, SENT)
        await sending.wait()
        assert sending.answer == SENT


async def test_a_retry_that_cannot_end_in_time_is_not_begun(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND, timeout=5))
        end = await net.welcome()
        await end.fail(await end.call(), Code.RATE_LIMITED, retry_after_ms=60_000)
        await sending.wait()
        assert sending.error is not None
        assert sending.error.code == Code.RATE_LIMITED
        assert sending.error.retry_after_ms == 60_000
        assert sending.at == 0


async def test_a_server_s_bug_is_reported_after_a_few_tries(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND))
        end = await net.welcome()
        for _ in range(3):
            await end.fail(await end.call(), Code.INTERNAL, message="internal error")
        await sending.wait()
        assert sending.error is not None
        assert sending.error.code == Code.INTERNAL


async def test_a_call_in_flight_survives_the_connection_with_the_same_key(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND))
        end = await net.welcome()
        call = await end.call()
        end.cut()
        end = await net.welcome()
        again = await end.call()
        assert (again.method, again.op_key, again.payload) == (
            call.method,
            call.op_key,
            call.payload,
        )
        assert again.timeout_ms <= call.timeout_ms
        await end.answer(again, SENT)
        await sending.wait()
        assert sending.answer == SENT
        assert client.statistics().retries == 1


async def test_two_calls_never_share_a_key(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        end = await net.welcome()
        keys = set()
        for _ in range(10):
            Outcome(nursery, lambda: ChatClient(client).send_message(SEND))
            call = await end.call()
            keys.add(call.op_key)
            await end.answer(call, SENT)
        assert len(keys) == 10


async def test_the_deadline_holds_without_an_answer_and_cancels_the_call(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND, timeout=5))
        end = await net.welcome()
        call = await end.call()
        assert call.timeout_ms == 4500  # so that the server's own word comes in time
        assert (await end.expect("cancel")).id == call.id
        await sending.wait()
        assert sending.at == 5
        assert sending.error is not None
        assert sending.error.code == Code.DEADLINE_EXCEEDED
        assert sending.error.committed == Committed.COMMITTED_UNKNOWN
        await end.answer(call, SENT)  # too late: nobody minds
        await trio.sleep(1)
        assert client.connected


async def test_the_server_s_word_on_the_deadline_is_passed_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND, timeout=5))
        end = await net.welcome()
        call = await end.call()
        await trio.sleep(4.5)
        await end.fail(call, Code.DEADLINE_EXCEEDED, committed=Committed.COMMITTED_YES)
        await sending.wait()
        assert sending.error is not None
        assert sending.error.committed == Committed.COMMITTED_YES


async def test_the_deadline_spans_all_tries(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND, timeout=5))

        async def lose_every_call() -> None:
            while True:
                end = await net.welcome()
                await end.call()
                end.cut()

        nursery.start_soon(lose_every_call)
        await sending.wait()
        assert sending.at == 5
        nursery.cancel_scope.cancel()


async def test_a_call_that_was_never_sent_says_so(autojump_clock: trio.testing.MockClock) -> None:
    net = Net()
    net.down = True
    async with client_of(net) as client:
        with pytest.raises(CallError) as error:
            await ChatClient(client).send_message(SEND, timeout=3)
        assert error.value.code == Code.UNAVAILABLE
        assert error.value.committed == Committed.COMMITTED_NO
        assert trio.current_time() == 3


async def test_calls_in_flight_are_bounded_by_the_welcome(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        end = await net.welcome(max_calls=2)
        await client.wait_connected()
        outcomes = [
            Outcome(nursery, lambda: ChatClient(client).send_message(SEND)) for _ in range(3)
        ]
        calls = [await end.call(), await end.call()]
        with trio.move_on_after(1) as third:
            await end.call()
        assert third.cancelled_caught
        await end.answer(calls[0], SENT)
        calls.append(await end.call())
        for call in calls[1:]:
            await end.answer(call, SENT)
        for outcome in outcomes:
            await outcome.wait()
            assert outcome.answer == SENT


async def test_a_call_that_expired_keeps_its_place_until_the_server_is_done_with_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        end = await net.welcome(max_calls=1)
        first = Outcome(nursery, lambda: ChatClient(client).send_message(SEND, timeout=1))
        call = await end.call()
        await end.expect("cancel")
        await first.wait()
        second = Outcome(nursery, lambda: ChatClient(client).send_message(SEND))
        await trio.sleep(1)
        await end.fail(call, Code.CANCELLED)
        await end.answer(await end.call(), SENT)
        await second.wait()
        assert second.at == 2


async def test_what_the_server_would_hang_up_on_is_not_sent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        end = await net.welcome(max_message_bytes=1000)
        await client.wait_connected()
        large = chat_pb2.SendMessageRequest(room_id=1, client_id=b"12345678", text="x" * 1000)
        with pytest.raises(CallError) as error:
            await ChatClient(client).send_message(large)
        assert error.value.code == Code.TOO_LARGE
        # Many that are small enough do not add up to one message that is too large.
        outcomes = [
            Outcome(nursery, lambda: ChatClient(client).send_message(SEND)) for _ in range(50)
        ]
        for _ in range(50):
            await end.answer(await end.call(), SENT)
            assert end.largest <= 1000
        for outcome in outcomes:
            await outcome.wait()


async def test_an_answer_that_cannot_be_read_fails_that_call_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        end = await net.welcome()
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND))
        for _ in range(3):
            call = await end.call()
            await end.send(result=frames_pb2.Result(id=call.id, payload=b"\xff\xff"))
        await sending.wait()
        assert sending.error is not None
        assert sending.error.code == Code.INTERNAL
        assert client.connected


async def test_a_method_that_is_not_known_gets_a_key_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        end = await net.welcome()
        Outcome(nursery, lambda: client.call("My.Own", StringValue(value="x"), StringValue))
        call = await end.call()
        assert call.method == "My.Own"
        assert len(call.op_key) == 16
        await end.answer(call, StringValue(value="y"))


async def test_calls_that_wait_learn_that_the_client_has_stopped(
    autojump_clock: trio.testing.MockClock,
) -> None:
    net = Net()
    async with client_of(net) as client, trio.open_nursery() as nursery:
        sending = Outcome(nursery, lambda: ChatClient(client).send_message(SEND))
        end: ServerEnd = await net.welcome()
        await end.call()
        end.close(Close.UNAUTHENTICATED, "revoked")
        await sending.wait()
        assert sending.error is not None
        assert sending.error.code == Code.UNAUTHENTICATED
