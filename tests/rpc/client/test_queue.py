"""The offline queue: order, lanes, replacing, expiry, restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from rpc.client import (
    Client,
    Expired,
    MemoryState,
    QueueFull,
    SqliteState,
    StateStore,
    Stopped,
    Superseded,
    Ticket,
)
from rpc.client import queue as offline_queue
from rpc.errors import CallError, Close, Code
from rpc.proto import chat_pb2, models_pb2, users_pb2
from rpc.proto.frames_pb2 import Call
from tests.rpc.client.fakes import Net, ServerEnd, client_of


@pytest.fixture(params=["memory", "sqlite"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    if request.param == "memory":
        yield MemoryState()
        return
    store = SqliteState(tmp_path / "state.db", in_thread=False)
    yield store
    store.close()


async def say(
    client: Client, text: str, *, room: int = 1, key: str = "", expires_in: float = 86_400
) -> Ticket[models_pb2.Message]:
    return await client.enqueue(
        "Chat.SendMessage",
        chat_pb2.SendMessageRequest(room_id=room, client_id=text.encode().ljust(8), text=text),
        models_pb2.Message,
        lane=f"room:{room}",
        collapse_key=key,
        expires_in=expires_in,
    )


def text_of(call: Call) -> str:
    return chat_pb2.SendMessageRequest.FromString(call.payload).text


async def answer(end: ServerEnd, call: Call) -> None:
    await end.answer(call, models_pb2.Message(text=text_of(call)))


async def serve(end: ServerEnd, count: int) -> list[str]:
    """Answers so many calls, and says which."""
    texts = []
    for _ in range(count):
        call = await end.call()
        texts.append(text_of(call))
        await answer(end, call)
    return texts


async def test_what_is_queued_offline_is_sent_in_order_once_there_is_a_line(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    net.down = True
    async with client_of(net, state=state, events=0) as client:
        tickets = [await say(client, text) for text in ("one", "two", "three")]
        await trio.sleep(3600)
        assert not any(ticket.done for ticket in tickets)
        assert [ticket.queued.id for ticket in client.queue.pending()] == [
            ticket.queued.id for ticket in tickets
        ]
        net.down = False
        end = await net.welcome()
        assert await serve(end, 3) == ["one", "two", "three"]
        assert [(await ticket.wait()).text for ticket in tickets] == ["one", "two", "three"]
        assert client.queue.pending() == []
        assert await state.queued() == []


async def test_the_next_of_a_lane_waits_for_the_answer_and_other_lanes_do_not(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        end = await net.welcome()
        await client.wait_connected()
        for text, room in (("a1", 1), ("a2", 1), ("b1", 2), ("b2", 2)):
            await say(client, text, room=room)
        first = {text_of(call): call for call in (await end.call(), await end.call())}
        assert set(first) == {"a1", "b1"}
        with trio.move_on_after(5) as more:
            await end.call()
        assert more.cancelled_caught
        await answer(end, first["b1"])
        assert text_of(await end.call()) == "b2"
        await answer(end, first["a1"])
        assert text_of(await end.call()) == "a2"


async def test_a_lane_is_one_before_and_after_the_user_is_known(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        await say(client, "before the welcome")
        end = await net.welcome()
        await client.wait_connected()
        await say(client, "after it")
        first = await end.call()
        with trio.move_on_after(5) as more:
            await end.call()
        assert more.cancelled_caught
        await answer(end, first)
        assert await serve(end, 1) == ["after it"]


async def test_a_lost_line_sends_the_same_call_with_the_same_key(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        ticket = await say(client, "one")
        await say(client, "two")
        keys = set()
        for _ in range(4):
            end = await net.welcome()
            call = await end.call()
            assert text_of(call) == "one"
            keys.add(call.op_key)
            end.cut()
        end = await net.welcome()
        assert await serve(end, 2) == ["one", "two"]
        assert keys == {ticket.queued.op_key}


async def test_it_outlasts_a_server_that_does_not_answer(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        ticket = await say(client, "one")
        end = await net.welcome()
        first = await end.call()
        await end.expect("cancel")  # after half a minute
        await end.fail(first, Code.CANCELLED)
        again = await end.call()
        assert again.op_key == first.op_key
        await answer(end, again)
        assert (await ticket.wait()).text == "one"


async def test_a_refused_call_fails_its_ticket_and_the_lane_goes_on(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        bad, good = await say(client, "bad"), await say(client, "good")
        end = await net.welcome()
        await end.fail(await end.call(), Code.PERMISSION_DENIED)
        assert await serve(end, 1) == ["good"]
        with pytest.raises(CallError, match="PERMISSION_DENIED"):
            await bad.wait()
        assert (await good.wait()).text == "good"
        assert await state.queued() == []


async def test_a_passing_refusal_is_waited_out(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        await say(client, "one")
        await say(client, "two")
        end = await net.welcome()
        await end.fail(await end.call(), Code.RATE_LIMITED, retry_after_ms=120_000)
        assert await serve(end, 2) == ["one", "two"]
        assert trio.current_time() >= 120


async def test_a_server_s_bug_does_not_block_the_lane_for_days(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client, trio.open_nursery() as nursery:
        poison, good = await say(client, "poison"), await say(client, "good")
        end = await net.welcome(heartbeat_ms=10_000_000)

        async def crash() -> None:
            while True:
                call = await end.call()
                if text_of(call) == "poison":
                    await end.fail(call, Code.INTERNAL)
                else:
                    await answer(end, call)

        nursery.start_soon(crash)
        with pytest.raises(CallError, match="INTERNAL"):
            await poison.wait()
        assert (await good.wait()).text == "good"
        assert trio.current_time() < 600
        nursery.cancel_scope.cancel()


async def test_a_newer_call_replaces_an_older_one_of_its_lane_with_its_key(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    net.down = True
    async with client_of(net, state=state, events=0) as client:
        old = await say(client, "draft 1", key="draft")
        await say(client, "between")
        await say(client, "elsewhere", room=2, key="draft")  # another lane: untouched
        middle = await say(client, "draft 2", key="draft")
        new = await say(client, "draft 3", key="draft")
        for replaced in (old, middle):
            with pytest.raises(Superseded):
                await replaced.wait()
        assert len(await state.queued()) == 3
        net.down = False
        assert set(await serve(await net.welcome(), 3)) == {"between", "elsewhere", "draft 3"}
        assert (await new.wait()).text == "draft 3"


async def test_what_may_have_been_sent_is_not_replaced(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        old = await say(client, "draft 1", key="draft")
        end = await net.welcome()
        first = await end.call()
        new = await say(client, "draft 2", key="draft")
        await answer(end, first)
        assert (await old.wait()).text == "draft 1"
        assert await serve(end, 1) == ["draft 2"]
        assert (await new.wait()).text == "draft 2"


async def test_calls_expire_unsent_while_there_is_no_line(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    net.down = True
    async with client_of(net, state=state, events=0) as client:
        await say(client, "long", expires_in=86_400)
        short = await say(client, "short", expires_in=60)
        with pytest.raises(Expired) as expired:
            await short.wait()
        assert not expired.value.sent
        assert trio.current_time() == pytest.approx(60)
        net.down = False
        assert await serve(await net.welcome(), 1) == ["long"]


async def test_a_call_that_expires_unanswered_says_that_it_was_sent(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        ticket = await say(client, "one", expires_in=60)
        end = await net.welcome(heartbeat_ms=10_000_000)
        await end.call()
        with pytest.raises(Expired) as expired:
            await ticket.wait()
        assert expired.value.sent
        assert await state.queued() == []


async def test_it_survives_a_restart(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    net = Net()
    path = tmp_path / "state.db"
    state = SqliteState(path, in_thread=False)
    async with client_of(net, state=state, events=0) as client:
        end = await net.welcome()
        await client.wait_connected()
        key = (await say(client, "one")).queued.op_key
        await say(client, "two")
        await say(client, "gone by then", room=2, expires_in=10)
        await end.call()  # sent, not answered
    state.close()
    await trio.sleep(60)
    state = SqliteState(path, in_thread=False)
    async with client_of(net, state=state, events=0) as client:
        end = await net.welcome()
        first = await end.call()
        assert (text_of(first), first.op_key) == ("one", key)
        await answer(end, first)
        assert await serve(end, 1) == ["two"]
        await trio.sleep(1)
        assert await state.queued() == []
    state.close()


async def test_what_one_user_queued_is_not_sent_as_another(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        end = await net.welcome(user_id=7)
        await client.wait_connected()
        await say(client, "mine")
        await end.call()
    async with client_of(net, state=state, token="another", events=0) as client:
        end = await net.welcome(user_id=8)
        await client.wait_connected()
        await say(client, "theirs")
        assert await serve(end, 1) == ["theirs"]
        with trio.move_on_after(100) as more:
            await end.call()
        assert more.cancelled_caught
    async with client_of(net, state=state, events=0):
        assert await serve(await net.welcome(user_id=7), 1) == ["mine"]


async def test_a_stopped_client_keeps_the_calls_for_the_next_run(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        ticket = await say(client, "one")
        end = await net.welcome()
        await end.call()
        end.close(Close.UNAUTHENTICATED, "revoked")
        with pytest.raises(Stopped):
            await ticket.wait()
        with pytest.raises(Stopped):
            await say(client, "two")
    async with client_of(net, state=state, events=0):
        assert await serve(await net.welcome(), 1) == ["one"]


async def test_the_queue_is_bounded(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline_queue, "MAX_QUEUED", 2)
    net = Net()
    net.down = True
    async with client_of(net, events=0) as client:
        await say(client, "one")
        await say(client, "two")
        with pytest.raises(QueueFull):
            await say(client, "three")


async def test_only_mutating_calls_with_a_sensible_expiry_are_queued(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with client_of(Net(), events=0) as client:
        with pytest.raises(ValueError, match="GetMe"):
            await client.enqueue("Users.GetMe", users_pb2.GetMeRequest(), models_pb2.Profile)
        with pytest.raises(ValueError, match="expires_in"):
            await say(client, "x", expires_in=7 * 86_400)
        assert offline_queue.EXPIRES_IN < offline_queue.MAX_EXPIRES_IN < 7 * 86_400


async def test_lanes_leave_nothing_behind(
    autojump_clock: trio.testing.MockClock, state: StateStore
) -> None:
    net = Net()
    async with client_of(net, state=state, events=0) as client:
        end = await net.welcome()
        for room in range(1, 40):
            await say(client, f"hello {room}", room=room)
        await serve(end, 39)
        await trio.sleep(1)
        assert client.queue._lanes == {}
        ticket = await say(client, "again")  # a lane that has ended begins anew
        await serve(end, 1)
        assert (await ticket.wait()).text == "again"
