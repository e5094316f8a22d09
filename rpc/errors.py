"""The closed table of error codes, and the errors of a call.

    CallError                  a call that failed, with its code
        (server side)          raised by handlers and by dispatch; mapped from the store's once
        (client side)          raised by the client for a Failure frame or a lost connection
    ProtocolError              the peer broke the framing; its connection is closed

Close codes of the websocket in the 4000s say whether to come back; see `Close`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import NamedTuple

from rpc.proto import frames_pb2
from store import errors as store_errors


class Fault(Enum):
    CLIENT = "client"
    SERVER = "server"
    NOBODY = "nobody"


class Meaning(NamedTuple):
    """What a code says: whose fault, whether the same call may be sent again (with the same
    op_key), and what a client does."""

    fault: Fault
    retryable: bool
    action: str


Code = frames_pb2.Code
Committed = frames_pb2.Committed

TABLE: Mapping[frames_pb2.Code, Meaning] = {
    Code.INVALID_ARGUMENT: Meaning(
        Fault.CLIENT, False, "mend the request; `details` names the field"
    ),
    Code.UNKNOWN_METHOD: Meaning(Fault.CLIENT, False, "update the client or the server"),
    Code.UNAUTHENTICATED: Meaning(Fault.CLIENT, False, "sign in again"),
    Code.PERMISSION_DENIED: Meaning(Fault.CLIENT, False, "tell the user"),
    Code.NOT_FOUND: Meaning(Fault.CLIENT, False, "drop what is shown of it"),
    Code.CONFLICT: Meaning(Fault.CLIENT, False, "load the present state, let the user decide"),
    Code.RATE_LIMITED: Meaning(Fault.CLIENT, True, "wait retry_after_ms"),
    Code.TOO_MANY_CALLS: Meaning(Fault.CLIENT, True, "wait for an answer, then send again"),
    Code.TOO_LARGE: Meaning(Fault.CLIENT, False, "send less; `details` names the limit"),
    Code.DEADLINE_EXCEEDED: Meaning(Fault.NOBODY, True, "send again; see `committed`"),
    Code.CANCELLED: Meaning(Fault.NOBODY, True, "nothing: it was asked for; see `committed`"),
    Code.OVERLOADED: Meaning(Fault.SERVER, True, "wait retry_after_ms"),
    Code.UNAVAILABLE: Meaning(Fault.SERVER, True, "reconnect and send again"),
    Code.OP_KEY_REUSED: Meaning(Fault.CLIENT, False, "use a new op_key for a new request"),
    Code.INTERNAL: Meaning(Fault.SERVER, True, "send again a few times, then report it"),
    Code.DUPLICATE_CALL_ID: Meaning(Fault.CLIENT, False, "number the calls in flight apart"),
}


class Close(IntEnum):
    """Why the server closes a connection. Below 4100 a client reconnects (with backoff);
    from 4100 on it must change something first."""

    GOING_AWAY = 1001
    SLOW = 4001  # the socket did not drain, or answered no heartbeat
    HELLO_TIMEOUT = 4002
    OVERLOADED = 4003
    INTERNAL = 4004
    BAD_FRAME = 4100  # bytes that are no batch, a frame out of place, a second hello
    NOT_BINARY = 4101
    TOO_LARGE = 4102
    UNAUTHENTICATED = 4103  # an unknown, expired or revoked token: sign in again
    BAD_SUBPROTOCOL = 4104
    FLOODING = 4105

    @property
    def may_reconnect(self) -> bool:
        return self < 4100


class CallError(Exception):
    """A call that failed. `committed` says whether its change was made all the same."""

    def __init__(
        self,
        code: frames_pb2.Code,
        message: str,
        *,
        retry_after_ms: int = 0,
        committed: frames_pb2.Committed = Committed.COMMITTED_NO,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{Code.Name(code)}: {message}")
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms
        self.committed = committed
        self.details = dict(details or {})

    @property
    def retryable(self) -> bool:
        return TABLE[self.code].retryable

    def __reduce__(self) -> tuple[object, ...]:
        return (
            _rebuild,
            (self.code, self.message, self.retry_after_ms, self.committed, self.details),
        )


def _rebuild(
    code: frames_pb2.Code,
    message: str,
    retry_after_ms: int,
    committed: frames_pb2.Committed,
    details: dict[str, str],
) -> CallError:
    return CallError(
        code, message, retry_after_ms=retry_after_ms, committed=committed, details=details
    )


class ProtocolError(Exception):
    """The peer broke the rules of the framing: `close` is the code that its connection ends
    with."""

    def __init__(self, close: Close, message: str) -> None:
        super().__init__(message)
        self.close = close


_DOMAIN: Mapping[type[store_errors.DomainError], frames_pb2.Code] = {
    store_errors.NotFound: Code.NOT_FOUND,
    store_errors.Forbidden: Code.PERMISSION_DENIED,
    store_errors.Conflict: Code.CONFLICT,
    store_errors.Invalid: Code.INVALID_ARGUMENT,
    store_errors.Unauthenticated: Code.UNAUTHENTICATED,
    store_errors.OpKeyReused: Code.OP_KEY_REUSED,
    store_errors.TooMany: Code.RATE_LIMITED,
    store_errors.OverQuota: Code.TOO_LARGE,
    store_errors.DomainError: Code.INVALID_ARGUMENT,  # a service's own, of no nearer kind
}


def from_store(error: store_errors.DomainError | store_errors.StoreError) -> CallError:
    """The one place where the store's errors become codes. Chain it: `raise … from error`."""
    if isinstance(error, store_errors.DomainError):
        retry = error.retry_after_ms if isinstance(error, store_errors.TooMany) else 0
        code = next(_DOMAIN[kind] for kind in type(error).__mro__ if kind in _DOMAIN)
        return CallError(code, error.message, retry_after_ms=retry, details=error.details)
    if isinstance(error, store_errors.Overloaded):
        return CallError(Code.OVERLOADED, "the server is busy", retry_after_ms=500)
    if isinstance(error, store_errors.Unavailable):
        return CallError(Code.UNAVAILABLE, "the store is not available", retry_after_ms=1000)
    return CallError(Code.INTERNAL, "internal error")
