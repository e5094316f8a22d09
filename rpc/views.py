"""From records to view models: the only place where the one becomes the other.

No view depends on who looks, unless its record was read for that viewer; so what a room
receives is encoded once for all its members.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from rpc.context import MediaUrls
from rpc.proto import frames_pb2, models_pb2
from store.records import (
    ActivityRecord,
    BlockRecord,
    CommentRecord,
    FollowRecord,
    LikeRecord,
    MediaRecord,
    MemberRecord,
    MessageRecord,
    NotificationRecord,
    NotificationSettingsRecord,
    PostRecord,
    ProfileRecord,
    ReceiptRecord,
    RoomRecord,
    RoomSummaryRecord,
    SessionRecord,
    UserRecord,
)


def _enum(value: IntEnum) -> Any:
    """The store's enums have the numbers of the protocol's; protobuf takes them as they are."""
    return int(value)


class Views:
    """Builds view models; `urls` names where public media are found."""

    def __init__(self, urls: MediaUrls) -> None:
        self._urls = urls

    def media(self, record: MediaRecord) -> models_pb2.MediaObject:
        return models_pb2.MediaObject(
            id=record.id,
            purpose=_enum(record.purpose),
            mime=record.mime,
            size=record.size,
            width=record.width,
            height=record.height,
            color=record.color,
            thumbhash=record.thumbhash,
            url=self._urls.public_url(record),
            motion=self._motion(record),
            changed=record.changed,
        )

    def _motion(self, record: MediaRecord) -> models_pb2.Motion | None:
        motion = record.motion
        if motion is None:
            return None
        return models_pb2.Motion(
            duration_ms=motion.duration_ms,
            video_codec=motion.video_codec,
            audio_codec=motion.audio_codec,
            waveform=motion.waveform,
            state=_enum(motion.state),
            stream=self._urls.stream_url(record),
        )

    def _maybe(self, record: MediaRecord | None) -> models_pb2.MediaObject | None:
        return None if record is None else self.media(record)

    def _picture(self, record: MediaRecord | None) -> models_pb2.MediaObject | None:
        """As it is shown beside something else: no news of it changes this."""
        if record is None:
            return None
        shown = self.media(record)
        shown.ClearField("motion")
        shown.ClearField("changed")
        return shown

    def user(self, record: UserRecord) -> models_pb2.User:
        return models_pb2.User(
            id=record.id,
            username=record.username,
            name=record.name,
            avatar=self._maybe(record.avatar),
        )

    def profile(self, record: ProfileRecord) -> models_pb2.Profile:
        return models_pb2.Profile(
            user=self.user(record.user),
            about=record.about,
            changed=record.changed,
            posts=record.posts,
            followers=record.followers,
            followings=record.followings,
            followed_by_me=record.followed_by_viewer,
            follows_me=record.follows_viewer,
            blocked_by_me=record.blocked_by_viewer,
        )

    def session(self, record: SessionRecord, current_id: int = 0) -> models_pb2.Session:
        return models_pb2.Session(
            id=record.id,
            device=record.device,
            client=record.client,
            created_ms=record.created_ms,
            last_used_ms=record.last_used_ms,
            current=record.id == current_id,
            revoked=bool(record.revoked_ms),
        )

    def message(self, record: MessageRecord) -> models_pb2.Message:
        return models_pb2.Message(
            id=record.id,
            room_id=record.room_id,
            number=record.number,
            sender_id=record.sender_id,
            client_id=record.client_id,
            text=record.text,
            media=[self.media(one) for one in record.media],
            reply_to=record.reply_to,
            created_ms=record.created_ms,
            edited_ms=record.edited_ms,
            deleted=record.deleted,
            changed=record.changed,
        )

    def room(self, record: RoomRecord) -> models_pb2.Room:
        return models_pb2.Room(
            id=record.id,
            kind=_enum(record.kind),
            title=record.title,
            about=record.about,
            avatar=self._maybe(record.avatar),
            created_ms=record.created_ms,
            last_number=record.last_number,
            changed=record.changed,
            member_count=record.member_count,
        )

    def member(self, record: MemberRecord) -> models_pb2.Member:
        return models_pb2.Member(
            room_id=record.room_id,
            user=self.user(record.user),
            role=_enum(record.role),
            read_number=record.read_number,
            delivered_number=record.delivered_number,
            changed=record.changed,
        )

    def receipt(self, record: ReceiptRecord) -> models_pb2.Receipt:
        return models_pb2.Receipt(
            room_id=record.room_id,
            user_id=record.user_id,
            read_number=record.read_number,
            delivered_number=record.delivered_number,
            changed=record.changed,
        )

    def summary(self, record: RoomSummaryRecord) -> models_pb2.RoomSummary:
        last = record.last_message
        return models_pb2.RoomSummary(
            room=self.room(record.room),
            last_message=None if last is None else self.message(last),
            unread=record.unread,
            me=self.member(record.me),
            members=[self.member(one) for one in record.members],
            base_sequence=record.base_sequence,
        )

    def post(self, record: PostRecord) -> models_pb2.Post:
        return models_pb2.Post(
            id=record.id,
            author=self.user(record.author),
            text=record.text,
            media=[self.media(one) for one in record.media],
            created_ms=record.created_ms,
            edited_ms=record.edited_ms,
            deleted=record.deleted,
            changed=record.changed,
            likes=record.likes,
            comments=record.comments,
            liked_by_me=record.liked_by_viewer,
        )

    def like(self, record: LikeRecord) -> frames_pb2.Like:
        return frames_pb2.Like(post_id=record.post_id, liked=record.liked, changed=record.changed)

    def comment(self, record: CommentRecord) -> models_pb2.Comment:
        return models_pb2.Comment(
            id=record.id,
            post_id=record.post_id,
            author=self.user(record.author),
            text=record.text,
            reply_to=record.reply_to,
            created_ms=record.created_ms,
            edited_ms=record.edited_ms,
            deleted=record.deleted,
            changed=record.changed,
            replies=record.replies,
        )

    def follow(self, record: FollowRecord) -> frames_pb2.Follow:
        return frames_pb2.Follow(
            user_id=record.followee_id, following=record.following, changed=record.changed
        )

    def activity(self, record: ActivityRecord) -> models_pb2.ActivityItem:
        return models_pb2.ActivityItem(
            id=record.id,
            kind=_enum(record.kind),
            actor=self.user(record.actor),
            created_ms=record.created_ms,
            post=None if record.post is None else self.post(record.post),
            comment=None if record.comment is None else self.comment(record.comment),
            user=None if record.user is None else self.user(record.user),
        )

    def block(self, record: BlockRecord) -> frames_pb2.Block:
        return frames_pb2.Block(
            user_id=record.blocked_id, blocked=record.blocked, changed=record.changed
        )

    def notification(self, record: NotificationRecord) -> models_pb2.Notification:
        return models_pb2.Notification(
            id=record.id,
            kind=_enum(record.kind),
            actor=self.user(record.actors[0]),
            others=[self.user(one) for one in record.actors[1:]],
            actor_count=record.actor_count,
            post_id=record.post_id,
            post_media=self._picture(record.post_media),
            comment_id=record.comment_id,
            comment_text=record.comment_text,
            latest=record.latest,
            latest_ms=record.latest_ms,
            seen=record.seen,
            changed=record.changed,
        )

    def notification_settings(
        self, record: NotificationSettingsRecord
    ) -> models_pb2.NotificationSettings:
        return models_pb2.NotificationSettings(
            muted=[_enum(kind) for kind in record.muted], changed=record.changed
        )
