"""What a device knows of its rooms: what it loaded once, and every update since, folded by the
rules that docs/client.md gives."""

from __future__ import annotations

from collections.abc import Iterable

from rpc.proto import frames_pb2
from rpc.proto.models_pb2 import Member, Message, Receipt, Room, RoomSummary, User

FIRST_MEMBERS = 10


class RoomMirror:
    """One room. `unloaded`: it was joined after messages had been sent, and some of them, from
    an earlier stay, may be this user's to see."""

    def __init__(self, summary: RoomSummary) -> None:
        self.room = summary.room
        self.last_number = summary.room.last_number
        self.base = summary.base_sequence
        self.members = {one.user.id: one for one in summary.members}
        self.members[summary.me.user.id] = summary.me
        self.messages: dict[int, Message] = {}
        self.unloaded = bool(summary.room.last_number)

    def take_page(self, messages: Iterable[Message], members: Iterable[Member]) -> None:
        """History and members, loaded after the summary."""
        self.unloaded = False
        for message in messages:
            self._put(message)
        for member in members:
            self.take_member(member)

    def take_message(self, message: Message) -> None:
        self._put(message)
        self._raise(message.sender_id, message.number, message.number)

    def _put(self, message: Message) -> None:
        known = self.messages.get(message.number)
        if known is None or known.changed < message.changed:
            self.messages[message.number] = message
        self.last_number = max(self.last_number, message.number)

    def hide(self, message_id: int) -> None:
        self.messages = {n: m for n, m in self.messages.items() if m.id != message_id}

    def take_room(self, room: Room) -> None:
        if room.changed > self.room.changed:
            self.room = room

    def take_member(self, member: Member) -> None:
        known = self.members.get(member.user.id)
        if known is not None and known.changed > member.changed:
            member, known = known, member
        if not member.role:
            self.members.pop(member.user.id, None)
            return
        self.members[member.user.id] = member
        if known is not None:
            self._raise(member.user.id, known.read_number, known.delivered_number)

    def take_receipt(self, receipt: Receipt) -> None:
        self._raise(receipt.user_id, receipt.read_number, receipt.delivered_number)

    def _raise(self, user_id: int, read: int, delivered: int) -> None:
        member = self.members.get(user_id)
        if member is not None:
            member.read_number = max(member.read_number, read)
            member.delivered_number = max(member.delivered_number, delivered)

    def summary(self, me: User, base: int) -> RoomSummary:
        """The room as the server would show it: what it counts is counted here again."""
        room = Room()
        room.CopyFrom(self.room)
        room.last_number = self.last_number
        room.member_count = len(self.members)
        mine = self.members[me.id]
        members = [self.members[user_id] for user_id in sorted(self.members)]
        return RoomSummary(
            room=room,
            last_message=self.messages[max(self.messages)] if self.messages else None,
            unread=sum(
                number > mine.read_number and not message.deleted
                for number, message in self.messages.items()
            ),
            me=plain_member(mine, me),
            members=[plain_member(one, me) for one in members[:FIRST_MEMBERS]],
            base_sequence=base,
        )


class Rooms:
    def __init__(self) -> None:
        self.known: dict[int, RoomMirror] = {}

    def load(self, summaries: Iterable[RoomSummary]) -> None:
        self.known = {one.room.id: RoomMirror(one) for one in summaries}

    def joined(self, summary: RoomSummary) -> None:
        before = self.known.get(summary.room.id)
        if before is None or before.members[summary.me.user.id].changed < summary.me.changed:
            self.known[summary.room.id] = RoomMirror(summary)

    def gone(self, room_id: int, position: int, me: int) -> None:
        """Unless the room was loaded after a later joining."""
        before = self.known.get(room_id)
        if before is not None and before.members[me].changed < position:
            del self.known[room_id]

    def take(self, update: frames_pb2.Update, me: int) -> bool:
        """Whether the update was one of a room's."""
        body = update.WhichOneof("body")
        if body == "message":
            self._of(update.message.room_id).take_message(update.message)
        elif body == "message_hidden":
            hidden = update.message_hidden
            self._of(hidden.room_id).hide(hidden.message_id)
        elif body == "room":
            self._of(update.room.id).take_room(update.room)
        elif body == "member" and update.member.user.id == me and not update.member.role:
            self.gone(update.member.room_id, update.member.changed, me)  # to be said again
        elif body == "member":
            self._of(update.member.room_id).take_member(update.member)
        elif body == "receipt":
            self._of(update.receipt.room_id).take_receipt(update.receipt)
        else:
            return False
        return True

    def _of(self, room_id: int) -> RoomMirror:
        """The room, or one that nobody keeps: a stay that came and went is told of too."""
        return self.known.get(room_id) or RoomMirror(RoomSummary())


def plain_user(user: User, me: User) -> User:
    """A user as a mirror keeps him: of others the id alone, for nobody is told when they change
    their names; of himself what his profile says."""
    return me if user.id == me.id else User(id=user.id)


def plain_member(member: Member, me: User) -> Member:
    plain = Member()
    plain.CopyFrom(member)
    plain.user.CopyFrom(plain_user(member.user, me))
    return plain


def plain_summary(summary: RoomSummary, me: User) -> RoomSummary:
    plain = RoomSummary()
    plain.CopyFrom(summary)
    plain.me.CopyFrom(plain_member(summary.me, me))
    del plain.members[:]
    plain.members.extend(plain_member(one, me) for one in summary.members)
    return plain
