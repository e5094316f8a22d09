"""What the chat client knows: rows by the newest `changed`, pointers by the greatest number.

Pure: applying the same update twice, or an older one later, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from rpc.client import events
from rpc.client.events import Event
from rpc.proto import frames_pb2, models_pb2
from rpc.proto.models_pb2 import Member, Message, Notification, Post, Receipt, Room, User

SENDING_PHOTO = frames_pb2.ACTIVITY_SENDING_PHOTO


class Tick(Enum):
    """How far a message of one's own has come."""

    SENT = "✓"
    DELIVERED = "✓✓"
    SEEN = "✓✓ seen"


@dataclass
class Outgoing:
    """A message that the server has not confirmed."""

    client_id: bytes
    room_id: int
    text: str
    created_ms: int
    reply_to: int = 0
    photos: int = 0
    problem: str = ""  # why it will not be sent


@dataclass
class RoomState:
    room: Room
    me: Member
    members: dict[int, Member] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)  # by number
    latest: Message | None = None
    loaded: bool = False  # the latest page of history is in `messages`
    more: bool = False  # there is older history
    typing: dict[int, tuple[frames_pb2.Activity, float]] = field(default_factory=dict)

    @property
    def unread(self) -> int:
        return max(0, self.room.last_number - self.me.read_number)

    @property
    def last_active(self) -> int:
        return self.latest.id if self.latest is not None else self.room.id


@dataclass
class Posts:
    title: str
    posts: list[Post]


@dataclass
class Comments:
    post: Post
    comments: list[models_pb2.Comment]


@dataclass
class Notifications:
    pass  # they are the model's


@dataclass
class Lines:
    """A page of plain text: (left, right) pairs."""

    title: str
    lines: list[tuple[str, str]]


@dataclass
class RoomList:
    pass


Page = Posts | Comments | Notifications | Lines | RoomList
"""What is shown instead of the open room."""


