"""The real process: kills, signals, and a websocket client that we did not write."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
import trio
import websockets.asyncio.client

from realtime.testing import new_key
from rpc.proto import chat_pb2, frames_pb2, users_pb2
from rpc.proto.frames_pb2 import Call, ClientBatch, ClientFrame, Hello, ServerBatch, ServerFrame
from tests.media import samples
from tests.real.process import server_process

pytestmark = pytest.mark.real


async def test_sigterm_drains_and_ends_within_its_grace(tmp_path: Path) -> None:
    async with server_process(tmp_path, "--grace", "2") as server:
        client = await server.sign_up("ann")
        stalled = await trio.open_tcp_stream("127.0.0.1", server.port)
        async with stalled:
            await stalled.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
            assert await server.stop(within=8) == 0
        assert (await client.expect("go_away")).go_away.reconnect_after_ms > 0
        assert (await client.expect_closed()).code == 1001


async def test_metrics_health_and_readiness(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        await server.sign_up("ann")
        for path, words in (
            ("/healthz", b"ok"),
            ("/readyz", b'"ready": true'),
            ("/metrics", b"sunwire_connections 1.0"),
            ("/nothing", b"404"),
        ):
            stream = await trio.open_tcp_stream("127.0.0.1", server.ops_port)
            async with stream:
                await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                answer = b"".join([part async for part in stream])
            assert words in answer, path


async def test_the_websockets_package_talks_to_us(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        room = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
        ready = trio.Event()
        result: list[list[ServerFrame]] = []
        token = trio.lowlevel.current_trio_token()

        def third_party() -> list[ServerFrame]:
            return asyncio.run(_converse(server.port, bob.token, token, ready))

        async def wait_for_it() -> None:
            result.append(await trio.to_thread.run_sync(third_party))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for_it)
            await ready.wait()
            await ann.call(
                "Chat.SendMessage", room_id=room, client_id=new_key(), text="to a stranger"
            )
        welcome, called, update = result[0]
        assert welcome.welcome.user_id == bob.user_id
        profile = users_pb2.GetUsersResponse.FromString(called.result.payload)
        assert [user.username for user in profile.users] == ["bob"]
        assert update.update.message.text == "to a stranger"
        assert chat_pb2.DESCRIPTOR.package == frames_pb2.DESCRIPTOR.package


async def _converse(
    port: int, session_token: str, token: trio.lowlevel.TrioToken, ready: trio.Event
) -> list[ServerFrame]:
    """Hello, a call and an update, with a foreign websocket library."""
    found: dict[str, ServerFrame] = {}
    async with websockets.asyncio.client.connect(
        f"ws://127.0.0.1:{port}",
        subprotocols=[websockets.Subprotocol("sunwire.v1")],
        compression=None,
    ) as socket:

        async def receive(kind: str) -> ServerFrame:
            while kind not in found:
                data = await asyncio.wait_for(socket.recv(), 10)
                assert isinstance(data, bytes)
                for frame in ServerBatch.FromString(data).frames:
                    found.setdefault(str(frame.WhichOneof("frame")), frame)
            return found[kind]

        hello = ClientFrame(hello=Hello(token=session_token))
        await socket.send(ClientBatch(frames=[hello]).SerializeToString())
        welcome = await receive("welcome")
        asked = users_pb2.GetUsersRequest(user_ids=[welcome.welcome.user_id])
        call = Call(id=1, method="Users.GetUsers", payload=asked.SerializeToString())
        await socket.send(ClientBatch(frames=[ClientFrame(call=call)]).SerializeToString())
        called = await receive("result")
        token.run_sync_soon(ready.set)
        return [welcome, called, await receive("update")]


async def test_a_photograph_goes_up_and_comes_down_resized(tmp_path: Path) -> None:
    async with server_process(tmp_path / "data") as server:
        ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
        data = samples.jpeg()
        ticket = await ann.call("Media.CreateUpload", purpose=1, size=len(data))
        async with httpx.AsyncClient() as http:
            stored = await http.put(ticket.url, content=data)
            assert stored.status_code in (200, 201), stored.text
            post = await ann.call("Posts.CreatePost", text="look", media_ids=[ticket.media_id])
            seen = await bob.call("Posts.GetPost", post_id=post.id)
            base = ticket.url.split("/u/")[0]
            image = await http.get(base + seen.media[0].url)
            assert image.status_code == 200
            assert image.headers["content-type"] == "image/jpeg"
            etag = {"if-none-match": image.headers["etag"]}
            assert (await http.get(base + seen.media[0].url, headers=etag)).status_code == 304
        await bob.call("Likes.LikePost", post_id=post.id)
        assert (await ann.expect_update("notification")).notification.actor.username == "bob"
        await bob.call("Comments.AddComment", post_id=post.id, text="fine")
        assert (await ann.expect_update("notification")).notification.comment_text == "fine"
        assert await server.stop(within=15) == 0
