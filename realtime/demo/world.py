"""The model: what was acknowledged, and so what everybody should have received (pure).

Nothing here is learned from what a device receives. Positions, ids and numbers are those of
the answers to the calls that made the changes; contents are what was asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from realtime.demo.check import Pointers
from realtime.demo.circles import Circles
from realtime.demo.items import GONE, JOINED, MESSAGE, Item, message_state, room_stream, user_stream
from realtime.demo.sources import FILM, Source
from rpc.client import StreamKey
from rpc.proto import chat_pb2, models_pb2

FOREVER = 1 << 62


@dataclass(slots=True)
class Written:
    """A message as it is now."""

    id: int
    number: int
    sender_id: int
    client_id: bytes
    text: str
    media_ids: tuple[str, ...]
    reply_to: int
    order: int  # in which its sender queued it
    edited: bool = False
    deleted: bool = False

    @property
    def state(self) -> tuple[object, ...]:
        return message_state(
            sender_id=self.sender_id,
            number=self.number,
            client_id=self.client_id,
            text=self.text,
            media_ids=self.media_ids,
            reply_to=self.reply_to,
            edited=self.edited,
            deleted=self.deleted,
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """An uploaded photograph, film, moving image or voice."""

    owner_id: int
    purpose: int
    digest: str  # SHA-256
    kind: str
    seconds: float


@dataclass(slots=True)
class Stay:
    """The positions between which a member received what happened in a room."""

    joined: int
    left: int = FOREVER

    def covers(self, item: Item) -> bool:
        return self.joined < (item.position or item.after) <= self.left


@dataclass(slots=True)
class Room:
    id: int
    kind: models_pb2.RoomKind
    title: str
    owner_id: int
    items: list[Item] = field(default_factory=list)
    stays: dict[int, Stay] = field(default_factory=dict)
    messages: dict[int, Written] = field(default_factory=dict)
    receipts: dict[int, list[Pointers]] = field(default_factory=dict)
    pointers: dict[int, tuple[int, int]] = field(default_factory=dict)  # (read, delivered)
    hidden: set[tuple[int, int]] = field(default_factory=set)  # (user, message)

    @property
    def members(self) -> list[int]:
        return [user_id for user_id, stay in self.stays.items() if stay.left == FOREVER]

    @property
    def reached(self) -> int:
        """The latest position that is known of."""
        receipts = (one.changed for ours in self.receipts.values() for one in ours)
        return max([self.id, *(item.position for item in self.items), *receipts])

    def readable(self, user_id: int) -> list[Written]:
        """What a member finds in the history, in order."""
        stay = self.stays[user_id]
        written = sorted(self.messages.values(), key=lambda one: one.number)
        return [
            one
            for one in written
            if stay.joined < one.id <= stay.left and (user_id, one.id) not in self.hidden
        ]

    def receipts_for(self, viewer_id: int, user_id: int) -> list[Pointers]:
        stay = self.stays[viewer_id]
        return [
            one for one in self.receipts.get(user_id, ()) if stay.joined < one.changed <= stay.left
        ]


class World:
    """Everything that was acknowledged."""

    def __init__(self) -> None:
        self.circles = Circles()
        self.rooms: dict[int, Room] = {}
        self.counts: Counter[str] = Counter()
        self.pictures: dict[str, Picture] = {}  # by media id

    # Accounts

    def signed_up(self, user_id: int, session_id: int, username: str, name: str) -> None:
        own = self.circles.add_person(user_id, username, name)
        own.append(Item("profile", user_id, (username, name, "", ""), position=user_id))
        own.append(Item("session", session_id, (False,), position=session_id))
        self.counts["sign_ups"] += 1

    def signed_in(self, user_id: int, session_id: int) -> None:
        """A further device of somebody: those that he has already hear of it."""
        self.circles.own[user_id].append(Item("session", session_id, (False,), position=session_id))

    def uploaded(self, user_id: int, media: models_pb2.MediaObject, source: Source) -> None:
        """A film's stream is made afterwards: he must hear that it is ready, and may hear before
        that it is not, for of an object only the newest state is told."""
        own, purpose = self.circles.own[user_id], int(media.purpose)
        state = (purpose, source.size)
        if source.kind == FILM:
            own.append(
                Item("media", media.id, (*state, int(models_pb2.MOTION_PREPARING)), optional=True)
            )
            own.append(Item("media", media.id, (*state, int(models_pb2.MOTION_READY))))
        else:
            own.append(Item("media", media.id, (*state, int(models_pb2.MOTION_NONE))))
        self.pictures[media.id] = Picture(
            user_id, purpose, source.digest, source.kind, source.seconds
        )
        self.counts[f"{source.kind}s"] += 1

    # Rooms

    def created(
        self, summary: models_pb2.RoomSummary, title: str, members: list[models_pb2.Member]
    ) -> None:
        owner = next((m.user.id for m in members if m.role == models_pb2.ROLE_OWNER), 0)
        kind = models_pb2.ROOM_GROUP if owner else models_pb2.ROOM_DIRECT
        room = self.rooms[summary.room.id] = Room(summary.room.id, kind, title, owner)
        self.counts["rooms"] += 1
        for member in sorted(members, key=lambda one: one.changed):
            self.joined(room, member)

    def joined(self, room: Room, member: models_pb2.Member) -> None:
        """`member` is as ListMembers shows it right after he has joined."""
        room.stays[member.user.id] = Stay(member.changed)
        room.pointers[member.user.id] = (member.read_number, member.delivered_number)
        room.items.append(
            Item("member", member.user.id, (int(member.role),), position=member.changed)
        )

    def left(self, room: Room, user_id: int) -> None:
        """Somebody has left a room in which nothing else was under way."""
        room.stays[user_id].left = room.reached
        gone = (int(models_pb2.ROLE_NONE),)
        room.items.append(Item("member", user_id, gone, after=room.reached + 1))

    def renamed(self, room: Room, title: str, position: int) -> None:
        room.title = title
        room.items.append(Item("room", room.id, (title,), position=position))

    # Messages

    def sent(
        self, request: chat_pb2.SendMessageRequest, answer: models_pb2.Message, order: int, me: int
    ) -> None:
        room = self.rooms[request.room_id]
        written = room.messages[answer.id] = Written(
            id=answer.id,
            number=answer.number,
            sender_id=me,
            client_id=request.client_id,
            text=request.text,
            media_ids=tuple(request.media_ids),
            reply_to=request.reply_to,
            order=order,
        )
        room.items.append(Item(MESSAGE, written.id, written.state, position=answer.id))
        if any(self.pictures[one].kind == FILM for one in written.media_ids):
            room.items.append(
                Item(MESSAGE, written.id, written.state, after=answer.id + 1, optional=True)
            )
        self._point(room, me, answer.number, answer.number)
        self.counts["messages"] += 1
        self.counts["replies"] += bool(request.reply_to)

    def edited(self, room: Room, message_id: int, text: str, position: int) -> None:
        written = room.messages[message_id]
        written.text, written.edited = text, True
        room.items.append(Item(MESSAGE, message_id, written.state, position=position))
        self.counts["edits"] += 1

    def deleted(self, room: Room, message_id: int, position: int) -> None:
        written = room.messages[message_id]
        written.text, written.media_ids, written.deleted = "", (), True
        room.items.append(Item(MESSAGE, message_id, written.state, position=position))
        self.counts["deletes"] += 1

    def hid(self, room: Room, message_id: int, user_id: int) -> None:
        """Somebody deleted a message for himself alone."""
        room.hidden.add((user_id, message_id))
        self.circles.own[user_id].append(Item("message_hidden", message_id, (room.id,)))
        self.counts["hidden"] += 1

    def marked(
        self, room: Room, user_id: int, message_id: int, receipt: models_pb2.Receipt
    ) -> None:
        """A pointer was moved up to a message. One that was further already made no entry:
        the answer's `changed` is then of before."""
        ours = room.receipts.setdefault(user_id, [])
        newest = ours[-1].changed if ours else 0
        if receipt.changed > max(newest, message_id):
            ours.append(Pointers(receipt.changed, receipt.read_number, receipt.delivered_number))
            self.counts["receipts"] += 1
        self._point(room, user_id, receipt.read_number, receipt.delivered_number)

    def _point(self, room: Room, user_id: int, read: int, delivered: int) -> None:
        before = room.pointers[user_id]
        room.pointers[user_id] = (max(before[0], read), max(before[1], delivered))

    # What follows from it

    def visible_pictures(self, user_id: int) -> set[str]:
        """The private media that a user may see: his own, and those in messages that he
        may read."""
        rooms = [room for room in self.rooms.values() if user_id in room.members]
        read = {one for room in rooms for m in room.readable(user_id) for one in m.media_ids}
        private = {one for one in self.private_pictures if self.pictures[one].owner_id == user_id}
        return read | private

    @property
    def private_pictures(self) -> list[str]:
        chat = int(models_pb2.PURPOSE_CHAT)
        return [media_id for media_id, one in self.pictures.items() if one.purpose == chat]

    def expected(self, user_id: int, session_id: int) -> Mapping[StreamKey, list[Item]]:
        """What a device should have received, by stream. What the session's own beginning
        left in the stream may have come before its cursor."""
        own = [
            replace(item, optional=True) if 0 < item.position <= session_id else item
            for item in self.circles.own[user_id]
        ]
        result = {user_stream(user_id): own}
        for room in self.rooms.values():
            stay = room.stays.get(user_id)
            if stay is not None:
                result[room_stream(room.id)] = self._in_room(room, user_id, stay)
        return result

    @staticmethod
    def _in_room(room: Room, user_id: int, stay: Stay) -> list[Item]:
        items = [Item(JOINED, room.id, (), position=stay.joined)]
        for item in room.items:
            if not stay.covers(item):
                continue
            of = item.subject if item.kind == MESSAGE and isinstance(item.subject, int) else None
            old = of is not None and of < stay.joined  # changed now, written before he came
            items.append(replace(item, veiled=True) if old else item)
        if stay.left != FOREVER:
            items.append(Item(GONE, room.id, ()))
        return items
