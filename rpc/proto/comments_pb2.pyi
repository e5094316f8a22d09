from rpc.proto import models_pb2 as _models_pb2
from rpc.proto import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AddCommentRequest(_message.Message):
    __slots__ = ("post_id", "text", "reply_to")
    POST_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    post_id: int
    text: str
    reply_to: int
    def __init__(self, post_id: _Optional[int] = ..., text: _Optional[str] = ..., reply_to: _Optional[int] = ...) -> None: ...

class EditCommentRequest(_message.Message):
    __slots__ = ("comment_id", "text")
    COMMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    comment_id: int
    text: str
    def __init__(self, comment_id: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class DeleteCommentRequest(_message.Message):
    __slots__ = ("comment_id",)
    COMMENT_ID_FIELD_NUMBER: _ClassVar[int]
    comment_id: int
    def __init__(self, comment_id: _Optional[int] = ...) -> None: ...

class DeleteCommentResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCommentsRequest(_message.Message):
    __slots__ = ("post_id", "after", "limit")
    POST_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    post_id: int
    after: bytes
    limit: int
    def __init__(self, post_id: _Optional[int] = ..., after: _Optional[bytes] = ..., limit: _Optional[int] = ...) -> None: ...

class ListCommentsResponse(_message.Message):
    __slots__ = ("comments", "next")
    COMMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    comments: _containers.RepeatedCompositeFieldContainer[_models_pb2.Comment]
    next: bytes
    def __init__(self, comments: _Optional[_Iterable[_Union[_models_pb2.Comment, _Mapping]]] = ..., next: _Optional[bytes] = ...) -> None: ...
