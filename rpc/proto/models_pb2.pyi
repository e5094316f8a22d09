from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PURPOSE_UNSPECIFIED: _ClassVar[Purpose]
    PURPOSE_POST: _ClassVar[Purpose]
    PURPOSE_AVATAR: _ClassVar[Purpose]
    PURPOSE_CHAT: _ClassVar[Purpose]

class MotionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MOTION_NONE: _ClassVar[MotionState]
    MOTION_PREPARING: _ClassVar[MotionState]
    MOTION_READY: _ClassVar[MotionState]
    MOTION_FAILED: _ClassVar[MotionState]

class RoomKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROOM_UNSPECIFIED: _ClassVar[RoomKind]
    ROOM_DIRECT: _ClassVar[RoomKind]
    ROOM_GROUP: _ClassVar[RoomKind]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_NONE: _ClassVar[Role]
    ROLE_MEMBER: _ClassVar[Role]
    ROLE_ADMIN: _ClassVar[Role]
    ROLE_OWNER: _ClassVar[Role]

class ActivityKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTIVITY_KIND_UNSPECIFIED: _ClassVar[ActivityKind]
    ACTIVITY_KIND_LIKE: _ClassVar[ActivityKind]
    ACTIVITY_KIND_COMMENT: _ClassVar[ActivityKind]
    ACTIVITY_KIND_FOLLOW: _ClassVar[ActivityKind]

class NotificationKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTIFICATION_UNSPECIFIED: _ClassVar[NotificationKind]
    NOTIFICATION_LIKE: _ClassVar[NotificationKind]
    NOTIFICATION_COMMENT: _ClassVar[NotificationKind]
    NOTIFICATION_REPLY: _ClassVar[NotificationKind]
    NOTIFICATION_FOLLOW: _ClassVar[NotificationKind]
    NOTIFICATION_MENTION: _ClassVar[NotificationKind]
PURPOSE_UNSPECIFIED: Purpose
PURPOSE_POST: Purpose
PURPOSE_AVATAR: Purpose
PURPOSE_CHAT: Purpose
MOTION_NONE: MotionState
MOTION_PREPARING: MotionState
MOTION_READY: MotionState
MOTION_FAILED: MotionState
ROOM_UNSPECIFIED: RoomKind
ROOM_DIRECT: RoomKind
ROOM_GROUP: RoomKind
ROLE_NONE: Role
ROLE_MEMBER: Role
ROLE_ADMIN: Role
ROLE_OWNER: Role
ACTIVITY_KIND_UNSPECIFIED: ActivityKind
ACTIVITY_KIND_LIKE: ActivityKind
ACTIVITY_KIND_COMMENT: ActivityKind
ACTIVITY_KIND_FOLLOW: ActivityKind
NOTIFICATION_UNSPECIFIED: NotificationKind
NOTIFICATION_LIKE: NotificationKind
NOTIFICATION_COMMENT: NotificationKind
NOTIFICATION_REPLY: NotificationKind
NOTIFICATION_FOLLOW: NotificationKind
NOTIFICATION_MENTION: NotificationKind

