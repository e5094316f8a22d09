"""The least app on the reference client: it loads its rooms when it is told to, and from then
on folds what it receives."""

from __future__ import annotations

from collections.abc import Callable

import trio

from rpc.client import Client
from rpc.client.events import CaughtUp, Connected, Resynced, RoomGone, RoomJoined, UpdateReceived
from rpc.proto import chat_pb2, frames_pb2, models_pb2
from rpc.proto.stubs import ChatClient

Rooms = dict[int, dict[int, models_pb2.Message]]
"""The messages of each room by their numbers."""


class Follower:
    """`rooms` is what it knows; `resyncs` are the reasons why it had to begin afresh."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stirred = trio.Event()
        self.rooms: Rooms = {}
        self.resyncs: list[frames_pb2.Resync.Reason] = []
        self.caught_up = 0
        self.connected = 0

    async def run(self) -> None:
        async for event in self._client.events:
            match event:
                case Connected(resumed=resumed):
                    self.connected += 1
                    if not resumed:
                        self.rooms = await self.fetch(adopt=True)
                case Resynced(reason):
                    self.resyncs.append(reason)
                    self.rooms = await self.fetch(adopt=True)
                case UpdateReceived(update) if update.WhichOneof("body") == "message":
                    self._take(update.message)
                case RoomJoined(summary):
                    self.rooms.setdefault(summary.room.id, {})
                case RoomGone(room_id):
                    self.rooms.pop(room_id, None)
                case CaughtUp():
                    self.caught_up += 1
            stirred, self._stirred = self._stirred, trio.Event()
            stirred.set()

    def _take(self, message: models_pb2.Message) -> None:
        known = self.rooms.setdefault(message.room_id, {})
        before = known.get(message.number)
        if before is None or before.changed < message.changed:
            known[message.number] = message

    async def fetch(self, *, adopt: bool = False) -> Rooms:
        """All of it, as the server has it now."""
        chat = ChatClient(self._client)
        listed = await chat.list_rooms(chat_pb2.ListRoomsRequest())
        if adopt:
            self._client.loaded(listed.rooms)
        rooms: Rooms = {}
        for summary in listed.rooms:
            request = chat_pb2.GetHistoryRequest(room_id=summary.room.id, after=0, limit=200)
            page = await chat.get_history(request)
            assert not page.more
            rooms[summary.room.id] = {one.number: one for one in page.messages}
        return rooms

    async def until(self, what: Callable[[], object]) -> None:
        """Returns when it is so; looks after each event."""
        with trio.fail_after(20):
            while not what():
                await self._stirred.wait()

    def texts(self, room_id: int) -> list[str]:
        return [one.text for _, one in sorted(self.rooms.get(room_id, {}).items())]
