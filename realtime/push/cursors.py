"""Cursors as clients hold them: opaque bytes over the log's epoch and a position (pure)."""

from __future__ import annotations

import struct
from typing import NamedTuple

_FORMAT = struct.Struct("!BIBQ")  # version, epoch, number of partitions, a position for each
_VERSION = 1


class Cursor(NamedTuple):
    epoch: int
    position: int


class BadCursor(ValueError):
    """Bytes that this server never gave out."""


def encode_cursor(cursor: Cursor) -> bytes:
    return _FORMAT.pack(_VERSION, cursor.epoch, 1, cursor.position)


def decode_cursor(data: bytes) -> Cursor:
    try:
        version, epoch, partitions, position = _FORMAT.unpack(data)
    except struct.error as error:
        raise BadCursor("not a cursor") from error
    if (version, partitions) != (_VERSION, 1) or position >= 1 << 63:
        raise BadCursor("not a cursor of this version")
    return Cursor(epoch, position)
