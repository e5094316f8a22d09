"""Somebody with one device or two, on the reference client."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

import trio

from realtime.demo.record import Record
from realtime.demo.relay import Relay
from realtime.demo.sources import PHOTOGRAPH, Source
from realtime.demo.world import Room, World
from rpc.client import Client, ClientOptions, SqliteState, dial_urls, open_client
from rpc.client.keys import new_key
from rpc.client.media import upload
from rpc.errors import CallError, Code
from rpc.proto import auth_pb2, chat_pb2, models_pb2, users_pb2
from rpc.proto.stubs import AuthClient, ChatClient, UsersClient

IN_PARTS = 200_000  # bytes; lines break often here, so some photographs go in parts
IN_PARTS = 200_000  # bytes; lines break often here, so photographs go in parts, too
PATIENCE = 60.0  # seconds for a call, lost connections and a dead server included
CODE_PATIENCE = 10.0


class Device:
    """A client that stays connected through lines that break, one to each node, and a record of
    all that it was given. The cursor and the offline queue are on disk."""

    def __init__(self, name: str, relays: Sequence[Relay], folder: Path, random: Random) -> None:
        self.name = name
        self.relays = relays
        self.record = Record()
        self.client: Client
        self.session_id = 0
        self._file = folder / f"{name.replace('/', '-')}.db"
        self._random = random
        self._closing = trio.CancelScope()
        self._recorded = trio.Event()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        state = SqliteState(self._file)
        options = ClientOptions(
            device=self.name,
            call_timeout=PATIENCE,
            connect_timeout=3.0,  # the line may break in the middle of the handshake
            backoff_first=0.05,
            backoff_most=0.5,
            stable_after=0.25,
            random=self._random,
        )
        urls = [f"ws://127.0.0.1:{relay.port}" for relay in self.relays]
        dial = dial_urls(urls, random=self._random)
        try:
            async with open_client(dial, state=state, options=options) as client:
                self.client = client
                task_status.started()
                with self._closing:
                    async for event in client.events:
                        self.record.take(event)
                        self._recorded.set()
        finally:
            state.close()

    def is_at(self, nodes: Iterable[int]) -> bool:
        """Whether it is connected to one of these nodes."""
        return self.client.connected and any(self.relays[node].connected for node in nodes)

    def close(self) -> None:
        """Ends `run` with a closing handshake."""
        self._closing.cancel()

    async def wait_ready(self) -> None:
        """Returns once a cursor is stored: from then on nothing may be missed."""
        while not self.record.ready:
            self._recorded = trio.Event()
            await self._recorded.wait()


class Person:
    """What somebody does. Whatever is acknowledged is told to the world at once."""

    def __init__(
        self,
        name: str,
        number: int,
        devices: list[Device],
        world: World,
        random: Random,
        photographs: Sequence[Path],
        media_url: str,
    ) -> None:
        self.name = name
        self.number = number
        self.photographs = photographs
        self.devices = devices
        self.world = world
        self.random = random
        self.user_id = 0
        self._next = number
        self._media_url = media_url
        self._queued = 0

    @property
    def client(self) -> Client:
        return self.devices[0].client

    @property
    def address(self) -> str:
        return f"{self.name}@example.org"

    @property
    def rooms(self) -> list[Room]:
        """Those in which he is now."""
        return [room for room in self.world.rooms.values() if self.user_id in room.members]

    # Accounts

    async def ask_for_code(self) -> None:
        """Asks for a code, once: when the answer is lost on the way, the code is not."""
        request = auth_pb2.RequestCodeRequest(address=self.address)
        try:
            await AuthClient(self.client).request_code(request, timeout=CODE_PATIENCE)
        except CallError as error:
            if error.code != Code.RATE_LIMITED:  # there is a code already
                raise

    async def sign_up(self, code: str) -> None:
        """With the code, and a password if he has a second device to sign in."""
        device, *others = self.devices
        auth = AuthClient(device.client)
        answer = await auth.sign_in_with_code(
            auth_pb2.SignInWithCodeRequest(address=self.address, code=code)
        )
        password = secrets.token_urlsafe(12) if others else ""
        name = self.name.title()
        answer = await auth.sign_up(
            auth_pb2.SignUpRequest(
                ticket=answer.sign_up_ticket, username=self.name, name=name, password=password
            )
        )
        self.user_id = answer.user.id
        device.session_id = answer.session_id
        self.world.signed_up(self.user_id, answer.session_id, self.name, name)
        await device.wait_ready()
        for other in others:
            request = auth_pb2.SignInWithPasswordRequest(login=self.name, password=password)
            answer = await AuthClient(other.client).sign_in_with_password(request)
            other.session_id = answer.session_id
            self.world.signed_in(self.user_id, answer.session_id)
            await other.wait_ready()
        for one in self.devices:
            one.record.begin()

    async def introduce(self) -> None:
        """A picture and a few words."""
        avatar = (await self.upload(models_pb2.PURPOSE_AVATAR)).id
        about = f"I am {self.name.title()}, and this is a demo."
        profile = await UsersClient(self.client).update_profile(
            users_pb2.UpdateProfileRequest(about=about, avatar_media_id=avatar)
        )
        self.world.circles.changed_profile(self.user_id, about, avatar, profile.changed)

    async def upload(
        self, purpose: models_pb2.Purpose, source: Source | None = None
    ) -> models_pb2.MediaObject:
        """Uploads something, or else his next photograph."""
        if source is None:
            source = Source(PHOTOGRAPH, self.photographs[self._next % len(self.photographs)])
            self._next += 1
        media = await upload(
            self.client,
            source.content,
            purpose,
            media_url=self._media_url,
            patience=PATIENCE,
            in_parts_from=IN_PARTS,
        )
        self.world.uploaded(self.user_id, media, source)
        return media

    # Chat

    async def send(
        self, room: Room, text: str, *, media_ids: tuple[str, ...] = (), reply_to: int = 0
    ) -> int:
        """Queues a message and waits for its acknowledgement; returns its id."""
        request = chat_pb2.SendMessageRequest(
            room_id=room.id,
            client_id=new_key(),
            text=text,
            media_ids=media_ids,
            reply_to=reply_to,
        )
        self._queued += 1
        order = self._queued
        ticket = await self.client.enqueue(
            "Chat.SendMessage", request, models_pb2.Message, lane=f"room:{room.id}"
        )
        answer = await ticket.wait()
        self.world.sent(request, answer, order, self.user_id)
        return answer.id

    async def edit(self, room: Room, message_id: int, text: str) -> None:
        answer = await ChatClient(self.client).edit_message(
            chat_pb2.EditMessageRequest(message_id=message_id, text=text)
        )
        self.world.edited(room, message_id, text, answer.changed)

    async def delete(self, room: Room, message_id: int) -> None:
        """For everyone. The answer does not say where in the log that is; the row does."""
        chat = ChatClient(self.client)
        await chat.delete_message(
            chat_pb2.DeleteMessageRequest(message_id=message_id, for_everyone=True)
        )
        number = room.messages[message_id].number
        page = await chat.get_history(
            chat_pb2.GetHistoryRequest(room_id=room.id, before=number + 1, limit=1)
        )
        self.world.deleted(room, message_id, page.messages[0].changed)

    async def hide(self, room: Room, message_id: int) -> None:
        """Deletes a message for himself alone."""
        await ChatClient(self.client).delete_message(
            chat_pb2.DeleteMessageRequest(message_id=message_id)
        )
        self.world.hid(room, message_id, self.user_id)

    async def mark(self, room: Room, *, seen: bool = True) -> None:
        """Says that he has seen (or merely received) all that his device has of a room."""
        held = self.devices[0].record.messages.get(room.id)
        if not held:
            return
        last = max(held.values(), key=lambda one: one.number)
        chat = ChatClient(self.client)
        request = chat_pb2.MarkRequest(room_id=room.id, number=last.number)
        receipt = await (chat.mark_read(request) if seen else chat.mark_delivered(request))
        self.world.marked(room, self.user_id, last.id, receipt)

    def own_message(self, room: Room) -> int:
        """One of his own latest that still stands, or 0."""
        mine = [m.id for m in room.messages.values() if m.sender_id == self.user_id]
        alive = [one for one in mine[-3:] if not room.messages[one].deleted]
        return self.random.choice(alive) if alive else 0

    def answerable(self, room: Room) -> int:
        """A message that his device has received from somebody else, or 0."""
        held = self.devices[0].record.messages.get(room.id, {})
        others = [m.id for m in held.values() if m.sender_id != self.user_id and not m.deleted]
        return self.random.choice(others[-5:]) if others else 0

    async def members_of(self, room_id: int) -> list[models_pb2.Member]:
        answer = await ChatClient(self.client).list_members(
            chat_pb2.ListMembersRequest(room_id=room_id, limit=200)
        )
        return list(answer.members)
