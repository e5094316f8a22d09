"""Rows as values: what queries return and what changes answer.

Times are Unix milliseconds. `changed` is the log position of the row's last change: of two
states of a row the one with the greater `changed` is the newer.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Purpose(IntEnum):
    POST = 1
    AVATAR = 2
    CHAT = 3  # private: only by signed, expiring URLs

    @property
    def is_public(self) -> bool:
        return self is not Purpose.CHAT


class RoomKind(IntEnum):
    DIRECT = 1
    GROUP = 2


class Role(IntEnum):
    NONE = 0  # has left, or was never there
    MEMBER = 1
    ADMIN = 2
    OWNER = 3


class NotificationKind(IntEnum):
    LIKE = 1
    COMMENT = 2
    REPLY = 3
    FOLLOW = 4
    MENTION = 5


class ActivityKind(IntEnum):
    LIKE = 1
    COMMENT = 2
    FOLLOW = 3


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Equal when every field is."""


class MotionState(IntEnum):
    NONE = 0  # nothing is made of it beforehand
    PREPARING = 1  # its adaptive streams are on their way
    READY = 2
    FAILED = 3  # they could not be made


class FileKind(IntEnum):
    """What a file is that was made of an original."""

    POSTER = 1
    INDEX = 2  # the multivariant playlist
    PLAYLIST = 3  # of one rendition
    INIT = 4
    SEGMENT = 5


class MediaFile(Record, frozen=True, kw_only=True):
    """A blob that was made of an original, and goes with it."""

    digest: bytes  # SHA-256
    kind: FileKind
    size: int


class MotionRecord(Record, frozen=True, kw_only=True):
    """What is known of a video, or of sound."""

    duration_ms: int
    video_codec: str = ""  # "" for sound
    audio_codec: str = ""  # "" where there is none
    rotation: int = 0  # degrees clockwise that its camera asks for
    poster: bytes = b""  # the digest of a JPEG of its first frame; empty for sound
    waveform: bytes = b""  # of sound: the loudest of each of 64 parts, 0 to 255
    state: MotionState = MotionState.NONE


class MediaRecord(Record, frozen=True, kw_only=True):
    id: str
    owner_id: int
    purpose: Purpose
    stored: bool
    blob_hash: bytes  # SHA-256; until the bytes are there the announced one, or empty
    size: int
    mime: str
    width: int
    height: int
    color: str
    name: str
    created_ms: int
    changed: int
    motion: MotionRecord | None = None
    thumbhash: bytes = b""  # what it looks like; empty of sound, and of what came before there was

    @property
    def is_opaque(self) -> bool:
        """Whether it is video or sound that nobody has looked into: served as it is, or not at
        all."""
        return self.stored and self.motion is None and not self.mime.startswith("image/")

    @property
    def still(self) -> bytes:
        """The digest of the image that pictures of it are made from; empty where it has none."""
        if self.motion is not None:
            return self.motion.poster
        return b"" if self.is_opaque else self.blob_hash


class UserRecord(Record, frozen=True, kw_only=True):
    id: int
    username: str
    name: str
    avatar: MediaRecord | None = None


class ProfileRecord(Record, frozen=True, kw_only=True):
    user: UserRecord
    about: str
    changed: int
    posts: int = 0
    followers: int = 0
    followings: int = 0
    followed_by_viewer: bool = False
    follows_viewer: bool = False
    blocked_by_viewer: bool = False


class SessionRecord(Record, frozen=True, kw_only=True):
    id: int
    user_id: int
    device: str
    client: str
    created_ms: int
    last_used_ms: int
    expires_ms: int
    revoked_ms: int = 0


class RoomRecord(Record, frozen=True, kw_only=True):
    id: int
    kind: RoomKind
    title: str
    about: str
    avatar: MediaRecord | None
    created_ms: int
    last_number: int
    activity: int
    member_count: int
    changed: int


class MemberRecord(Record, frozen=True, kw_only=True):
    room_id: int
    user: UserRecord
    role: Role
    read_number: int
    delivered_number: int
    changed: int


class ReceiptRecord(Record, frozen=True, kw_only=True):
    room_id: int
    user_id: int
    read_number: int
    delivered_number: int
    changed: int


class MessageRecord(Record, frozen=True, kw_only=True):
    id: int
    room_id: int
    number: int
    sender_id: int
    client_id: bytes
    text: str
    media: tuple[MediaRecord, ...]
    reply_to: int
    created_ms: int
    edited_ms: int
    deleted: bool
    changed: int


class HiddenRecord(Record, frozen=True, kw_only=True):
    room_id: int
    message_id: int


class RoomSummaryRecord(Record, frozen=True, kw_only=True):
    """A room as one member sees it."""

    room: RoomRecord
    last_message: MessageRecord | None
    unread: int
    me: MemberRecord
    members: tuple[MemberRecord, ...]
    base_sequence: int


class PostRecord(Record, frozen=True, kw_only=True):
    id: int
    author: UserRecord
    text: str
    media: tuple[MediaRecord, ...]
    created_ms: int
    edited_ms: int
    deleted: bool
    changed: int
    likes: int = 0
    comments: int = 0
    liked_by_viewer: bool = False


class LikeRecord(Record, frozen=True, kw_only=True):
    post_id: int
    user_id: int
    liked: bool
    changed: int


class CommentRecord(Record, frozen=True, kw_only=True):
    id: int
    post_id: int
    author: UserRecord
    text: str
    reply_to: int
    created_ms: int
    edited_ms: int
    deleted: bool
    changed: int
    replies: int = 0


class FollowRecord(Record, frozen=True, kw_only=True):
    follower_id: int
    followee_id: int
    following: bool
    changed: int


class BlockRecord(Record, frozen=True, kw_only=True):
    blocker_id: int
    blocked_id: int
    blocked: bool
    changed: int


class ActivityRecord(Record, frozen=True, kw_only=True):
    """Something that somebody has done. `id` is its position in the log."""

    id: int
    kind: ActivityKind
    actor: UserRecord
    created_ms: int
    post: PostRecord | None  # that was liked, or commented
    comment: CommentRecord | None
    user: UserRecord | None  # who was followed


class NotificationRecord(Record, frozen=True, kw_only=True):
    """What several people have done of one kind about one thing."""

    id: int
    user_id: int
    kind: NotificationKind
    actors: tuple[UserRecord, ...]  # the latest few, the latest first: one at least
    actor_count: int
    post_id: int
    post_media: MediaRecord | None
    comment_id: int  # of the latest deed
    comment_text: str
    latest: int  # position of the latest deed: the order of the list, and what is marked seen
    latest_ms: int
    seen: bool
    changed: int


class RemovedRecord(Record, frozen=True, kw_only=True):
    """A notification that was taken back."""

    notification_id: int
    changed: int


class NotificationSettingsRecord(Record, frozen=True, kw_only=True):
    """Of which kinds a user wants no notifications."""

    user_id: int
    muted: tuple[NotificationKind, ...]
    changed: int  # 0: never


class SeenRecord(Record, frozen=True, kw_only=True):
    """All notifications whose latest deed is up to a position were seen."""

    up_to: int
    changed: int
