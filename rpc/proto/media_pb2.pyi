from rpc.proto import models_pb2 as _models_pb2
from rpc.proto import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VariantMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VARIANT_UNSPECIFIED: _ClassVar[VariantMode]
    VARIANT_FIT: _ClassVar[VariantMode]
    VARIANT_FILL: _ClassVar[VariantMode]
    VARIANT_CROP: _ClassVar[VariantMode]
VARIANT_UNSPECIFIED: VariantMode
VARIANT_FIT: VariantMode
VARIANT_FILL: VariantMode
VARIANT_CROP: VariantMode

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
    __slots__ = ("media_ids", "preset", "format")
    MEDIA_IDS_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    media_ids: _containers.RepeatedScalarFieldContainer[str]
    preset: str
    format: str
    def __init__(self, media_ids: _Optional[_Iterable[str]] = ..., preset: _Optional[str] = ..., format: _Optional[str] = ...) -> None: ...

class CropBox(_message.Message):
    __slots__ = ("left", "top", "width", "height")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    left: int
    top: int
    width: int
    height: int
    def __init__(self, left: _Optional[int] = ..., top: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class FocalPoint(_message.Message):
    __slots__ = ("x", "y")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ...) -> None: ...

class Variant(_message.Message):
    __slots__ = ("mode", "width", "height", "box", "focus", "enlarge", "blur", "quality", "frame", "format")
    MODE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    FOCUS_FIELD_NUMBER: _ClassVar[int]
    ENLARGE_FIELD_NUMBER: _ClassVar[int]
    BLUR_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    mode: VariantMode
    width: int
    height: int
    box: CropBox
    focus: FocalPoint
    enlarge: bool
    blur: int
    quality: int
    frame: int
    format: str
    def __init__(self, mode: _Optional[_Union[VariantMode, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., box: _Optional[_Union[CropBox, _Mapping]] = ..., focus: _Optional[_Union[FocalPoint, _Mapping]] = ..., enlarge: _Optional[bool] = ..., blur: _Optional[int] = ..., quality: _Optional[int] = ..., frame: _Optional[int] = ..., format: _Optional[str] = ...) -> None: ...

class LinkVariantsRequest(_message.Message):
    __slots__ = ("media_ids", "variant")
    MEDIA_IDS_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    media_ids: _containers.RepeatedScalarFieldContainer[str]
    variant: Variant
    def __init__(self, media_ids: _Optional[_Iterable[str]] = ..., variant: _Optional[_Union[Variant, _Mapping]] = ...) -> None: ...

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
