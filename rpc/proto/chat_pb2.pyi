from rpc.proto import models_pb2 as _models_pb2
from rpc.proto import options_pb2 as _options_pb2
from rpc.proto import frames_pb2 as _frames_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OpenDirectRequest(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: int
    def __init__(self, user_id: _Optional[int] = ...) -> None: ...

class CreateGroupRequest(_message.Message):
    __slots__ = ("title", "user_ids", "avatar_media_id")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    AVATAR_MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    title: str
    user_ids: _containers.RepeatedScalarFieldContainer[int]
    avatar_media_id: str
    def __init__(self, title: _Optional[str] = ..., user_ids: _Optional[_Iterable[int]] = ..., avatar_media_id: _Optional[str] = ...) -> None: ...

class ListRoomsRequest(_message.Message):
    __slots__ = ("after", "limit")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after: bytes
    limit: int
    def __init__(self, after: _Optional[bytes] = ..., limit: _Optional[int] = ...) -> None: ...

class ListRoomsResponse(_message.Message):
    __slots__ = ("rooms", "next")
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedCompositeFieldContainer[_models_pb2.RoomSummary]
    next: bytes
    def __init__(self, rooms: _Optional[_Iterable[_Union[_models_pb2.RoomSummary, _Mapping]]] = ..., next: _Optional[bytes] = ...) -> None: ...

class GetRoomRequest(_message.Message):
    __slots__ = ("room_id",)
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    def __init__(self, room_id: _Optional[int] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ("room_id", "after_user_id", "limit")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_USER_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    after_user_id: int
    limit: int
    def __init__(self, room_id: _Optional[int] = ..., after_user_id: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("members", "more")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[_models_pb2.Member]
    more: bool
    def __init__(self, members: _Optional[_Iterable[_Union[_models_pb2.Member, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class SendMessageRequest(_message.Message):
    __slots__ = ("room_id", "client_id", "text", "media_ids", "reply_to")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_IDS_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    client_id: bytes
    text: str
    media_ids: _containers.RepeatedScalarFieldContainer[str]
    reply_to: int
    def __init__(self, room_id: _Optional[int] = ..., client_id: _Optional[bytes] = ..., text: _Optional[str] = ..., media_ids: _Optional[_Iterable[str]] = ..., reply_to: _Optional[int] = ...) -> None: ...

class EditMessageRequest(_message.Message):
    __slots__ = ("message_id", "text")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    message_id: int
    text: str
    def __init__(self, message_id: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class DeleteMessageRequest(_message.Message):
    __slots__ = ("message_id", "for_everyone")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    FOR_EVERYONE_FIELD_NUMBER: _ClassVar[int]
    message_id: int
    for_everyone: bool
    def __init__(self, message_id: _Optional[int] = ..., for_everyone: _Optional[bool] = ...) -> None: ...

class DeleteMessageResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHistoryRequest(_message.Message):
    __slots__ = ("room_id", "before", "after", "limit")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    before: int
    after: int
    limit: int
    def __init__(self, room_id: _Optional[int] = ..., before: _Optional[int] = ..., after: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class GetHistoryResponse(_message.Message):
    __slots__ = ("messages", "more", "senders")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    SENDERS_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[_models_pb2.Message]
    more: bool
    senders: _containers.RepeatedCompositeFieldContainer[_models_pb2.User]
    def __init__(self, messages: _Optional[_Iterable[_Union[_models_pb2.Message, _Mapping]]] = ..., more: _Optional[bool] = ..., senders: _Optional[_Iterable[_Union[_models_pb2.User, _Mapping]]] = ...) -> None: ...

class MarkRequest(_message.Message):
    __slots__ = ("room_id", "number")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    number: int
    def __init__(self, room_id: _Optional[int] = ..., number: _Optional[int] = ...) -> None: ...

class SetActivityRequest(_message.Message):
    __slots__ = ("room_id", "activity")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    activity: _frames_pb2.Activity
    def __init__(self, room_id: _Optional[int] = ..., activity: _Optional[_Union[_frames_pb2.Activity, str]] = ...) -> None: ...

class SetActivityResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AddMembersRequest(_message.Message):
    __slots__ = ("room_id", "user_ids")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    user_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, room_id: _Optional[int] = ..., user_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class RemoveMemberRequest(_message.Message):
    __slots__ = ("room_id", "user_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    user_id: int
    def __init__(self, room_id: _Optional[int] = ..., user_id: _Optional[int] = ...) -> None: ...

class RemoveMemberResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LeaveRoomRequest(_message.Message):
    __slots__ = ("room_id",)
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    def __init__(self, room_id: _Optional[int] = ...) -> None: ...

class LeaveRoomResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UpdateRoomRequest(_message.Message):
    __slots__ = ("room_id", "title", "about", "avatar_media_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    AVATAR_MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    title: str
    about: str
    avatar_media_id: str
    def __init__(self, room_id: _Optional[int] = ..., title: _Optional[str] = ..., about: _Optional[str] = ..., avatar_media_id: _Optional[str] = ...) -> None: ...

class GetPresenceRequest(_message.Message):
    __slots__ = ("user_ids",)
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    user_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, user_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class GetPresenceResponse(_message.Message):
    __slots__ = ("presences",)
    PRESENCES_FIELD_NUMBER: _ClassVar[int]
    presences: _containers.RepeatedCompositeFieldContainer[_frames_pb2.Presence]
    def __init__(self, presences: _Optional[_Iterable[_Union[_frames_pb2.Presence, _Mapping]]] = ...) -> None: ...
