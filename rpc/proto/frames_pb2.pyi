from rpc.proto import models_pb2 as _models_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Committed(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMMITTED_NO: _ClassVar[Committed]
    COMMITTED_YES: _ClassVar[Committed]
    COMMITTED_UNKNOWN: _ClassVar[Committed]

class Code(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CODE_UNSPECIFIED: _ClassVar[Code]
    INVALID_ARGUMENT: _ClassVar[Code]
    UNKNOWN_METHOD: _ClassVar[Code]
    UNAUTHENTICATED: _ClassVar[Code]
    PERMISSION_DENIED: _ClassVar[Code]
    NOT_FOUND: _ClassVar[Code]
    CONFLICT: _ClassVar[Code]
    RATE_LIMITED: _ClassVar[Code]
    TOO_MANY_CALLS: _ClassVar[Code]
    TOO_LARGE: _ClassVar[Code]
    DEADLINE_EXCEEDED: _ClassVar[Code]
    CANCELLED: _ClassVar[Code]
    OVERLOADED: _ClassVar[Code]
    UNAVAILABLE: _ClassVar[Code]
    OP_KEY_REUSED: _ClassVar[Code]
    INTERNAL: _ClassVar[Code]
    DUPLICATE_CALL_ID: _ClassVar[Code]

class StreamKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STREAM_UNSPECIFIED: _ClassVar[StreamKind]
    STREAM_ROOM: _ClassVar[StreamKind]
    STREAM_USER: _ClassVar[StreamKind]

class Activity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTIVITY_NONE: _ClassVar[Activity]
    ACTIVITY_TYPING: _ClassVar[Activity]
    ACTIVITY_SENDING_PHOTO: _ClassVar[Activity]
COMMITTED_NO: Committed
COMMITTED_YES: Committed
COMMITTED_UNKNOWN: Committed
CODE_UNSPECIFIED: Code
INVALID_ARGUMENT: Code
UNKNOWN_METHOD: Code
UNAUTHENTICATED: Code
PERMISSION_DENIED: Code
NOT_FOUND: Code
CONFLICT: Code
RATE_LIMITED: Code
TOO_MANY_CALLS: Code
TOO_LARGE: Code
DEADLINE_EXCEEDED: Code
CANCELLED: Code
OVERLOADED: Code
UNAVAILABLE: Code
OP_KEY_REUSED: Code
INTERNAL: Code
DUPLICATE_CALL_ID: Code
STREAM_UNSPECIFIED: StreamKind
STREAM_ROOM: StreamKind
STREAM_USER: StreamKind
ACTIVITY_NONE: Activity
ACTIVITY_TYPING: Activity
ACTIVITY_SENDING_PHOTO: Activity

class ClientBatch(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[ClientFrame]
    def __init__(self, frames: _Optional[_Iterable[_Union[ClientFrame, _Mapping]]] = ...) -> None: ...

class ServerBatch(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[ServerFrame]
    def __init__(self, frames: _Optional[_Iterable[_Union[ServerFrame, _Mapping]]] = ...) -> None: ...

class ClientFrame(_message.Message):
    __slots__ = ("hello", "call", "cancel", "ack", "ping", "refresh", "focus")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    FOCUS_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    call: Call
    cancel: Cancel
    ack: Ack
    ping: Ping
    refresh: Refresh
    focus: Focus
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., call: _Optional[_Union[Call, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., refresh: _Optional[_Union[Refresh, _Mapping]] = ..., focus: _Optional[_Union[Focus, _Mapping]] = ...) -> None: ...

class ServerFrame(_message.Message):
    __slots__ = ("welcome", "result", "failure", "update", "signal", "checkpoint", "skip", "room_gone", "lagging", "caught_up", "go_away", "pong", "resync", "room_joined")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    ROOM_GONE_FIELD_NUMBER: _ClassVar[int]
    LAGGING_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    GO_AWAY_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    RESYNC_FIELD_NUMBER: _ClassVar[int]
    ROOM_JOINED_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    result: Result
    failure: Failure
    update: Update
    signal: Signal
    checkpoint: Checkpoint
    skip: Skip
    room_gone: RoomGone
    lagging: Lagging
    caught_up: CaughtUp
    go_away: GoAway
    pong: Pong
    resync: Resync
    room_joined: RoomJoined
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., result: _Optional[_Union[Result, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., update: _Optional[_Union[Update, _Mapping]] = ..., signal: _Optional[_Union[Signal, _Mapping]] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., skip: _Optional[_Union[Skip, _Mapping]] = ..., room_gone: _Optional[_Union[RoomGone, _Mapping]] = ..., lagging: _Optional[_Union[Lagging, _Mapping]] = ..., caught_up: _Optional[_Union[CaughtUp, _Mapping]] = ..., go_away: _Optional[_Union[GoAway, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., resync: _Optional[_Union[Resync, _Mapping]] = ..., room_joined: _Optional[_Union[RoomJoined, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("token", "device_id", "device", "client", "cursor", "background")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    token: str
    device_id: bytes
    device: str
    client: str
    cursor: bytes
    background: bool
    def __init__(self, token: _Optional[str] = ..., device_id: _Optional[bytes] = ..., device: _Optional[str] = ..., client: _Optional[str] = ..., cursor: _Optional[bytes] = ..., background: _Optional[bool] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("id", "method", "timeout_ms", "op_key", "payload")
    ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    OP_KEY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    id: int
    method: str
    timeout_ms: int
    op_key: bytes
    payload: bytes
    def __init__(self, id: _Optional[int] = ..., method: _Optional[str] = ..., timeout_ms: _Optional[int] = ..., op_key: _Optional[bytes] = ..., payload: _Optional[bytes] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("cursor",)
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    def __init__(self, cursor: _Optional[bytes] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    def __init__(self, nonce: _Optional[int] = ...) -> None: ...

class Refresh(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class Focus(_message.Message):
    __slots__ = ("background", "open_room", "open_post")
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    OPEN_ROOM_FIELD_NUMBER: _ClassVar[int]
    OPEN_POST_FIELD_NUMBER: _ClassVar[int]
    background: bool
    open_room: int
    open_post: int
    def __init__(self, background: _Optional[bool] = ..., open_room: _Optional[int] = ..., open_post: _Optional[int] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("session_id", "user_id", "cursor", "heartbeat_ms", "max_message_bytes", "max_calls", "server", "server_time_ms")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    session_id: int
    user_id: int
    cursor: bytes
    heartbeat_ms: int
    max_message_bytes: int
    max_calls: int
    server: str
    server_time_ms: int
    def __init__(self, session_id: _Optional[int] = ..., user_id: _Optional[int] = ..., cursor: _Optional[bytes] = ..., heartbeat_ms: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., max_calls: _Optional[int] = ..., server: _Optional[str] = ..., server_time_ms: _Optional[int] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("id", "payload")
    ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    id: int
    payload: bytes
    def __init__(self, id: _Optional[int] = ..., payload: _Optional[bytes] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("id", "code", "retryable", "retry_after_ms", "committed", "message", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    id: int
    code: Code
    retryable: bool
    retry_after_ms: int
    committed: Committed
    message: str
    details: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[int] = ..., code: _Optional[_Union[Code, str]] = ..., retryable: _Optional[bool] = ..., retry_after_ms: _Optional[int] = ..., committed: _Optional[_Union[Committed, str]] = ..., message: _Optional[str] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Stream(_message.Message):
    __slots__ = ("kind", "id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    kind: StreamKind
    id: int
    def __init__(self, kind: _Optional[_Union[StreamKind, str]] = ..., id: _Optional[int] = ...) -> None: ...

class Update(_message.Message):
    __slots__ = ("stream", "sequence", "position", "actor_id", "message", "room", "member", "receipt", "message_hidden", "profile", "post", "like", "comment", "follow", "notification", "notification_removed", "notifications_seen", "session", "media", "block", "notification_settings")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_HIDDEN_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    POST_FIELD_NUMBER: _ClassVar[int]
    LIKE_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATION_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATION_REMOVED_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATIONS_SEEN_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATION_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    stream: Stream
    sequence: int
    position: int
    actor_id: int
    message: _models_pb2.Message
    room: _models_pb2.Room
    member: _models_pb2.Member
    receipt: _models_pb2.Receipt
    message_hidden: MessageHidden
    profile: _models_pb2.Profile
    post: _models_pb2.Post
    like: Like
    comment: _models_pb2.Comment
    follow: Follow
    notification: _models_pb2.Notification
    notification_removed: NotificationRemoved
    notifications_seen: NotificationsSeen
    session: _models_pb2.Session
    media: _models_pb2.MediaObject
    block: Block
    notification_settings: _models_pb2.NotificationSettings
    def __init__(self, stream: _Optional[_Union[Stream, _Mapping]] = ..., sequence: _Optional[int] = ..., position: _Optional[int] = ..., actor_id: _Optional[int] = ..., message: _Optional[_Union[_models_pb2.Message, _Mapping]] = ..., room: _Optional[_Union[_models_pb2.Room, _Mapping]] = ..., member: _Optional[_Union[_models_pb2.Member, _Mapping]] = ..., receipt: _Optional[_Union[_models_pb2.Receipt, _Mapping]] = ..., message_hidden: _Optional[_Union[MessageHidden, _Mapping]] = ..., profile: _Optional[_Union[_models_pb2.Profile, _Mapping]] = ..., post: _Optional[_Union[_models_pb2.Post, _Mapping]] = ..., like: _Optional[_Union[Like, _Mapping]] = ..., comment: _Optional[_Union[_models_pb2.Comment, _Mapping]] = ..., follow: _Optional[_Union[Follow, _Mapping]] = ..., notification: _Optional[_Union[_models_pb2.Notification, _Mapping]] = ..., notification_removed: _Optional[_Union[NotificationRemoved, _Mapping]] = ..., notifications_seen: _Optional[_Union[NotificationsSeen, _Mapping]] = ..., session: _Optional[_Union[_models_pb2.Session, _Mapping]] = ..., media: _Optional[_Union[_models_pb2.MediaObject, _Mapping]] = ..., block: _Optional[_Union[Block, _Mapping]] = ..., notification_settings: _Optional[_Union[_models_pb2.NotificationSettings, _Mapping]] = ...) -> None: ...

class MessageHidden(_message.Message):
    __slots__ = ("room_id", "message_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    message_id: int
    def __init__(self, room_id: _Optional[int] = ..., message_id: _Optional[int] = ...) -> None: ...

class Like(_message.Message):
    __slots__ = ("post_id", "liked", "changed")
    POST_ID_FIELD_NUMBER: _ClassVar[int]
    LIKED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    post_id: int
    liked: bool
    changed: int
    def __init__(self, post_id: _Optional[int] = ..., liked: _Optional[bool] = ..., changed: _Optional[int] = ...) -> None: ...

class Follow(_message.Message):
    __slots__ = ("user_id", "following", "changed")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    FOLLOWING_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    user_id: int
    following: bool
    changed: int
    def __init__(self, user_id: _Optional[int] = ..., following: _Optional[bool] = ..., changed: _Optional[int] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("user_id", "blocked", "changed")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    user_id: int
    blocked: bool
    changed: int
    def __init__(self, user_id: _Optional[int] = ..., blocked: _Optional[bool] = ..., changed: _Optional[int] = ...) -> None: ...

class NotificationRemoved(_message.Message):
    __slots__ = ("notification_id", "changed")
    NOTIFICATION_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    notification_id: int
    changed: int
    def __init__(self, notification_id: _Optional[int] = ..., changed: _Optional[int] = ...) -> None: ...

class NotificationsSeen(_message.Message):
    __slots__ = ("up_to", "changed")
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    up_to: int
    changed: int
    def __init__(self, up_to: _Optional[int] = ..., changed: _Optional[int] = ...) -> None: ...

class Signal(_message.Message):
    __slots__ = ("typing", "presence", "post_counts", "home_changed", "upload_progress", "broadcast", "prepare_progress")
    TYPING_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    POST_COUNTS_FIELD_NUMBER: _ClassVar[int]
    HOME_CHANGED_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    BROADCAST_FIELD_NUMBER: _ClassVar[int]
    PREPARE_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    typing: Typing
    presence: Presence
    post_counts: PostCounts
    home_changed: HomeChanged
    upload_progress: UploadProgress
    broadcast: Broadcast
    prepare_progress: PrepareProgress
    def __init__(self, typing: _Optional[_Union[Typing, _Mapping]] = ..., presence: _Optional[_Union[Presence, _Mapping]] = ..., post_counts: _Optional[_Union[PostCounts, _Mapping]] = ..., home_changed: _Optional[_Union[HomeChanged, _Mapping]] = ..., upload_progress: _Optional[_Union[UploadProgress, _Mapping]] = ..., broadcast: _Optional[_Union[Broadcast, _Mapping]] = ..., prepare_progress: _Optional[_Union[PrepareProgress, _Mapping]] = ...) -> None: ...

class Typing(_message.Message):
    __slots__ = ("room_id", "user_id", "activity", "ttl_ms")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    user_id: int
    activity: Activity
    ttl_ms: int
    def __init__(self, room_id: _Optional[int] = ..., user_id: _Optional[int] = ..., activity: _Optional[_Union[Activity, str]] = ..., ttl_ms: _Optional[int] = ...) -> None: ...

class Presence(_message.Message):
    __slots__ = ("user_id", "online", "last_seen_ms")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ONLINE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_MS_FIELD_NUMBER: _ClassVar[int]
    user_id: int
    online: bool
    last_seen_ms: int
    def __init__(self, user_id: _Optional[int] = ..., online: _Optional[bool] = ..., last_seen_ms: _Optional[int] = ...) -> None: ...

class PostCounts(_message.Message):
    __slots__ = ("post_id", "likes", "comments")
    POST_ID_FIELD_NUMBER: _ClassVar[int]
    LIKES_FIELD_NUMBER: _ClassVar[int]
    COMMENTS_FIELD_NUMBER: _ClassVar[int]
    post_id: int
    likes: int
    comments: int
    def __init__(self, post_id: _Optional[int] = ..., likes: _Optional[int] = ..., comments: _Optional[int] = ...) -> None: ...

class HomeChanged(_message.Message):
    __slots__ = ("newest_post_id", "author_id")
    NEWEST_POST_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_ID_FIELD_NUMBER: _ClassVar[int]
    newest_post_id: int
    author_id: int
    def __init__(self, newest_post_id: _Optional[int] = ..., author_id: _Optional[int] = ...) -> None: ...

class UploadProgress(_message.Message):
    __slots__ = ("media_id", "received", "total")
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    received: int
    total: int
    def __init__(self, media_id: _Optional[str] = ..., received: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class PrepareProgress(_message.Message):
    __slots__ = ("media_id", "percent")
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    percent: int
    def __init__(self, media_id: _Optional[str] = ..., percent: _Optional[int] = ...) -> None: ...

class Broadcast(_message.Message):
    __slots__ = ("room_id", "user_id", "payload")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    user_id: int
    payload: bytes
    def __init__(self, room_id: _Optional[int] = ..., user_id: _Optional[int] = ..., payload: _Optional[bytes] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("cursor",)
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    def __init__(self, cursor: _Optional[bytes] = ...) -> None: ...

class Skip(_message.Message):
    __slots__ = ("stream", "to", "position")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    stream: Stream
    to: int
    position: int
    def __init__(self, stream: _Optional[_Union[Stream, _Mapping]] = ..., to: _Optional[int] = ..., position: _Optional[int] = ..., **kwargs) -> None: ...

class RoomJoined(_message.Message):
    __slots__ = ("summary", "position")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    summary: _models_pb2.RoomSummary
    position: int
    def __init__(self, summary: _Optional[_Union[_models_pb2.RoomSummary, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class RoomGone(_message.Message):
    __slots__ = ("room_id", "position")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    position: int
    def __init__(self, room_id: _Optional[int] = ..., position: _Optional[int] = ...) -> None: ...

class Lagging(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CaughtUp(_message.Message):
    __slots__ = ("home_newest_post_id",)
    HOME_NEWEST_POST_ID_FIELD_NUMBER: _ClassVar[int]
    home_newest_post_id: int
    def __init__(self, home_newest_post_id: _Optional[int] = ...) -> None: ...

class GoAway(_message.Message):
    __slots__ = ("reason", "reconnect_after_ms")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    reason: str
    reconnect_after_ms: int
    def __init__(self, reason: _Optional[str] = ..., reconnect_after_ms: _Optional[int] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("nonce", "server_time_ms")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    server_time_ms: int
    def __init__(self, nonce: _Optional[int] = ..., server_time_ms: _Optional[int] = ...) -> None: ...

class Resync(_message.Message):
    __slots__ = ("reason", "cursor")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RESYNC_UNSPECIFIED: _ClassVar[Resync.Reason]
        TOO_OLD: _ClassVar[Resync.Reason]
        OTHER_EPOCH: _ClassVar[Resync.Reason]
        PAST_HEAD: _ClassVar[Resync.Reason]
        MALFORMED: _ClassVar[Resync.Reason]
    RESYNC_UNSPECIFIED: Resync.Reason
    TOO_OLD: Resync.Reason
    OTHER_EPOCH: Resync.Reason
    PAST_HEAD: Resync.Reason
    MALFORMED: Resync.Reason
    REASON_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    reason: Resync.Reason
    cursor: bytes
    def __init__(self, reason: _Optional[_Union[Resync.Reason, str]] = ..., cursor: _Optional[bytes] = ...) -> None: ...
