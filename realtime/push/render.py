"""From an entry with its record to the frame that carries it, encoded once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rpc.proto import frames_pb2
from rpc.proto.frames_pb2 import ServerFrame, Update
from rpc.views import Views
from rpc.wire import encode_server
from store.log import Entry, Stream, StreamKind
from store.records import (
    BlockRecord,
    CommentRecord,
    FollowRecord,
    HiddenRecord,
    LikeRecord,
    MediaRecord,
    MemberRecord,
    MessageRecord,
    NotificationRecord,
    NotificationSettingsRecord,
    PostRecord,
    ProfileRecord,
    ReceiptRecord,
    RemovedRecord,
    RoomRecord,
    SeenRecord,
    SessionRecord,
)

_STREAMS = {StreamKind.ROOM: frames_pb2.STREAM_ROOM, StreamKind.USER: frames_pb2.STREAM_USER}


def stream_view(stream: Stream) -> frames_pb2.Stream:
    return frames_pb2.Stream(kind=_STREAMS[stream.kind], id=stream.id)


class Renderer:
    """Encodes entries. The bytes of an entry are the same for everyone who receives it."""

    def __init__(self, views: Views) -> None:
        self._fields: dict[type, tuple[str, Callable[[Any], Any]]] = {
            MessageRecord: ("message", views.message),
            RoomRecord: ("room", views.room),
            MemberRecord: ("member", views.member),
            ReceiptRecord: ("receipt", views.receipt),
            HiddenRecord: ("message_hidden", _hidden),
            ProfileRecord: ("profile", views.profile),
            PostRecord: ("post", views.post),
            LikeRecord: ("like", views.like),
            CommentRecord: ("comment", views.comment),
            FollowRecord: ("follow", views.follow),
            BlockRecord: ("block", views.block),
            NotificationRecord: ("notification", views.notification),
            RemovedRecord: ("notification_removed", _removed),
            SeenRecord: ("notifications_seen", _seen),
            NotificationSettingsRecord: ("notification_settings", views.notification_settings),
            SessionRecord: ("session", views.session),
            MediaRecord: ("media", views.media),
        }

    def encode(self, entry: Entry) -> bytes:
        """A batch of one frame: the update, or a Skip where the row is gone."""
        if entry.record is None:
            return self.skip(entry.stream, entry.sequence, entry.sequence, entry.position)
        field, view = self._fields[type(entry.record)]
        return encode_server(
            ServerFrame(
                update=Update(
                    stream=stream_view(entry.stream),
                    sequence=entry.sequence,
                    position=entry.position,
                    actor_id=entry.actor_id,
                    **{field: view(entry.record)},
                )
            )
        )

    @staticmethod
    def skip(stream: Stream, first: int, last: int, position: int) -> bytes:
        """Accounts for numbers whose content this viewer does not receive."""
        if not last:
            return b""  # a pointer outside the sequence leaves nothing to account for
        skip = frames_pb2.Skip(stream=stream_view(stream), to=last, position=position)
        setattr(skip, "from", first)
        return encode_server(ServerFrame(skip=skip))


def _hidden(record: HiddenRecord) -> frames_pb2.MessageHidden:
    return frames_pb2.MessageHidden(room_id=record.room_id, message_id=record.message_id)


def _removed(record: RemovedRecord) -> frames_pb2.NotificationRemoved:
    return frames_pb2.NotificationRemoved(
        notification_id=record.notification_id, changed=record.changed
    )


def _seen(record: SeenRecord) -> frames_pb2.NotificationsSeen:
    return frames_pb2.NotificationsSeen(up_to=record.up_to, changed=record.changed)
