"""What a decoder reports besides binary messages, which are plain `bytes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
NO_STATUS = 1005  # a close frame that named no code; never sent
INVALID_DATA = 1007
POLICY = 1008
TOO_LARGE = 1009


def sendable(code: int) -> bool:
    """Whether a close frame may carry the code: those that RFC 6455 and its registry define for
    the wire, and the ranges of libraries (3000) and applications (4000)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


@dataclass(frozen=True, slots=True)
class Text:
    """A complete text message."""

    text: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Must be answered by a pong with the same payload (at most 125 bytes)."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping, or one that nobody asked for, which is allowed."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class CloseFrame:
    """The peer has said its last word: nothing after it is read. The code is one that a peer may
    send, or 1005 when it sent none."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Violation:
    """The peer broke the protocol or a limit: the connection must be failed with this close code
    (1002, 1007, 1008 or 1009). Nothing after it is read."""

    code: int
    reason: str


Message: TypeAlias = bytes | Text | Ping | Pong | CloseFrame | Violation
