"""Rooms and who belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from store import rules
from store.changes.avatars import check_avatar
from store.changes.base import Key, SingleChange
from store.changes.uses import swap, use
from store.errors import Conflict, Invalid, NotFound
from store.log import Kind, Stream, WriteTransaction
from store.queries import chat
from store.queries.users import meet, refusal_to_meet
from store.records import Role, RoomKind, RoomRecord


def direct_key(one: int, other: int) -> str:
    """Names the one direct room of two users."""
    return f"{min(one, other)}:{max(one, other)}"


class OpenDirect(SingleChange[int], frozen=True, kw_only=True):
    """The direct room of two users, made when there is none. Answers with its id."""

    RESULT: ClassVar[type[int]] = int

    user_id: int
    peer_id: int

    def excludes(self) -> Sequence[Key]:
        return (("direct", direct_key(self.user_id, self.peer_id)),)

    async def apply_one(self, tx: WriteTransaction) -> int:
        if self.user_id == self.peer_id:
            raise Invalid("a direct room is for two")
        await meet(tx, self.user_id, self.peer_id)
        key = direct_key(self.user_id, self.peer_id)
        found = await tx.rows("SELECT id FROM rooms WHERE direct_key = ?", (key,))
        if found:
            room_id: int = found[0][0]
            return room_id
        room_id = await _create(tx, self.user_id, RoomKind.DIRECT, "", "", key)
        users = (self.user_id, self.peer_id)
        await _join(tx, room_id, self.user_id, dict.fromkeys(users, Role.MEMBER))
        return room_id


class CreateGroup(SingleChange[int], frozen=True, kw_only=True):
    """A group owned by its creator. Answers with its id."""

    RESULT: ClassVar[type[int]] = int

    user_id: int
    title: str
    user_ids: tuple[int, ...] = ()
    avatar_id: str = ""

    async def apply_one(self, tx: WriteTransaction) -> int:
        wanted = dict.fromkeys((self.user_id, *self.user_ids), Role.MEMBER)
        if len(wanted) > rules.MAX_GROUP_MEMBERS:
            raise Invalid("too many members")
        if refusal := await refusal_to_meet(tx, self.user_id, wanted):
            raise refusal
        await check_avatar(tx, self.user_id, self.avatar_id)
        room_id = await _create(tx, self.user_id, RoomKind.GROUP, self.title, self.avatar_id, None)
        await use(tx, [self.avatar_id])
        wanted[self.user_id] = Role.OWNER
        await _join(tx, room_id, self.user_id, wanted)
        return room_id


class AddMembers(SingleChange[int], frozen=True, kw_only=True):
    """Adds users to a group; those who are there already stay as they are. Answers with the
    number of the added."""

    RESULT: ClassVar[type[int]] = int

    user_id: int
    room_id: int
    user_ids: tuple[int, ...]

    def excludes(self) -> Sequence[Key]:
        return (("room", self.room_id),)

    async def apply_one(self, tx: WriteTransaction) -> int:
        room, role = await _room(tx, self.room_id, self.user_id)
        if refusal := rules.add_members(room.kind, role):
            raise refusal
        wanted = dict.fromkeys(self.user_ids)
        present = await chat.roles(tx, [(self.room_id, user) for user in wanted])
        new = [u for u in wanted if present.get((self.room_id, u), Role.NONE) is Role.NONE]
        if refusal := await refusal_to_meet(tx, self.user_id, new):
            raise refusal
        if room.member_count + len(new) > rules.MAX_GROUP_MEMBERS:
            raise Conflict("the group is full")
        await _join(tx, self.room_id, self.user_id, dict.fromkeys(new, Role.MEMBER))
        return len(new)


class RemoveMember(SingleChange[int], frozen=True, kw_only=True):
    """Removes a member, or oneself. An owner who leaves hands the group to the highest and
    longest member. Answers with the id of the new owner, or 0."""

    RESULT: ClassVar[type[int]] = int

    user_id: int
    room_id: int
    target_id: int

    def excludes(self) -> Sequence[Key]:
        return (("room", self.room_id),)

    async def apply_one(self, tx: WriteTransaction) -> int:
        room, role = await _room(tx, self.room_id, self.user_id)
        target = await chat.role(tx, self.room_id, self.target_id)
        refusal = rules.remove_member(room.kind, role, target, self_=self.user_id == self.target_id)
        if refusal is not None:
            raise refusal
        entry = await tx.append(
            Kind.MEMBER_LEFT,
            Stream.room(self.room_id),
            actor_id=self.user_id,
            subject_id=self.target_id,
        )
        await tx.run(
            "UPDATE members SET role = 0, changed = ? WHERE room_id = ? AND user_id = ?",
            (entry.position, self.room_id, self.target_id),
        )
        await tx.run(
            "UPDATE stays SET left_position = ? "
            "WHERE user_id = ? AND room_id = ? AND left_position = 0",
            (entry.position, self.target_id, self.room_id),
        )
        await tx.run(
            "UPDATE rooms SET member_count = member_count - 1 WHERE id = ?", (self.room_id,)
        )
        return await self._hand_over(tx) if target is Role.OWNER else 0

    async def _hand_over(self, tx: WriteTransaction) -> int:
        heirs = await tx.rows(
            "SELECT m.user_id FROM members m JOIN stays s ON s.user_id = m.user_id "
            "AND s.room_id = m.room_id AND s.left_position = 0 "
            "WHERE m.room_id = ? AND m.role > 0 "
            "ORDER BY m.role DESC, s.joined_position LIMIT 1",
            (self.room_id,),
        )
        if not heirs:
            return 0
        heir: int = heirs[0][0]
        entry = await tx.append(
            Kind.MEMBER_CHANGED, Stream.room(self.room_id), actor_id=self.user_id, subject_id=heir
        )
        await tx.run(
            "UPDATE members SET role = ?, changed = ? WHERE room_id = ? AND user_id = ?",
            (int(Role.OWNER), entry.position, self.room_id, heir),
        )
        return heir


class UpdateRoom(SingleChange[int], frozen=True, kw_only=True):
    """Title, about, avatar of a group; None leaves a field as it is. Answers with the room's id."""

    RESULT: ClassVar[type[int]] = int

    user_id: int
    room_id: int
    title: str | None = None
    about: str | None = None
    avatar_id: str | None = None

    def excludes(self) -> Sequence[Key]:
        return (("room", self.room_id),)

    async def apply_one(self, tx: WriteTransaction) -> int:
        room, role = await _room(tx, self.room_id, self.user_id)
        if refusal := rules.change_room(room.kind, role):
            raise refusal
        if self.title is not None and not self.title.strip():
            raise Invalid("a group needs a title")
        if self.avatar_id:
            await check_avatar(tx, self.user_id, self.avatar_id)
        before = room.avatar.id if room.avatar else ""
        if self.avatar_id is not None:
            await swap(tx, before, self.avatar_id)
        entry = await tx.append(
            Kind.ROOM_CHANGED,
            Stream.room(self.room_id),
            actor_id=self.user_id,
            subject_id=self.room_id,
        )
        await tx.run(
            "UPDATE rooms SET title = ?, about = ?, avatar_id = ?, changed = ? WHERE id = ?",
            (
                room.title if self.title is None else self.title.strip(),
                room.about if self.about is None else self.about,
                before if self.avatar_id is None else self.avatar_id,
                entry.position,
                self.room_id,
            ),
        )
        return self.room_id


