"""Frames on a byte stream: a length, a kind, a payload (pure)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec

HEAD = struct.Struct("!IB")  # bytes of the payload; kind
MAX_PAYLOAD = 32 * 1024 * 1024


class LinkError(Exception):
    """The other end breaks the rules: the connection is of no use any more."""


class TooLong(ValueError):
    """What was to be sent does not fit into a frame."""


def frame(kind: int, payload: bytes) -> bytes:
    """Raises `TooLong`."""
    if len(payload) > MAX_PAYLOAD:
        raise TooLong(f"{len(payload)} bytes do not fit into a frame")
    return HEAD.pack(len(payload), kind) + payload


class FrameDecoder:
    """Finds the frames in a stream, however it is cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> list[tuple[int, bytes]]:
        """The frames that are whole now: kind and payload. Raises `LinkError`."""
        buffer = self._buffer
        buffer += data
        found: list[tuple[int, bytes]] = []
        at = 0
        while len(buffer) - at >= HEAD.size:
            size, kind = HEAD.unpack_from(buffer, at)
            if size > MAX_PAYLOAD:
                raise LinkError(f"a frame of {size} bytes")
            end = at + HEAD.size + size
            if end > len(buffer):
                break
            found.append((kind, bytes(buffer[at + HEAD.size : end])))
            at = end
        del buffer[:at]
        return found

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._buffer)


class Codec:
    """Messages as frames: each is a msgspec struct of a closed list, its kind the place there."""

    def __init__(self, kinds: Sequence[type[msgspec.Struct]]) -> None:
        self._kinds = {kind: number for number, kind in enumerate(kinds)}
        self._decoders = [msgspec.msgpack.Decoder(kind) for kind in kinds]
        self._encoder = msgspec.msgpack.Encoder()

    def encode(self, message: msgspec.Struct) -> bytes:
        """A frame. Raises `TooLong`."""
        return frame(self._kinds[type(message)], self._encoder.encode(message))

    def decode(self, kind: int, payload: bytes) -> Any:
        """Raises `LinkError` for what is none of the list."""
        try:
            return self._decoders[kind].decode(payload)
        except (IndexError, msgspec.MsgspecError) as error:
            raise LinkError(f"not a message of kind {kind}: {error}") from error
