from rpc.proto import models_pb2 as _models_pb2
from rpc.proto import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestCodeRequest(_message.Message):
    __slots__ = ("address",)
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    address: str
    def __init__(self, address: _Optional[str] = ...) -> None: ...

class RequestCodeResponse(_message.Message):
    __slots__ = ("resend_after_ms", "lifetime_ms", "code_length")
    RESEND_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_MS_FIELD_NUMBER: _ClassVar[int]
    CODE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    resend_after_ms: int
    lifetime_ms: int
    code_length: int
    def __init__(self, resend_after_ms: _Optional[int] = ..., lifetime_ms: _Optional[int] = ..., code_length: _Optional[int] = ...) -> None: ...

class SignInWithCodeRequest(_message.Message):
    __slots__ = ("address", "code")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    address: str
    code: str
    def __init__(self, address: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class SignInWithPasswordRequest(_message.Message):
    __slots__ = ("login", "password")
    LOGIN_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    login: str
    password: str
    def __init__(self, login: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class SignUpRequest(_message.Message):
    __slots__ = ("ticket", "username", "name", "password")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    ticket: str
    username: str
    name: str
    password: str
    def __init__(self, ticket: _Optional[str] = ..., username: _Optional[str] = ..., name: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class SignedIn(_message.Message):
    __slots__ = ("token", "session_id", "user", "expires_ms", "sign_up_ticket", "cursor")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    SIGN_UP_TICKET_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    token: str
    session_id: int
    user: _models_pb2.User
    expires_ms: int
    sign_up_ticket: str
    cursor: bytes
    def __init__(self, token: _Optional[str] = ..., session_id: _Optional[int] = ..., user: _Optional[_Union[_models_pb2.User, _Mapping]] = ..., expires_ms: _Optional[int] = ..., sign_up_ticket: _Optional[str] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class SetPasswordRequest(_message.Message):
    __slots__ = ("old_password", "new_password", "sign_out_others")
    OLD_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    NEW_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    SIGN_OUT_OTHERS_FIELD_NUMBER: _ClassVar[int]
    old_password: str
    new_password: str
    sign_out_others: bool
    def __init__(self, old_password: _Optional[str] = ..., new_password: _Optional[str] = ..., sign_out_others: _Optional[bool] = ...) -> None: ...

class SetPasswordResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RefreshTokenRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RefreshTokenResponse(_message.Message):
    __slots__ = ("token", "expires_ms")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    token: str
    expires_ms: int
    def __init__(self, token: _Optional[str] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class SignOutRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SignOutResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions",)
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[_models_pb2.Session]
    def __init__(self, sessions: _Optional[_Iterable[_Union[_models_pb2.Session, _Mapping]]] = ...) -> None: ...

class RevokeSessionsRequest(_message.Message):
    __slots__ = ("session_id", "all_others")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ALL_OTHERS_FIELD_NUMBER: _ClassVar[int]
    session_id: int
    all_others: bool
    def __init__(self, session_id: _Optional[int] = ..., all_others: _Optional[bool] = ...) -> None: ...

class RevokeSessionsResponse(_message.Message):
    __slots__ = ("revoked",)
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    revoked: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, revoked: _Optional[_Iterable[int]] = ...) -> None: ...
