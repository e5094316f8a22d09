"""Messages: send, edit, delete for everyone, hide for oneself, and the pointers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from store import rules
from store.changes.base import Change, Key, SingleChange
from store.changes.uses import let_go, use
from store.errors import Conflict, DomainError, Invalid, NotFound
from store.log import Kind, Stream, WriteTransaction
from store.queries import chat
from store.queries.media import media_by_id
from store.records import (
    HiddenRecord,
    MediaRecord,
    MessageRecord,
    Purpose,
    ReceiptRecord,
    Role,
)
from store.transaction import Dialect, Statement


class SendMessage(Change[MessageRecord], frozen=True, kw_only=True):
    """A message into a room. `client_id` is unique per sender for ever: a second message with
    it answers with the first. The sender has seen what came before."""

    RESULT: ClassVar[type[MessageRecord]] = MessageRecord

    sender_id: int
    room_id: int
    client_id: bytes
    text: str
    media_ids: tuple[str, ...] = ()
    reply_to: int = 0

    def touches(self) -> Sequence[Key]:
        return (("room", self.room_id),)

    def excludes(self) -> Sequence[Key]:
        # The sender belongs to the key: another's equal client_id is another message.
        return ((f"sent:{self.sender_id}", self.client_id),)

    @classmethod
    async def apply(
        cls, tx: WriteTransaction, changes: Sequence[Self]
    ) -> list[MessageRecord | DomainError]:
        room_ids = list(dict.fromkeys(c.room_id for c in changes))
        of_roles, of_sent, of_rooms = await tx.open_streams(
            (Stream.room(room_id) for room_id in room_ids),
            chat.roles_query(tx.dialect, [(c.room_id, c.sender_id) for c in changes]),
            _sent_query(tx.dialect, changes),
            chat.sendable_query(tx.dialect, room_ids),
        )
        roles = chat.roles_of(of_roles)
        numbers: dict[int, int] = {row[0]: row[1] for row in of_rooms}
        closed = {row[0] for row in of_rooms if row[2]}
        sent = {(m.sender_id, m.client_id): m for m in await chat.messages_of_rows(tx, of_sent)}
        media = await media_by_id(tx, (one for c in changes for one in c.media_ids))
        readable = await _readable_replies(tx, changes)
        outcomes: list[MessageRecord | DomainError] = []
        made: list[MessageRecord] = []
        for change in changes:
            before = sent.get((change.sender_id, change.client_id))
            refusal = rules.send(
                roles.get((change.room_id, change.sender_id), Role.NONE),
                closed=before is None and change.room_id in closed,
            )
            if refusal is None and before is not None and before.room_id != change.room_id:
                refusal = Conflict("this client_id was used in another room")
            reply = (change.room_id, change.sender_id, change.reply_to)
            if refusal is None and change.reply_to and reply not in readable:
                refusal = NotFound("no such message to reply to")
            attached: list[MediaRecord] = []
            for media_id in change.media_ids:
                refusal = refusal or _attach(media.get(media_id), change.sender_id)
                if media_id in media:
                    attached.append(media[media_id])
            if refusal is not None:
                outcomes.append(refusal)
                continue
            if before is not None:
                outcomes.append(before)
                continue
            number = numbers[change.room_id] = numbers[change.room_id] + 1
            entry = await tx.append(
                Kind.MESSAGE_SENT, Stream.room(change.room_id), actor_id=change.sender_id
            )
            entry.record = message = MessageRecord(
                id=entry.position,
                room_id=change.room_id,
                number=number,
                sender_id=change.sender_id,
                client_id=change.client_id,
                text=change.text,
                media=tuple(attached),
                reply_to=change.reply_to,
                created_ms=tx.now_ms,
                edited_ms=0,
                deleted=False,
                changed=entry.position,
            )
            outcomes.append(message)
            made.append(message)
        await _write(tx, made)
        return outcomes


async def _write(tx: WriteTransaction, made: Sequence[MessageRecord]) -> None:
    if not made:
        return
    await tx.run_many(
        "INSERT INTO messages (id, room_id, number, sender_id, client_id, text, media, reply_to, "
        "created_ms, edited_ms, deleted, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?)",
        [
            (
                m.id,
                m.room_id,
                m.number,
                m.sender_id,
                m.client_id,
                m.text,
                " ".join(one.id for one in m.media),
                m.reply_to,
                m.created_ms,
                m.changed,
            )
            for m in made
        ],
    )
    if any(m.media for m in made):
        await use(tx, (one.id for m in made for one in m.media))
        await tx.run_many(
            tx.dialect.insert_new("message_media", ("media_id", "message_id", "room_id")),
            [(one.id, m.id, m.room_id) for m in made for one in m.media],
        )
    # A later message of the same room overwrites: only the last of each matters.
    await tx.run_many(
        "UPDATE rooms SET last_number = ?, activity = ? WHERE id = ?",
        {m.room_id: (m.number, m.id, m.room_id) for m in made}.values(),
    )
    await tx.run_many(
        "UPDATE members SET read_number = ?, delivered_number = ? "
        "WHERE room_id = ? AND user_id = ?",
        {
            (m.room_id, m.sender_id): (m.number, m.number, m.room_id, m.sender_id) for m in made
        }.values(),
    )


def _sent_query(dialect: Dialect, changes: Sequence[SendMessage]) -> Statement:
    """What was sent with their client_ids before."""
    return (
        f"SELECT {chat.MESSAGE} FROM messages m WHERE (m.client_id, m.sender_id) IN "
        + dialect.in_pairs(len(changes)),
        [value for c in changes for value in (c.client_id, c.sender_id)],
    )


async def _readable_replies(
    tx: WriteTransaction, changes: Sequence[SendMessage]
) -> set[tuple[int, int, int]]:
    """The (room, sender, message) of each reply to a message that its sender may read."""
    replies = [c for c in changes if c.reply_to]
    found = await chat.messages_by_id(tx, (c.reply_to for c in replies))
    return {
        (c.room_id, c.sender_id, c.reply_to)
        for c in replies
        if c.reply_to in found
        and found[c.reply_to].room_id == c.room_id
        and await chat.is_visible(tx, c.reply_to, c.sender_id)
    }


def _attach(media: MediaRecord | None, user_id: int) -> DomainError | None:
    if media is None:
        return NotFound("no such media")
    return rules.attach_media(
        mine=media.owner_id == user_id,
        stored=media.stored,
        purpose=media.purpose,
        wanted=Purpose.CHAT,
    )


async def _message(
    tx: WriteTransaction, message_id: int, user_id: int
) -> tuple[MessageRecord, Role, bool]:
    """A message with the user's role in its room, and whether he may see it."""
    found = await chat.messages_by_id(tx, [message_id])
    if message_id not in found:
        raise NotFound("no such message")
    message = found[message_id]
    role = await chat.role(tx, message.room_id, user_id)
    return message, role, await chat.is_visible(tx, message_id, user_id)


