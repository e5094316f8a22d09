"""From a record to the frame that carries it: the whole row, once, the same for everyone."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.push.render import Renderer, stream_view
from rpc.proto import frames_pb2
from rpc.proto.frames_pb2 import Update
from rpc.views import Views
from rpc.wire import decode_server
from store import records as rows
from store.log import Entry, Kind, Stream
from store.queries.hydrate import LOADERS
from tests.rpc.services.kit import Urls

RENDERER = Renderer(Views(Urls()))
USER = rows.UserRecord(id=5, username="ann", name="Ann")
MEDIA = rows.MediaRecord(
    id="m" * 32, owner_id=5, purpose=rows.Purpose.POST, stored=True, blob_hash=b"h" * 32, size=9,
    mime="image/jpeg", width=4, height=3, color="#336699", name="", created_ms=1, changed=77,
)  # fmt: skip
TIMES: dict[str, Any] = {"created_ms": 1, "edited_ms": 2, "deleted": False, "changed": 77}

ROWS: dict[str, tuple[Any, dict[str, object]]] = {
    "message": (
        rows.MessageRecord(
            id=9, room_id=3, number=2, sender_id=5, client_id=b"c", text="hi", media=(MEDIA,),
            reply_to=8, **TIMES,
        ),
        {"id": 9, "room_id": 3, "number": 2, "text": "hi", "reply_to": 8, "changed": 77},
    ),
    "room": (
        rows.RoomRecord(
            id=3, kind=rows.RoomKind.GROUP, title="club", about="us", avatar=MEDIA, created_ms=1,
            last_number=2, activity=9, member_count=4, changed=77,
        ),
        {"id": 3, "title": "club", "member_count": 4, "changed": 77},
    ),
    "member": (
        rows.MemberRecord(
            room_id=3, user=USER, role=rows.Role.ADMIN, read_number=1, delivered_number=2,
            changed=77,
        ),
        {"room_id": 3, "role": 2, "changed": 77},
    ),
    "receipt": (
        rows.ReceiptRecord(room_id=3, user_id=5, read_number=1, delivered_number=2, changed=77),
        {"room_id": 3, "user_id": 5, "read_number": 1, "delivered_number": 2, "changed": 77},
    ),
    "message_hidden": (
        rows.HiddenRecord(room_id=3, message_id=9), {"room_id": 3, "message_id": 9},
    ),
    "profile": (
        rows.ProfileRecord(user=USER, about="me", changed=77, posts=1, followers=2, followings=3),
        {"about": "me", "posts": 1, "followers": 2, "followings": 3, "changed": 77},
    ),
    "post": (
        rows.PostRecord(
            id=9, author=USER, text="sea", media=(MEDIA,), likes=4, comments=2, **TIMES,
        ),
        {"id": 9, "text": "sea", "likes": 4, "comments": 2, "changed": 77},
    ),
    "like": (
        rows.LikeRecord(post_id=9, user_id=5, liked=True, changed=77),
        {"post_id": 9, "liked": True, "changed": 77},
    ),
    "comment": (
        rows.CommentRecord(id=9, post_id=3, author=USER, text="ah", reply_to=8, **TIMES),
        {"id": 9, "post_id": 3, "text": "ah", "reply_to": 8, "changed": 77},
    ),
    "follow": (
        rows.FollowRecord(follower_id=5, followee_id=6, following=True, changed=77),
        {"user_id": 6, "following": True, "changed": 77},
    ),
    "block": (
        rows.BlockRecord(blocker_id=5, blocked_id=6, blocked=True, changed=77),
        {"user_id": 6, "blocked": True, "changed": 77},
    ),
    "notification": (
        rows.NotificationRecord(
            id=9, user_id=5, kind=rows.NotificationKind.REPLY, actors=(USER, USER), actor_count=4,
            post_id=3, post_media=MEDIA, comment_id=8, comment_text="ah", latest=70, latest_ms=1,
            seen=True, changed=77,
        ),
        {
            "id": 9, "kind": 3, "post_id": 3, "comment_id": 8, "comment_text": "ah", "seen": True,
            "actor_count": 4, "latest": 70, "latest_ms": 1,
        },
    ),
    "notification_removed": (
        rows.RemovedRecord(notification_id=9, changed=77), {"notification_id": 9, "changed": 77},
    ),
    "notifications_seen": (
        rows.SeenRecord(up_to=9, changed=77), {"up_to": 9, "changed": 77},
    ),
    "notification_settings": (
        rows.NotificationSettingsRecord(
            user_id=5, muted=(rows.NotificationKind.LIKE, rows.NotificationKind.MENTION), changed=77
        ),
        {"muted": [1, 5], "changed": 77},
    ),
    "session": (
        rows.SessionRecord(
            id=9, user_id=5, device="phone", client="c", created_ms=1, last_used_ms=2,
            expires_ms=3, revoked_ms=4,
        ),
        {"id": 9, "device": "phone", "revoked": True},
    ),
    "media": (MEDIA, {"id": "m" * 32, "mime": "image/jpeg", "width": 4, "height": 3, "size": 9}),
}  # fmt: skip


def entry(record: Any = None, *, stream: Stream | None = None, sequence: int = 6) -> Entry:
    return Entry(
        position=77,
        at_ms=1,
        kind=Kind.PROFILE_CHANGED,
        stream=stream or Stream.user(5),
        sequence=sequence,
        actor_id=4,
        subject_id=9,
        record=record,
    )


@pytest.mark.parametrize("body", ROWS)
def test_each_row_has_its_place_in_an_update(body: str) -> None:
    record, fields = ROWS[body]
    (frame,) = decode_server(RENDERER.encode(entry(record)))
    update = frame.update
    assert (update.sequence, update.position, update.actor_id) == (6, 77, 4)
    assert update.stream == stream_view(Stream.user(5))
    assert update.WhichOneof("body") == body
    shown = getattr(update, body)
    assert {name: getattr(shown, name) for name in fields} == fields


def test_every_body_of_an_update_is_rendered() -> None:
    bodies = {field.name for field in Update.DESCRIPTOR.oneofs_by_name["body"].fields}
    assert set(ROWS) == bodies


def test_every_kind_of_entry_can_be_loaded() -> None:
    assert set(LOADERS) == set(Kind)


def test_streams_keep_their_kind() -> None:
    assert stream_view(Stream.room(3)) == frames_pb2.Stream(kind=frames_pb2.STREAM_ROOM, id=3)
    assert stream_view(Stream.user(3)) == frames_pb2.Stream(kind=frames_pb2.STREAM_USER, id=3)


def test_a_row_that_is_gone_leaves_its_number_accounted_for() -> None:
    (frame,) = decode_server(RENDERER.encode(entry(stream=Stream.room(3))))
    skip: Any = frame.skip
    assert skip.stream == stream_view(Stream.room(3))
    assert (getattr(skip, "from"), skip.to, skip.position) == (6, 6, 77)


def test_a_pointer_that_is_gone_leaves_nothing() -> None:
    assert RENDERER.encode(entry(sequence=0)) == b""
    assert RENDERER.skip(Stream.room(3), 0, 0, 77) == b""


def test_a_skip_spans_numbers() -> None:
    (frame,) = decode_server(RENDERER.skip(Stream.room(3), 4, 8, 99))
    skip: Any = frame.skip
    assert (getattr(skip, "from"), skip.to, skip.position) == (4, 8, 99)


def test_what_is_private_is_not_in_what_everyone_receives() -> None:
    """A viewer's own marks are not part of a row that its whole stream receives; media of a
    chat have no public address."""
    private = rows.MediaRecord(
        **{name: getattr(MEDIA, name) for name in MEDIA.__struct_fields__ if name != "purpose"},
        purpose=rows.Purpose.CHAT,
    )
    (frame,) = decode_server(RENDERER.encode(entry(private)))
    assert frame.update.media.url == ""
    (frame,) = decode_server(RENDERER.encode(entry(MEDIA)))
    assert frame.update.media.url == f"/m/{MEDIA.id}"
    session, _ = ROWS["session"]
    (frame,) = decode_server(RENDERER.encode(entry(session)))
    assert not frame.update.session.current
