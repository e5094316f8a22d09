"""A client's frames, byte by byte, right or wrong: written without any of the product's code."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable

from realtime.gateway.websocket import Decoder, Message

CONTINUATION = 0
TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10

MASK = b"\x37\xfa\x21\x3d"  # of the examples in RFC 6455


def client_frame(
    payload: bytes = b"",
    opcode: int = BINARY,
    *,
    final: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    length: int | None = None,
    width: int | None = None,
) -> bytes:
    """A frame. `length` is a lie about the payload's size, `width` a size for the length (0, 2 or 8
    bytes) other than the shortest."""
    stated = len(payload) if length is None else length
    if width is None:
        width = 0 if stated < 126 else 2 if stated < 65536 else 8
    first = (0x80 if final else 0) | reserved << 4 | opcode
    second = (0 if mask is None else 0x80) | {0: stated, 2: 126, 8: 127}[width]
    head = bytes((first, second)) + (stated.to_bytes(width, "big") if width else b"")
    if mask is None:
        return head + payload
    return head + mask + bytes(map(operator.xor, payload, itertools.cycle(mask)))


def close_payload(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + reason


def fed(pieces: Iterable[bytes], max_message: int = 1 << 18) -> list[Message]:
    """All that a new decoder makes of the pieces."""
    decoder = Decoder(max_message)
    return [message for piece in pieces for message in decoder.feed(piece)]


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]
