"""A client of a server of several nodes: where it goes, and how often it asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from random import Random

import pytest
import trio

from rpc.client import Client, ClientOptions, dial_any, dial_urls, open_client
from rpc.client.events import UpdateReceived
from rpc.proto import frames_pb2
from tests.rpc.client.fakes import Inbox, InOrder, Net, ServerEnd, message_update
from tests.rpc.client.test_connecting import Fixed


def client_of(
    nets: Sequence[Net], *, backoff_first: float = 1.0, backoff_most: float = 8.0
) -> AbstractAsyncContextManager[Client]:
    options = ClientOptions(
        random=Fixed(1.0), backoff_first=backoff_first, backoff_most=backoff_most
    )
    dial = dial_any([net.dial for net in nets], random=InOrder())
    return open_client(dial, token="secret", options=options)


async def test_it_stays_with_the_node_that_works(autojump_clock: trio.testing.MockClock) -> None:
    one, two = Net(), Net()
    async with client_of([one, two]):
        await one.welcome()
        await trio.sleep(60)
        assert (one.dials, two.dials) == ([0], [])


async def test_it_goes_to_the_next_when_the_connection_ends_and_resumes_there(
    autojump_clock: trio.testing.MockClock,
) -> None:
    one, two = Net(), Net()
    async with client_of([one, two]) as client, trio.open_nursery() as nursery:
        inbox = Inbox(client, nursery)
        end = await one.welcome(cursor=b"c0")
        await end.send(update=message_update(1))
        await end.checkpoint(b"c1")
        await inbox.wait_until(lambda: client.cursor == b"c1")
        end.cut()
        end = await two.accept()
        assert (await end.hello()).cursor == b"c1"
        await end.send(update=message_update(2))
        await inbox.wait(UpdateReceived, 2)
        await trio.sleep(5)
        end.cut()
        assert (await (await one.accept()).hello()).cursor == b"c1"
        nursery.cancel_scope.cancel()


async def test_a_node_that_does_not_answer_the_hello_is_left(
    autojump_clock: trio.testing.MockClock,
) -> None:
    hanging, refusing, alive = Net(), Net(), Net()
    async with client_of([hanging, refusing, alive]):
        await hanging.accept()
        end = await refusing.accept()
        assert trio.current_time() == 15 + 1
        await end.expect("hello")
        refusal = frames_pb2.GoAway(reason="full", reconnect_after_ms=4000)
        await end.send(go_away=refusal)
        await alive.welcome()
        assert trio.current_time() == 16 + 4  # what one asks for is kept with the next too


async def test_the_pauses_are_between_rounds_of_the_list(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """All nodes together cost a client no more pauses than one, and none is asked more often."""
    nets = [Net(), Net(), Net()]
    for net in nets:
        net.down = True
    async with client_of(nets):
        await trio.sleep(40)
        assert [net.dials for net in nets] == [[0, 1, 3, 7, 15, 23, 31, 39]] * 3
        nets[1].down = False
        await nets[1].welcome()
        assert trio.current_time() == 47


async def test_clients_spread(autojump_clock: trio.testing.MockClock) -> None:
    nets = [Net(), Net(), Net()]
    random = Random(1)
    for _ in range(300):
        async with trio.open_nursery() as sockets:
            await dial_any([net.dial for net in nets], random=random)(sockets)
    found = Counter({number: len(net.dials) for number, net in enumerate(nets)})
    assert min(found.values()) > 80


async def test_a_call_outlives_the_node_that_it_was_sent_to(
    autojump_clock: trio.testing.MockClock,
) -> None:
    one, two = Net(), Net()
    keys: list[bytes] = []

    async def take(net: Net) -> ServerEnd:
        end = await net.welcome()
        keys.append((await end.call()).op_key)
        return end

    async with client_of([one, two]) as client, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def play() -> None:
            (await take(one)).cut()
            end = await take(two)
            end.cut()
            end = await one.welcome()
            call = await end.call()
            keys.append(call.op_key)
            await end.answer(call, frames_pb2.Like(post_id=3))

        like = await client.call("Likes.LikePost", frames_pb2.Like(post_id=3), frames_pb2.Like)
        assert like.post_id == 3
    assert len(keys) == 3
    assert len(set(keys)) == 1


@pytest.mark.parametrize("urls", [[], ["http://127.0.0.1"], ["ws://127.0.0.1", "ws://"]])
def test_what_is_no_list_of_nodes(urls: list[str]) -> None:
    with pytest.raises(ValueError, match="URL"):
        dial_urls(urls)
