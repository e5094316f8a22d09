"""The frames that a server sends: whole, final and unmasked."""

from __future__ import annotations

import struct

from realtime.gateway.websocket.messages import NO_STATUS, NORMAL, sendable

CONTINUATION = 0
TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10

MAX_CONTROL = 125  # bytes of payload in a control frame

_pack_medium = struct.Struct(">HH").pack
_pack_large = struct.Struct(">HQ").pack
_BINARY_MEDIUM = 0x8000 | BINARY << 8 | 126
_SMALL = tuple(bytes((0x80 | BINARY, size)) for size in range(126))


def encode_header(size: int, opcode: int = BINARY) -> bytes:
    """The header of a final frame with `size` bytes of payload: two, four or ten bytes."""
    if size < 126:
        return _SMALL[size] if opcode == BINARY else bytes((0x80 | opcode, size))
    if size < 65536:
        return _pack_medium(0x8000 | opcode << 8 | 126, size)
    return _pack_large(0x8000 | opcode << 8 | 127, size)


def frame(payload: bytes) -> bytes:
    """A binary message as one frame."""
    size = len(payload)
    if size < 126:
        return _SMALL[size] + payload
    if size < 65536:
        return _pack_medium(_BINARY_MEDIUM, size) + payload
    return encode_header(size) + payload


def text_frame(text: str) -> bytes:
    """A text message as one frame."""
    payload = text.encode()
    return encode_header(len(payload), TEXT) + payload


def ping(payload: bytes = b"") -> bytes:
    """A ping. Raises `ValueError` for more than 125 bytes."""
    return _control(PING, payload)


def pong(payload: bytes = b"") -> bytes:
    """A pong. Raises `ValueError` for more than 125 bytes."""
    return _control(PONG, payload)


def close_frame(code: int = NORMAL, reason: str = "") -> bytes:
    """A close frame, the reason cut to the 123 bytes that fit, between characters. Code 1005 gives
    one without a code, the right answer to a peer that sent none. Raises `ValueError` for a code
    that may not be sent."""
    if code == NO_STATUS:
        return _control(CLOSE, b"")
    if not sendable(code):
        raise ValueError(f"close code {code} may not be sent")
    cut = reason.encode()[: MAX_CONTROL - 2].decode(errors="ignore").encode()
    return _control(CLOSE, code.to_bytes(2, "big") + cut)


def _control(opcode: int, payload: bytes) -> bytes:
    if len(payload) > MAX_CONTROL:
        raise ValueError("a control frame holds at most 125 bytes")
    return bytes((0x80 | opcode, len(payload))) + payload
