"""What the model and the record speak of: the entries of a stream (pure)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from rpc.client import StreamKey
from rpc.proto import frames_pb2, models_pb2

State = tuple[object, ...]

MESSAGE, RECEIPT, NOTIFICATION = "message", "receipt", "notification"
JOINED, GONE, SKIP = "room_joined", "room_gone", "skip"


def room_stream(room_id: int) -> StreamKey:
    return StreamKey(frames_pb2.STREAM_ROOM, room_id)


def user_stream(user_id: int) -> StreamKey:
    return StreamKey(frames_pb2.STREAM_USER, user_id)


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of a stream that a viewer should have received, and the state in which it left
    the row `subject` of the kind `kind`."""

    kind: str
    subject: Hashable
    state: State
    position: int = 0  # in the log; 0: no answer named it
    after: int = 0  # what the stream had come to at least when it was made
    veiled: bool = False  # this viewer is to receive its number alone
    optional: bool = False  # may not come: it was before the cursor, or never was

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} {_short(self.state)}"


@dataclass(frozen=True, slots=True)
class Slot:
    """What a device received at one place of a stream."""

    kind: str
    subject: Hashable
    state: State
    sequence: int  # the last number that it accounts for; 0: none
    position: int
    span: int = 1  # how many numbers it accounts for
    of_user: bool = False  # in a user's own stream
    row: Message | None = None

    def __str__(self) -> str:
        return f"number {self.sequence}: {self.kind} {self.subject} {_short(self.state)}"


def _short(state: State) -> str:
    text = ", ".join(str(part) for part in state)
    return f"({text if len(text) <= 100 else text[:97] + '…'})"


# The part of a row that the model knows.


def message_state(
    *,
    sender_id: int,
    number: int,
    client_id: bytes,
    text: str,
    media_ids: tuple[str, ...],
    reply_to: int,
    edited: bool = False,
    deleted: bool = False,
) -> State:
    return (sender_id, number, client_id.hex(), text, media_ids, reply_to, edited, deleted)


def _message(row: models_pb2.Message) -> tuple[Hashable, State]:
    return row.id, message_state(
        sender_id=row.sender_id,
        number=row.number,
        client_id=row.client_id,
        text=row.text,
        media_ids=tuple(one.id for one in row.media),
        reply_to=row.reply_to,
        edited=bool(row.edited_ms),
        deleted=row.deleted,
    )


def _post(row: models_pb2.Post) -> tuple[Hashable, State]:
    media_ids = tuple(one.id for one in row.media)
    return row.id, (row.text, media_ids, bool(row.edited_ms), row.deleted)


def _comment(row: models_pb2.Comment) -> tuple[Hashable, State]:
    return row.id, (row.post_id, row.text, row.reply_to, bool(row.edited_ms), row.deleted)


def _profile(row: models_pb2.Profile) -> tuple[Hashable, State]:
    user = row.user
    return user.id, (user.username, user.name, row.about, user.avatar.id)


_SHAPES: dict[str, Callable[[Any], tuple[Hashable, State]]] = {
    MESSAGE: _message,
    "room": lambda row: (row.id, (row.title,)),
    "member": lambda row: (row.user.id, (int(row.role),)),
    "message_hidden": lambda row: (row.message_id, (row.room_id,)),
    "profile": _profile,
    "post": _post,
    "like": lambda row: (row.post_id, (row.liked,)),
    "comment": _comment,
    "follow": lambda row: (row.user_id, (row.following,)),
    NOTIFICATION: lambda row: (row.id, (row.actor.username, row.actor_count, row.comment_text)),
    "notification_removed": lambda row: (row.notification_id, ()),
    "notifications_seen": lambda row: ("seen", (row.up_to,)),
    "session": lambda row: (row.id, (row.revoked,)),
    "media": lambda row: (row.id, (int(row.purpose), row.size, int(row.motion.state))),
}


def shape_of(update: frames_pb2.Update) -> tuple[str, Hashable, State]:
    """(kind, subject, state) of an update of any kind but a receipt's."""
    kind = str(update.WhichOneof("body"))
    shape = _SHAPES.get(kind)
    if shape is None:
        return kind, 0, ()
    subject, state = shape(getattr(update, kind))
    return kind, subject, state
