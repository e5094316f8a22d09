from rpc.proto import models_pb2 as _models_pb2
from rpc.proto import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateUploadRequest(_message.Message):
    __slots__ = ("purpose", "size", "sha256", "name")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    purpose: _models_pb2.Purpose
    size: int
    sha256: bytes
    name: str
    def __init__(self, purpose: _Optional[_Union[_models_pb2.Purpose, str]] = ..., size: _Optional[int] = ..., sha256: _Optional[bytes] = ..., name: _Optional[str] = ...) -> None: ...

class CreateUploadResponse(_message.Message):
    __slots__ = ("media_id", "url", "expires_ms", "max_bytes", "media")
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    url: str
    expires_ms: int
    max_bytes: int
    media: _models_pb2.MediaObject
    def __init__(self, media_id: _Optional[str] = ..., url: _Optional[str] = ..., expires_ms: _Optional[int] = ..., max_bytes: _Optional[int] = ..., media: _Optional[_Union[_models_pb2.MediaObject, _Mapping]] = ...) -> None: ...

class GetUsageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetUsageResponse(_message.Message):
    __slots__ = ("objects", "bytes", "quota")
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    QUOTA_FIELD_NUMBER: _ClassVar[int]
    objects: int
    bytes: int
    quota: int
    def __init__(self, objects: _Optional[int] = ..., bytes: _Optional[int] = ..., quota: _Optional[int] = ...) -> None: ...

class GetMediaRequest(_message.Message):
    __slots__ = ("media_id",)
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    def __init__(self, media_id: _Optional[str] = ...) -> None: ...

class LinkMediaRequest(_message.Message):
    __slots__ = ("media_ids", "preset")
    MEDIA_IDS_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    media_ids: _containers.RepeatedScalarFieldContainer[str]
    preset: str
    def __init__(self, media_ids: _Optional[_Iterable[str]] = ..., preset: _Optional[str] = ...) -> None: ...

class MediaLink(_message.Message):
    __slots__ = ("media_id", "url", "expires_ms")
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    url: str
    expires_ms: int
    def __init__(self, media_id: _Optional[str] = ..., url: _Optional[str] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class LinkMediaResponse(_message.Message):
    __slots__ = ("links",)
    LINKS_FIELD_NUMBER: _ClassVar[int]
    links: _containers.RepeatedCompositeFieldContainer[MediaLink]
    def __init__(self, links: _Optional[_Iterable[_Union[MediaLink, _Mapping]]] = ...) -> None: ...