async def _room(tx: WriteTransaction, room_id: int, user_id: int) -> tuple[RoomRecord, Role]:
    rooms = await chat.rooms_by_id(tx, [room_id])
    role = await chat.role(tx, room_id, user_id)
    if room_id not in rooms or role is Role.NONE:
        raise NotFound("no such room")
    return rooms[room_id], role


async def _create(
    tx: WriteTransaction, user_id: int, kind: RoomKind, title: str, avatar_id: str, key: str | None
) -> int:
    room_id = tx.position + 1  # the entry's own position is the room's id and stream
    entry = await tx.append(Kind.ROOM_CREATED, Stream.room(room_id), actor_id=user_id)
    await tx.run(
        "INSERT INTO rooms (id, kind, title, about, avatar_id, created_ms, last_number, activity, "
        "member_count, direct_key, changed) VALUES (?, ?, ?, '', ?, ?, 0, ?, 0, ?, ?)",
        (room_id, int(kind), title, avatar_id, tx.now_ms, room_id, key, entry.position),
    )
    return entry.subject_id


async def _join(tx: WriteTransaction, room_id: int, actor_id: int, users: dict[int, Role]) -> None:
    """Adds users who are not members; what was sent before they joined counts as seen."""
    if not users:
        return
    last = (await tx.rows("SELECT last_number FROM rooms WHERE id = ?", (room_id,)))[0][0]
    joined = {}
    for user_id in users:
        entry = await tx.append(
            Kind.MEMBER_JOINED, Stream.room(room_id), actor_id=actor_id, subject_id=user_id
        )
        joined[user_id] = entry.position
    await tx.run_many(
        tx.dialect.upsert(
            "members",
            ("room_id", "user_id"),
            ("role", "read_number", "delivered_number", "receipt_changed", "changed"),
        ),
        [
            (room_id, user, int(role), last, last, joined[user], joined[user])
            for user, role in users.items()
        ],
    )
    await tx.run_many(
        "INSERT INTO stays (user_id, room_id, joined_position, left_position) VALUES (?, ?, ?, 0)",
        [(user, room_id, position) for user, position in joined.items()],
    )
    await tx.run(
        "UPDATE rooms SET member_count = member_count + ? WHERE id = ?", (len(users), room_id)
    )