class User(_message.Message):
    __slots__ = ("id", "username", "name", "avatar")
    ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    id: int
    username: str
    name: str
    avatar: MediaObject
    def __init__(self, id: _Optional[int] = ..., username: _Optional[str] = ..., name: _Optional[str] = ..., avatar: _Optional[_Union[MediaObject, _Mapping]] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("user", "about", "changed", "posts", "followers", "followings", "followed_by_me", "follows_me", "blocked_by_me")
    USER_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    POSTS_FIELD_NUMBER: _ClassVar[int]
    FOLLOWERS_FIELD_NUMBER: _ClassVar[int]
    FOLLOWINGS_FIELD_NUMBER: _ClassVar[int]
    FOLLOWED_BY_ME_FIELD_NUMBER: _ClassVar[int]
    FOLLOWS_ME_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_BY_ME_FIELD_NUMBER: _ClassVar[int]
    user: User
    about: str
    changed: int
    posts: int
    followers: int
    followings: int
    followed_by_me: bool
    follows_me: bool
    blocked_by_me: bool
    def __init__(self, user: _Optional[_Union[User, _Mapping]] = ..., about: _Optional[str] = ..., changed: _Optional[int] = ..., posts: _Optional[int] = ..., followers: _Optional[int] = ..., followings: _Optional[int] = ..., followed_by_me: _Optional[bool] = ..., follows_me: _Optional[bool] = ..., blocked_by_me: _Optional[bool] = ...) -> None: ...

class MediaObject(_message.Message):
    __slots__ = ("id", "purpose", "mime", "size", "width", "height", "color", "url", "thumbhash", "motion", "changed")
    ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    MIME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    THUMBHASH_FIELD_NUMBER: _ClassVar[int]
    MOTION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    id: str
    purpose: Purpose
    mime: str
    size: int
    width: int
    height: int
    color: str
    url: str
    thumbhash: bytes
    motion: Motion
    changed: int
    def __init__(self, id: _Optional[str] = ..., purpose: _Optional[_Union[Purpose, str]] = ..., mime: _Optional[str] = ..., size: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., color: _Optional[str] = ..., url: _Optional[str] = ..., thumbhash: _Optional[bytes] = ..., motion: _Optional[_Union[Motion, _Mapping]] = ..., changed: _Optional[int] = ...) -> None: ...

class Motion(_message.Message):
    __slots__ = ("duration_ms", "video_codec", "audio_codec", "waveform", "state", "stream")
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    VIDEO_CODEC_FIELD_NUMBER: _ClassVar[int]
    AUDIO_CODEC_FIELD_NUMBER: _ClassVar[int]
    WAVEFORM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    duration_ms: int
    video_codec: str
    audio_codec: str
    waveform: bytes
    state: MotionState
    stream: str
    def __init__(self, duration_ms: _Optional[int] = ..., video_codec: _Optional[str] = ..., audio_codec: _Optional[str] = ..., waveform: _Optional[bytes] = ..., state: _Optional[_Union[MotionState, str]] = ..., stream: _Optional[str] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("id", "room_id", "number", "sender_id", "client_id", "text", "media", "reply_to", "created_ms", "edited_ms", "deleted", "changed")
    ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SENDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    EDITED_MS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    id: int
    room_id: int
    number: int
    sender_id: int
    client_id: bytes
    text: str
    media: _containers.RepeatedCompositeFieldContainer[MediaObject]
    reply_to: int
    created_ms: int
    edited_ms: int
    deleted: bool
    changed: int
    def __init__(self, id: _Optional[int] = ..., room_id: _Optional[int] = ..., number: _Optional[int] = ..., sender_id: _Optional[int] = ..., client_id: _Optional[bytes] = ..., text: _Optional[str] = ..., media: _Optional[_Iterable[_Union[MediaObject, _Mapping]]] = ..., reply_to: _Optional[int] = ..., created_ms: _Optional[int] = ..., edited_ms: _Optional[int] = ..., deleted: _Optional[bool] = ..., changed: _Optional[int] = ...) -> None: ...

class Room(_message.Message):
    __slots__ = ("id", "kind", "title", "about", "avatar", "created_ms", "last_number", "changed", "member_count")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    MEMBER_COUNT_FIELD_NUMBER: _ClassVar[int]
    id: int
    kind: RoomKind
    title: str
    about: str
    avatar: MediaObject
    created_ms: int
    last_number: int
    changed: int
    member_count: int
    def __init__(self, id: _Optional[int] = ..., kind: _Optional[_Union[RoomKind, str]] = ..., title: _Optional[str] = ..., about: _Optional[str] = ..., avatar: _Optional[_Union[MediaObject, _Mapping]] = ..., created_ms: _Optional[int] = ..., last_number: _Optional[int] = ..., changed: _Optional[int] = ..., member_count: _Optional[int] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("room_id", "user", "role", "read_number", "delivered_number", "changed")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    READ_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    user: User
    role: Role
    read_number: int
    delivered_number: int
    changed: int
    def __init__(self, room_id: _Optional[int] = ..., user: _Optional[_Union[User, _Mapping]] = ..., role: _Optional[_Union[Role, str]] = ..., read_number: _Optional[int] = ..., delivered_number: _Optional[int] = ..., changed: _Optional[int] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("room_id", "user_id", "read_number", "delivered_number", "changed")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    READ_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    user_id: int
    read_number: int
    delivered_number: int
    changed: int
    def __init__(self, room_id: _Optional[int] = ..., user_id: _Optional[int] = ..., read_number: _Optional[int] = ..., delivered_number: _Optional[int] = ..., changed: _Optional[int] = ...) -> None: ...

class RoomSummary(_message.Message):
    __slots__ = ("room", "last_message", "unread", "me", "members", "base_sequence")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    LAST_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    ME_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    BASE_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    room: Room
    last_message: Message
    unread: int
    me: Member
    members: _containers.RepeatedCompositeFieldContainer[Member]
    base_sequence: int
    def __init__(self, room: _Optional[_Union[Room, _Mapping]] = ..., last_message: _Optional[_Union[Message, _Mapping]] = ..., unread: _Optional[int] = ..., me: _Optional[_Union[Member, _Mapping]] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., base_sequence: _Optional[int] = ...) -> None: ...

class Post(_message.Message):
    __slots__ = ("id", "author", "text", "media", "created_ms", "edited_ms", "deleted", "changed", "likes", "comments", "liked_by_me")
    ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    EDITED_MS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    LIKES_FIELD_NUMBER: _ClassVar[int]
    COMMENTS_FIELD_NUMBER: _ClassVar[int]
    LIKED_BY_ME_FIELD_NUMBER: _ClassVar[int]
    id: int
    author: User
    text: str
    media: _containers.RepeatedCompositeFieldContainer[MediaObject]
    created_ms: int
    edited_ms: int
    deleted: bool
    changed: int
    likes: int
    comments: int
    liked_by_me: bool
    def __init__(self, id: _Optional[int] = ..., author: _Optional[_Union[User, _Mapping]] = ..., text: _Optional[str] = ..., media: _Optional[_Iterable[_Union[MediaObject, _Mapping]]] = ..., created_ms: _Optional[int] = ..., edited_ms: _Optional[int] = ..., deleted: _Optional[bool] = ..., changed: _Optional[int] = ..., likes: _Optional[int] = ..., comments: _Optional[int] = ..., liked_by_me: _Optional[bool] = ...) -> None: ...

class Comment(_message.Message):
    __slots__ = ("id", "post_id", "author", "text", "reply_to", "created_ms", "edited_ms", "deleted", "changed", "replies")
    ID_FIELD_NUMBER: _ClassVar[int]
    POST_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    EDITED_MS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    id: int
    post_id: int
    author: User
    text: str
    reply_to: int
    created_ms: int
    edited_ms: int
    deleted: bool
    changed: int
    replies: int
    def __init__(self, id: _Optional[int] = ..., post_id: _Optional[int] = ..., author: _Optional[_Union[User, _Mapping]] = ..., text: _Optional[str] = ..., reply_to: _Optional[int] = ..., created_ms: _Optional[int] = ..., edited_ms: _Optional[int] = ..., deleted: _Optional[bool] = ..., changed: _Optional[int] = ..., replies: _Optional[int] = ...) -> None: ...

class ActivityItem(_message.Message):
    __slots__ = ("id", "kind", "actor", "created_ms", "post", "comment", "user")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    POST_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    id: int
    kind: ActivityKind
    actor: User
    created_ms: int
    post: Post
    comment: Comment
    user: User
    def __init__(self, id: _Optional[int] = ..., kind: _Optional[_Union[ActivityKind, str]] = ..., actor: _Optional[_Union[User, _Mapping]] = ..., created_ms: _Optional[int] = ..., post: _Optional[_Union[Post, _Mapping]] = ..., comment: _Optional[_Union[Comment, _Mapping]] = ..., user: _Optional[_Union[User, _Mapping]] = ...) -> None: ...

class Notification(_message.Message):
    __slots__ = ("id", "kind", "actor", "post_id", "post_media", "comment_id", "comment_text", "latest_ms", "seen", "changed", "latest", "actor_count", "others")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    POST_ID_FIELD_NUMBER: _ClassVar[int]
    POST_MEDIA_FIELD_NUMBER: _ClassVar[int]
    COMMENT_ID_FIELD_NUMBER: _ClassVar[int]
    COMMENT_TEXT_FIELD_NUMBER: _ClassVar[int]
    LATEST_MS_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    ACTOR_COUNT_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    id: int
    kind: NotificationKind
    actor: User
    post_id: int
    post_media: MediaObject
    comment_id: int
    comment_text: str
    latest_ms: int
    seen: bool
    changed: int
    latest: int
    actor_count: int
    others: _containers.RepeatedCompositeFieldContainer[User]
    def __init__(self, id: _Optional[int] = ..., kind: _Optional[_Union[NotificationKind, str]] = ..., actor: _Optional[_Union[User, _Mapping]] = ..., post_id: _Optional[int] = ..., post_media: _Optional[_Union[MediaObject, _Mapping]] = ..., comment_id: _Optional[int] = ..., comment_text: _Optional[str] = ..., latest_ms: _Optional[int] = ..., seen: _Optional[bool] = ..., changed: _Optional[int] = ..., latest: _Optional[int] = ..., actor_count: _Optional[int] = ..., others: _Optional[_Iterable[_Union[User, _Mapping]]] = ...) -> None: ...

class NotificationSettings(_message.Message):
    __slots__ = ("muted", "changed")
    MUTED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    muted: _containers.RepeatedScalarFieldContainer[NotificationKind]
    changed: int
    def __init__(self, muted: _Optional[_Iterable[_Union[NotificationKind, str]]] = ..., changed: _Optional[int] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("id", "device", "client", "created_ms", "last_used_ms", "current", "revoked")
    ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_MS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    id: int
    device: str
    client: str
    created_ms: int
    last_used_ms: int
    current: bool
    revoked: bool
    def __init__(self, id: _Optional[int] = ..., device: _Optional[str] = ..., client: _Optional[str] = ..., created_ms: _Optional[int] = ..., last_used_ms: _Optional[int] = ..., current: _Optional[bool] = ..., revoked: _Optional[bool] = ...) -> None: ...