class EditMessage(SingleChange[MessageRecord], frozen=True, kw_only=True):
    RESULT: ClassVar[type[MessageRecord]] = MessageRecord

    user_id: int
    message_id: int
    text: str

    def excludes(self) -> Sequence[Key]:
        return (("message", self.message_id),)

    async def apply_one(self, tx: WriteTransaction) -> MessageRecord:
        message, role, visible = await _message(tx, self.message_id, self.user_id)
        refusal = rules.edit_message(
            role,
            visible,
            mine=message.sender_id == self.user_id,
            deleted=message.deleted,
            age_ms=tx.now_ms - message.created_ms,
            closed=await chat.is_closed(tx, message.room_id),
        )
        if refusal is not None:
            raise refusal
        if not self.text and not message.media:
            raise Invalid("a message needs text or media")
        entry = await tx.append(
            Kind.MESSAGE_EDITED,
            Stream.room(message.room_id),
            actor_id=self.user_id,
            subject_id=message.id,
        )
        await tx.run(
            "UPDATE messages SET text = ?, edited_ms = ?, changed = ? WHERE id = ?",
            (self.text, tx.now_ms, entry.position, message.id),
        )
        return (await chat.messages_by_id(tx, [message.id]))[message.id]


class DeleteMessage(SingleChange[MessageRecord], frozen=True, kw_only=True):
    """For everyone: text and media are gone, its number stays. Deleting again changes nothing."""

    RESULT: ClassVar[type[MessageRecord]] = MessageRecord

    user_id: int
    message_id: int

    def excludes(self) -> Sequence[Key]:
        return (("message", self.message_id),)

    async def apply_one(self, tx: WriteTransaction) -> MessageRecord:
        message, role, visible = await _message(tx, self.message_id, self.user_id)
        room = (await chat.rooms_by_id(tx, [message.room_id]))[message.room_id]
        refusal = rules.delete_message(
            room.kind,
            role,
            visible,
            mine=message.sender_id == self.user_id,
            sender=await chat.role(tx, message.room_id, message.sender_id),
        )
        if refusal is not None:
            raise refusal
        if message.deleted:
            return message
        entry = await tx.append(
            Kind.MESSAGE_DELETED,
            Stream.room(message.room_id),
            actor_id=self.user_id,
            subject_id=message.id,
        )
        await tx.run(
            "UPDATE messages SET text = '', media = '', deleted = 1, changed = ? WHERE id = ?",
            (entry.position, message.id),
        )
        await tx.run("DELETE FROM message_media WHERE message_id = ?", (message.id,))
        await let_go(tx, (one.id for one in message.media))
        await tx.run(
            "INSERT INTO deleted_messages (room_id, number) VALUES (?, ?)",
            (message.room_id, message.number),
        )
        return (await chat.messages_by_id(tx, [message.id]))[message.id]


