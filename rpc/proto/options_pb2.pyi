from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Access(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCESS_USER: _ClassVar[Access]
    ACCESS_OPEN: _ClassVar[Access]
ACCESS_USER: Access
ACCESS_OPEN: Access
POLICY_FIELD_NUMBER: _ClassVar[int]
policy: _descriptor.FieldDescriptor
LIMITS_FIELD_NUMBER: _ClassVar[int]
limits: _descriptor.FieldDescriptor

class Policy(_message.Message):
    __slots__ = ("access", "cost", "mutating", "inline", "sensitive")
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    MUTATING_FIELD_NUMBER: _ClassVar[int]
    INLINE_FIELD_NUMBER: _ClassVar[int]
    SENSITIVE_FIELD_NUMBER: _ClassVar[int]
    access: Access
    cost: int
    mutating: bool
    inline: bool
    sensitive: int
    def __init__(self, access: _Optional[_Union[Access, str]] = ..., cost: _Optional[int] = ..., mutating: _Optional[bool] = ..., inline: _Optional[bool] = ..., sensitive: _Optional[int] = ...) -> None: ...

class Limit(_message.Message):
    __slots__ = ("required", "min_len", "max_len", "max_items", "min", "max", "has_range")
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    MIN_LEN_FIELD_NUMBER: _ClassVar[int]
    MAX_LEN_FIELD_NUMBER: _ClassVar[int]
    MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    HAS_RANGE_FIELD_NUMBER: _ClassVar[int]
    required: bool
    min_len: int
    max_len: int
    max_items: int
    min: int
    max: int
    has_range: bool
    def __init__(self, required: _Optional[bool] = ..., min_len: _Optional[int] = ..., max_len: _Optional[int] = ..., max_items: _Optional[int] = ..., min: _Optional[int] = ..., max: _Optional[int] = ..., has_range: _Optional[bool] = ...) -> None: ...
