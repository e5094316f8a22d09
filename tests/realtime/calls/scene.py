"""The scene on which every call is tried: Ann with two devices, Bob, whom she knows, and Eve,
who is a stranger to both and has things of her own."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from realtime.core import CoreLimits
from realtime.gateway.limits import GatewayLimits
from realtime.testing import TestClient, TestServer, new_key, open_test_server
from rpc.dispatch import CallLimits
from rpc.rates import Rate
from store.changes.media import StoreMedia
from store.records import Purpose
from store.transaction import Row, Transaction

PASSWORD = "correct horse battery"
MUCH = Rate(per_second=1e9, burst=1e9)

# What moves without anybody's doing: offsets of consumers, when a session was last used.
RESTLESS = frozenset({"consumers", "session_uses", "last_seen"})

Database = dict[str, list[Row]]


class Scene:
    """Ids are Ann's, unless their names say otherwise."""

    ann: TestClient
    tablet: TestClient  # Ann's too
    bob: TestClient
    eve: TestClient
    nobody: TestClient  # connected, not signed in
    group: int  # with Bob, owned by Ann
    direct: int  # with Bob
    message: int  # in the group
    bobs_message: int
    post: int
    comment: int  # on the post
    bobs_comment: int
    notification: int  # where it stands in the list
    stored: dict[Purpose, str]
    eves_group: int
    eves_post: int
    unknown = 1 << 40  # an id that nothing has

    def __init__(self, server: TestServer) -> None:
        self.server = server

    @property
    def clients(self) -> list[TestClient]:
        return [self.ann, self.tablet, self.bob, self.eve, self.nobody]

    async def code(self, address: str) -> str:
        """A code for an address, read where it was sent."""
        await trio.sleep(31)  # past the pause between two codes
        await self.nobody.call("Auth.RequestCode", address=address)
        return self.server.sender.codes[address]

    async def ticket(self, address: str) -> str:
        answer = await self.nobody.call(
            "Auth.SignInWithCode", address=address, code=await self.code(address)
        )
        return str(answer.sign_up_ticket)

    async def say(self, client: TestClient, room_id: int) -> int:
        message = await client.call(
            "Chat.SendMessage", room_id=room_id, client_id=new_key(), text="a secret of the room"
        )
        return int(message.id)

    async def photograph(self, client: TestClient, purpose: Purpose) -> str:
        """A stored media object. The bytes come as the media host's do: by a change."""
        ticket = await client.call("Media.CreateUpload", purpose=int(purpose), size=9)
        stored = StoreMedia(
            media_id=ticket.media_id,
            blob_hash=hashlib.sha256(ticket.media_id.encode()).digest(),
            size=9,
            mime="image/jpeg",
            width=4,
            height=3,
            color="#336699",
        )
        await self.server.core.batcher.submit(stored).wait()
        return str(ticket.media_id)

    async def quiet(self) -> None:
        """Everything committed has been consumed, delivered and received."""
        for _ in range(2):
            await self.server.settled()
            await trio.testing.wait_all_tasks_blocked()

    async def database(self) -> Database:
        """Everything that is stored, but for what is restless."""
        await self.quiet()
        return await self.server.core.store.read(_dump)

    def heard(self) -> list[int]:
        """How many durable updates each client has had."""
        return [len(one.updates) for one in self.clients]


async def _dump(tx: Transaction) -> Database:
    tables = await tx.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {
        name: await tx.rows(f"SELECT * FROM {name}") for (name,) in tables if name not in RESTLESS
    }


@asynccontextmanager
async def open_scene() -> AsyncIterator[Scene]:
    limits = CoreLimits(
        gateway=GatewayLimits(heartbeat=1e6, frame_rate=MUCH, hello_rate=MUCH),
        calls=CallLimits(user_rate=MUCH, address_rate=MUCH, sensitive_rate=MUCH),
    )
    async with open_test_server(limits=limits) as server:
        scene = Scene(server)
        scene.nobody = await server.connect()
        scene.ann, scene.bob, scene.eve = [
            await server.sign_up(name) for name in ("ann", "bob", "eve")
        ]
        await _furnish(scene)
        await scene.quiet()
        yield scene


async def _furnish(scene: Scene) -> None:
    ann, bob, eve = scene.ann, scene.bob, scene.eve
    await ann.call("Auth.SetPassword", new_password=PASSWORD)
    scene.tablet = await scene.server.connect()
    answer = await scene.tablet.call("Auth.SignInWithPassword", login="ann", password=PASSWORD)
    scene.tablet.token = answer.token
    scene.tablet.user_id, scene.tablet.session_id = answer.user.id, answer.session_id
    users = [bob.user_id]
    scene.group = (await ann.call("Chat.CreateGroup", title="we", user_ids=users)).room.id
    scene.direct = (await ann.call("Chat.OpenDirect", user_id=bob.user_id)).room.id
    scene.message = await scene.say(ann, scene.group)
    scene.bobs_message = await scene.say(bob, scene.group)
    scene.post = (await ann.call("Posts.CreatePost", text="sea")).id
    scene.comment = await _comment(ann, scene.post)
    scene.bobs_comment = await _comment(bob, scene.post)
    scene.stored = {one: await scene.photograph(ann, one) for one in Purpose}
    scene.eves_group = (await eve.call("Chat.CreateGroup", title="alone")).room.id
    scene.eves_post = (await eve.call("Posts.CreatePost", text="lake")).id
    await scene.quiet()
    told = await ann.call("Notifications.ListNotifications")
    scene.notification = told.notifications[0].latest


async def _comment(client: Any, post_id: int) -> int:
    return int((await client.call("Comments.AddComment", post_id=post_id, text="blue")).id)