class HideMessage(SingleChange[HiddenRecord], frozen=True, kw_only=True):
    """Deletes a message for oneself alone, on all one's devices."""

    RESULT: ClassVar[type[HiddenRecord]] = HiddenRecord

    user_id: int
    message_id: int

    def excludes(self) -> Sequence[Key]:
        return (("message", self.message_id),)

    async def apply_one(self, tx: WriteTransaction) -> HiddenRecord:
        message, role, visible = await _message(tx, self.message_id, self.user_id)
        if refusal := rules.read_message(role, visible):
            raise refusal
        await tx.run(
            tx.dialect.insert_new("hidden_messages", ("user_id", "message_id")),
            (self.user_id, message.id),
        )
        hidden = HiddenRecord(room_id=message.room_id, message_id=message.id)
        await tx.append(
            Kind.MESSAGE_HIDDEN,
            Stream.user(self.user_id),
            actor_id=self.user_id,
            subject_id=message.id,
            other_id=message.room_id,
            record=hidden,
        )
        return hidden


class MovePointer(Change[ReceiptRecord], frozen=True, kw_only=True):
    """Delivered or seen up to a number. Pointers never move back; one that does not move
    leaves no entry. What was seen was delivered."""

    RESULT: ClassVar[type[ReceiptRecord]] = ReceiptRecord

    user_id: int
    room_id: int
    number: int
    seen: bool

    def touches(self) -> Sequence[Key]:
        # Not the room: a pointer and a message commute, and a busy room must stay one wave.
        return (("pointers", self.room_id),)

    @classmethod
    async def apply(
        cls, tx: WriteTransaction, changes: Sequence[Self]
    ) -> list[ReceiptRecord | DomainError]:
        rooms = list(dict.fromkeys(c.room_id for c in changes))
        members, of_numbers = await tx.open_streams(
            (Stream.room(room_id) for room_id in rooms),
            chat.receipts_query(tx.dialect, [(c.room_id, c.user_id) for c in changes]),
            chat.numbers_query(tx.dialect, rooms),
        )
        roles, receipts = chat.roles_of(members), chat.receipts_of(members)
        last: dict[int, int] = dict(of_numbers)
        outcomes: list[ReceiptRecord | DomainError] = []
        moved: dict[tuple[int, int], ReceiptRecord] = {}
        for change in changes:
            pair = (change.room_id, change.user_id)
            if refusal := rules.read_room(roles.get(pair, Role.NONE)):
                outcomes.append(refusal)
                continue
            now = receipts[pair]
            number = min(change.number, last[change.room_id])
            read = max(now.read_number, number if change.seen else 0)
            delivered = max(now.delivered_number, number)
            if (read, delivered) != (now.read_number, now.delivered_number):
                entry = await tx.append(
                    Kind.RECEIPT,
                    Stream.room(change.room_id),
                    actor_id=change.user_id,
                    subject_id=change.user_id,
                    numbered=False,
                )
                now = entry.record = receipts[pair] = moved[pair] = ReceiptRecord(
                    room_id=change.room_id,
                    user_id=change.user_id,
                    read_number=read,
                    delivered_number=delivered,
                    changed=entry.position,
                )
            outcomes.append(now)
        if moved:
            await tx.run_many(
                "UPDATE members SET read_number = ?, delivered_number = ?, receipt_changed = ? "
                "WHERE room_id = ? AND user_id = ?",
                [
                    (r.read_number, r.delivered_number, r.changed, r.room_id, r.user_id)
                    for r in moved.values()
                ],
            )
        return outcomes
