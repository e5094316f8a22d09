"""A delivery at work over a town, and what its people receive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
import trio.testing

from realtime.push.delivery import Delivery
from realtime.push.render import Renderer
from rpc.proto.frames_pb2 import ServerFrame
from rpc.views import Views
from rpc.wire import decode_server
from store.changes.messages import EditMessage, HideMessage, SendMessage
from store.log import Batch, read_head
from store.queries.resume import missed
from tests.realtime.rooms.town import Ear, Town, open_town
from tests.rpc.services.kit import Urls
from tests.store.notes import Note


@dataclass
class Delivering:
    """What `delivering` gives. What is committed through it is offered, unless it is told not
    to: another node might have committed it."""

    town: Town
    delivery: Delivery
    scope: trio.CancelScope
    _sent: int = 0
    _read: dict[int, int] = field(default_factory=dict)  # id of an ear -> frames taken from it

    def offer(self, *batches: Batch) -> None:
        for batch in batches:
            self.delivery.offer(batch.entries)

    async def settle(self) -> None:
        """Returns when all that was offered has been delivered."""
        with trio.fail_after(60):
            await self.delivery.wait_for(self.delivery.wanted)

    async def come(self, user_id: int, session_id: int = 0) -> Ear:
        ear = Ear(user_id, session_id)
        position = await self.town.attach(ear)
        with trio.fail_after(60):
            await self.delivery.wait_for(position)
        return ear

    async def note(self, user_id: int, *subjects: int) -> Batch:
        return await self.town.do(*(Note(user_id=user_id, subject=one) for one in subjects))

    async def say(self, room_id: int, sender: int, text: str = "hello") -> Batch:
        """The batch of a message, whose id is the position of its entry."""
        self._sent += 1
        client_id = self._sent.to_bytes(16, "big")
        return await self.town.do(
            SendMessage(room_id=room_id, sender_id=sender, client_id=client_id, text=text)
        )

    async def edit(self, message_id: int, sender: int, text: str = "mended") -> Batch:
        return await self.town.do(EditMessage(user_id=sender, message_id=message_id, text=text))

    async def hide(self, message_id: int, user_id: int) -> Batch:
        return await self.town.do(HideMessage(user_id=user_id, message_id=message_id))

    def frames(self, ear: Ear) -> list[ServerFrame]:
        """What a session has received since the last time; each push is one frame."""
        start = self._read.get(id(ear), 0)
        self._read[id(ear)] = len(ear.pushed)
        found = []
        for data, position in ear.pushed[start:]:
            for frame in decode_server(data):
                kind = frame.WhichOneof("frame")
                assert getattr(frame, str(kind)).position == position
                found.append(frame)
        return found

    def forget(self, *ears: Ear) -> None:
        """What they have received so far does not matter."""
        for ear in ears:
            ear.pushed.clear()
            self._read.pop(id(ear), None)

    def kinds(self, ear: Ear) -> list[str]:
        """The same, in short: "message hello", "skip", "room_joined", "member 3"…"""
        return [_short(frame) for frame in self.frames(ear)]

    def positions(self, ear: Ear) -> list[int]:
        return [position for _, position in ear.pushed]

    async def by_resume(self, user_id: int, after: int) -> list[int]:
        """The positions that a user who was away since `after` is told of."""
        found = await self.town.store.inner.read(
            missed, user_id, after, self.delivery.position, 1000
        )
        return [entry.position for _, entry in found.items]


def _short(frame: ServerFrame) -> str:
    kind = frame.WhichOneof("frame") or ""
    if kind != "update":
        return kind
    body = frame.update.WhichOneof("body") or ""
    if body == "message":
        return f"message {frame.update.message.text}"
    if body == "member":
        return f"member {frame.update.member.user.id}"
    return body


@asynccontextmanager
async def delivering(*, run: bool = True) -> AsyncIterator[Delivering]:
    town = await open_town()
    views = Views(Urls())
    head = await town.store.inner.read(read_head)
    delivery = Delivery(town.store, town.hub, views, Renderer(views), head)
    async with trio.open_nursery() as nursery:
        kit = Delivering(town, delivery, trio.CancelScope())

        async def work() -> None:
            with kit.scope:
                await delivery.run()

        if run:
            nursery.start_soon(work)
            await trio.testing.wait_all_tasks_blocked()
        try:
            yield kit
        finally:
            town.store.release_all()
            nursery.cancel_scope.cancel()
