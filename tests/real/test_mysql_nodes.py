"""Two real processes on one database, of which one is killed and comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest
import trio

from realtime.events.leases import LIFETIME, RENEW
from realtime.testing import TestClient, new_key
from rpc.client import ClientOptions, dial_urls, open_client
from rpc.client.events import UpdateReceived
from rpc.proto.posts_pb2 import CreatePostRequest
from rpc.proto.stubs import PostsClient
from tests.contracts.mysql import Admin
from tests.real.mariadb import url_of
from tests.real.process import server_process
from tests.store.mysql.conftest import admin

__all__ = ["admin"]

pytestmark = pytest.mark.real


async def until(what: Callable[[], Awaitable[bool]], within: float) -> None:
    with trio.fail_after(within):
        while True:
            if await what():
                return
            await trio.sleep(0.05)


def texts(client: TestClient) -> list[str]:
    return [u.message.text for u in client.updates if u.WhichOneof("body") == "message"]


async def test_what_one_node_acknowledged_the_other_has(admin: Admin, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(admin.database())
        store = ("--store", url_of(address))
        one = await stack.enter_async_context(server_process(tmp_path / "one", *store))
        two = await stack.enter_async_context(server_process(tmp_path / "two", *store))
        ann, ben = await one.sign_up("ann"), await two.sign_up("ben")
        room = (await ann.call("Chat.OpenDirect", user_id=ben.user_id)).room.id
        post = await ben.call("Posts.CreatePost", text="sea")
        sent: list[str] = []

        async def say(client: TestClient, text: str) -> None:
            await client.call("Chat.SendMessage", room_id=room, client_id=new_key(), text=text)
            sent.append(text)

        for number in range(10):
            await say(ann, f"ann {number}")
            await say(ben, f"ben {number}")
        await ann.call("Likes.LikePost", post_id=post.id)
        assert one.line("lease taken")  # it was the first: the consumers are there
        await one.kill()
        for number in range(10, 20):
            await say(ben, f"ben {number}")

        async def received() -> bool:
            return texts(ben) == sent

        await until(received, 5)

        # What the killed node owned the other takes over when its leases have ended.
        async def counted() -> bool:
            likes: int = (await ben.call("Posts.GetPost", post_id=post.id)).likes
            return likes == 1

        await until(counted, LIFETIME + 3 * RENEW)
        assert two.line("lease taken")
        # Ann goes on at the other node, and at the first one when it is back.
        for node in (two, one):
            if node is one:
                await one.start()
            again = node.client()
            again.token, again.cursor = ann.token, ann.cursor
            await again.connect(resume=True)
            await again.expect("caught_up")
            said = texts(ann) + [text for text in texts(again) if text not in texts(ann)]
            assert said == sent
            await say(again, f"from {node.port}")
            await until(received, 5)
        errors = [
            line for node in (one, two) for line in node.lines if line.get("level") == "error"
        ]
        assert errors == []


async def test_a_client_goes_on_at_another_node_and_stays_there(
    admin: Admin, tmp_path: Path
) -> None:
    """One list of URLs, two ports: whoever is killed, a client with both goes on."""
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(admin.database())
        store = ("--store", url_of(address))
        nodes = [
            await stack.enter_async_context(server_process(tmp_path / name, *store))
            for name in ("one", "two")
        ]
        ann = await nodes[0].sign_up("ann")
        await ann.disconnect()
        urls = [f"ws://127.0.0.1:{node.port}" for node in nodes]
        options = ClientOptions(random=Random(1), backoff_first=0.05)
        app = await stack.enter_async_context(
            open_client(dial_urls(urls, random=Random(1)), token=ann.token, options=options)
        )
        given: list[str] = []

        async def read() -> None:
            async for event in app.events:
                if isinstance(event, UpdateReceived) and event.update.HasField("post"):
                    given.append(event.update.post.text)

        reading = await stack.enter_async_context(trio.open_nursery())
        reading.start_soon(read)
        said: list[str] = []
        for node in nodes * 2:
            await PostsClient(app).create_post(CreatePostRequest(text=f"before {node.port}"))
            await node.kill()
            await PostsClient(app).create_post(CreatePostRequest(text=f"without {node.port}"))
            said += [f"before {node.port}", f"without {node.port}"]
            connects = app.statistics().connects
            await node.start()
            assert app.connected
            assert app.statistics().connects == connects

        async def received() -> bool:
            return given == said

        await until(received, 5)
        assert app.statistics().feed.resyncs == app.statistics().feed.gaps == 0
        reading.cancel_scope.cancel()