class Model:
    def __init__(self) -> None:
        self.me = User()
        self.users: dict[int, User] = {}
        self.rooms: dict[int, RoomState] = {}
        self.presence: dict[int, frames_pb2.Presence] = {}
        self.outgoing: dict[bytes, Outgoing] = {}
        self.notifications: dict[int, Notification] = {}
        self.seen_up_to = 0
        self.current = 0  # the open room
        self.page: Page | None = None
        self.scroll = 0  # lines up from the end
        self.online = False
        self.status = "connecting…"
        self.notice = ""

    # What is derived.

    def ordered_rooms(self) -> list[RoomState]:
        """The latest active first."""
        return sorted(self.rooms.values(), key=lambda one: one.last_active, reverse=True)

    @property
    def open_room(self) -> RoomState | None:
        return self.rooms.get(self.current)

    @property
    def visible_room(self) -> RoomState | None:
        """The room whose messages are on the screen."""
        return self.open_room if self.page is None else None

    @property
    def unseen(self) -> int:
        return sum(not one.seen for one in self.notifications.values())

    def username(self, user_id: int) -> str:
        user = self.users.get(user_id)
        return user.username if user is not None else f"user {user_id}"

    def peer(self, room: RoomState) -> User | None:
        """The other one of a direct room."""
        if room.room.kind != models_pb2.ROOM_DIRECT:
            return None
        others = [m.user for m in room.members.values() if m.user.id != self.me.id]
        return others[0] if others else None

    def title(self, room: RoomState) -> str:
        peer = self.peer(room)
        if peer is not None:
            return f"@{peer.username}"
        return room.room.title or f"room {room.room.id}"

    def tick(self, room: RoomState, number: int) -> Tick:
        others = [m for m in room.members.values() if m.user.id != self.me.id and m.role != 0]
        if others and all(m.read_number >= number for m in others):
            return Tick.SEEN
        if others and all(m.delivered_number >= number for m in others):
            return Tick.DELIVERED
        return Tick.SENT

    def typists(self, room: RoomState, now: float) -> list[tuple[str, frames_pb2.Activity]]:
        return [
            (self.username(user_id), activity)
            for user_id, (activity, until) in room.typing.items()
            if until > now
        ]

    def queued_in(self, room_id: int) -> list[Outgoing]:
        return [one for one in self.outgoing.values() if one.room_id == room_id]

    def strangers(self) -> set[int]:
        """Senders whose names are not known yet."""
        return {
            message.sender_id
            for room in self.rooms.values()
            for message in [*room.messages.values(), *([room.latest] if room.latest else [])]
            if message.sender_id and message.sender_id not in self.users
        }

    def unknown_presence(self) -> list[int]:
        """Peers of whom it is not known whether they are here."""
        peers = [peer.id for room in self.rooms.values() if (peer := self.peer(room))]
        return sorted(set(peers) - set(self.presence))

    # What is loaded.

    def know(self, users: Iterable[User]) -> None:
        for user in users:
            self.users[user.id] = user

    def take_rooms(self, summaries: Iterable[models_pb2.RoomSummary]) -> None:
        """The whole list, loaded afresh: what is not in it is gone."""
        before, self.rooms = self.rooms, {}
        for summary in summaries:
            self.take_room(summary, before.get(summary.room.id))
        if self.current not in self.rooms:
            self.current = 0

    def take_room(
        self, summary: models_pb2.RoomSummary, before: RoomState | None = None
    ) -> RoomState:
        before = before or self.rooms.get(summary.room.id)
        state = RoomState(summary.room, summary.me)
        if before is not None:
            state.members = before.members
            if before.room.changed > state.room.changed:
                state.room = before.room
            _raise(state.me, before.me.read_number, before.me.delivered_number)
            state.room.last_number = max(state.room.last_number, before.room.last_number)
        self.rooms[summary.room.id] = state
        for member in [*summary.members, summary.me]:
            self.take_member(member)
        if summary.HasField("last_message"):
            self._newest(state, summary.last_message)
        return state

    def take_history(
        self, room: RoomState, page: list[Message], *, more: bool, latest: bool
    ) -> None:
        for message in page:
            self._put(room, message)
        room.more = more
        room.loaded = room.loaded or latest

    def take_member(self, member: Member) -> None:
        room = self.rooms.get(member.room_id)
        if room is None:
            return
        self.know([member.user])
        known = room.members.get(member.user.id)
        if known is not None and known.changed > member.changed:
            known, member = member, known
        if known is not None and known.role != models_pb2.ROLE_NONE:
            _raise(member, known.read_number, known.delivered_number)
        room.members[member.user.id] = member
        if member.user.id == self.me.id:
            _raise(member, room.me.read_number, room.me.delivered_number)
            room.me = member

    def take_receipt(self, receipt: Receipt) -> None:
        room = self.rooms.get(receipt.room_id)
        member = room.members.get(receipt.user_id) if room is not None else None
        if member is not None:
            _raise(member, receipt.read_number, receipt.delivered_number)

    def take_message(self, message: Message) -> None:
        """A message, new or changed."""
        if message.sender_id == self.me.id:
            self.outgoing.pop(message.client_id, None)
        room = self.rooms.get(message.room_id)
        if room is None:
            return
        if message.number > room.room.last_number:
            room.room.last_number = message.number
            room.typing.pop(message.sender_id, None)
        sender = room.members.get(message.sender_id)
        if sender is not None:
            _raise(sender, message.number, message.number)  # he has seen what came before
        self._newest(room, message)
        if room.loaded:
            self._put(room, message)

    def _newest(self, room: RoomState, message: Message) -> None:
        latest = room.latest
        if latest is None or (message.number, message.changed) > (latest.number, latest.changed):
            room.latest = message

    def _put(self, room: RoomState, message: Message) -> None:
        known = room.messages.get(message.number)
        if known is None or known.changed < message.changed:
            room.messages[message.number] = message

    # What arrives.

    def apply(self, event: Event, now: float) -> None:
        """`now` is on the clock that `typists` is asked with."""
        match event:
            case events.UpdateReceived(update):
                self._update(update)
            case events.SignalReceived(signal):
                self._signal(signal, now)
            case events.RoomJoined(summary, _):
                self.take_room(summary)
            case events.RoomGone(room_id, _):
                self.rooms.pop(room_id, None)
                if self.current == room_id:
                    self.current = 0
                    self.notice = "you are no longer in that room"
            case events.Connected():
                self.online, self.status = True, "online"
            case events.Disconnected():
                self.online, self.status = False, "reconnecting…"
                self.presence.clear()  # who comes and goes meanwhile is not told
            case events.SignedOut(reason):
                self.online, self.status = False, f"signed out: {reason}"
            case _:
                pass

    def _update(self, update: frames_pb2.Update) -> None:
        body = update.WhichOneof("body")
        if body == "message":
            self.take_message(update.message)
        elif body == "receipt":
            self.take_receipt(update.receipt)
        elif body == "member":
            self.take_member(update.member)
        elif body == "room":
            room = self.rooms.get(update.room.id)
            if room is not None and room.room.changed < update.room.changed:
                last_number = max(room.room.last_number, update.room.last_number)
                room.room = update.room
                room.room.last_number = last_number
        elif body == "message_hidden":
            room = self.rooms.get(update.message_hidden.room_id)
            if room is not None:
                hidden = update.message_hidden.message_id
                room.messages = {n: m for n, m in room.messages.items() if m.id != hidden}
        elif body == "profile":
            self.know([update.profile.user])
            if update.profile.user.id == self.me.id:
                self.me = update.profile.user
        elif body == "notification":
            known = self.notifications.get(update.notification.id)
            self.take_notification(update.notification)
            moved = known is None or known.latest < update.notification.latest
            if moved and not update.notification.seen:
                self.notice = told(update.notification)
        elif body == "notification_removed":
            self.notifications.pop(update.notification_removed.notification_id, None)
        elif body == "notifications_seen":
            self.take_seen(update.notifications_seen.up_to)
        elif body == "post":
            self.take_post(update.post)

    def take_notification(self, notification: Notification) -> None:
        known = self.notifications.get(notification.id)
        if known is None or known.changed < notification.changed:
            if notification.latest <= self.seen_up_to:
                notification.seen = True
            self.notifications[notification.id] = notification

    def take_seen(self, up_to: int) -> None:
        self.seen_up_to = max(self.seen_up_to, up_to)
        for notification in self.notifications.values():
            if notification.latest <= self.seen_up_to:
                notification.seen = True

    def take_post(self, post: Post) -> None:
        """Replaces the post where it is shown."""
        if isinstance(self.page, Posts):
            self.page.posts = [
                post if one.id == post.id and one.changed <= post.changed else one
                for one in self.page.posts
            ]
        elif isinstance(self.page, Comments) and self.page.post.id == post.id:
            self.page.post = post

    def _signal(self, signal: frames_pb2.Signal, now: float) -> None:
        body = signal.WhichOneof("body")
        if body == "typing":
            typing = signal.typing
            room = self.rooms.get(typing.room_id)
            if room is not None and typing.user_id != self.me.id:
                if typing.activity == frames_pb2.ACTIVITY_NONE:
                    room.typing.pop(typing.user_id, None)
                else:
                    until = now + typing.ttl_ms / 1000
                    room.typing[typing.user_id] = (typing.activity, until)
        elif body == "presence":
            self.presence[signal.presence.user_id] = signal.presence
        elif body == "post_counts":
            counts = signal.post_counts
            for post in self._shown_posts():
                if post.id == counts.post_id:
                    post.likes, post.comments = counts.likes, counts.comments
        elif body == "home_changed" and signal.home_changed.author_id != self.me.id:
            self.notice = "there are new posts: /home"

    def _shown_posts(self) -> list[Post]:
        if isinstance(self.page, Posts):
            return self.page.posts
        return [self.page.post] if isinstance(self.page, Comments) else []


def told(notification: Notification) -> str:
    """A notification in words."""
    who = f"@{notification.actor.username}"
    others = notification.actor_count - 1
    if others:
        who += f" and {others} other{'s' * (others > 1)}"
    kind = notification.kind
    if kind == models_pb2.NOTIFICATION_LIKE:
        return f"{who} liked your post"
    if kind == models_pb2.NOTIFICATION_COMMENT:
        return f"{who} commented on your post: {notification.comment_text}"
    if kind == models_pb2.NOTIFICATION_REPLY:
        return f"{who} answered your comment: {notification.comment_text}"
    if kind == models_pb2.NOTIFICATION_FOLLOW:
        return f"{who} started following you"
    if kind == models_pb2.NOTIFICATION_MENTION:
        text = notification.comment_text
        return f"{who} mentioned you in a {f'comment: {text}' if text else 'post'}"
    return f"{who} did something that this version does not know"


def _raise(member: Member, read: int, delivered: int) -> None:
    member.read_number = max(member.read_number, read)
    member.delivered_number = max(member.delivered_number, delivered)
