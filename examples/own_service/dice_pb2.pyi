from rpc.proto import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class RollRequest(_message.Message):
    __slots__ = ("room_id", "sides")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    SIDES_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    sides: int
    def __init__(self, room_id: _Optional[int] = ..., sides: _Optional[int] = ...) -> None: ...

class RollResponse(_message.Message):
    __slots__ = ("value", "message_id")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    value: int
    message_id: int
    def __init__(self, value: _Optional[int] = ..., message_id: _Optional[int] = ...) -> None: ...
