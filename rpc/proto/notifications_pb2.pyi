from rpc.proto import models_pb2 as _models_pb2
from rpc.proto import options_pb2 as _options_pb2
from rpc.proto import frames_pb2 as _frames_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListNotificationsRequest(_message.Message):
    __slots__ = ("after", "limit")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after: bytes
    limit: int
    def __init__(self, after: _Optional[bytes] = ..., limit: _Optional[int] = ...) -> None: ...

class ListNotificationsResponse(_message.Message):
    __slots__ = ("notifications", "next", "unseen")
    NOTIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    notifications: _containers.RepeatedCompositeFieldContainer[_models_pb2.Notification]
    next: bytes
    unseen: int
    def __init__(self, notifications: _Optional[_Iterable[_Union[_models_pb2.Notification, _Mapping]]] = ..., next: _Optional[bytes] = ..., unseen: _Optional[int] = ...) -> None: ...

class CountUnseenRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UnseenCount(_message.Message):
    __slots__ = ("unseen",)
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    unseen: int
    def __init__(self, unseen: _Optional[int] = ...) -> None: ...

class GetNotificationSettingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MuteKindRequest(_message.Message):
    __slots__ = ("kind", "muted")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MUTED_FIELD_NUMBER: _ClassVar[int]
    kind: _models_pb2.NotificationKind
    muted: bool
    def __init__(self, kind: _Optional[_Union[_models_pb2.NotificationKind, str]] = ..., muted: _Optional[bool] = ...) -> None: ...

class MarkSeenRequest(_message.Message):
    __slots__ = ("up_to",)
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    up_to: int
    def __init__(self, up_to: _Optional[int] = ...) -> None: ...
