"""Cursors as clients hold them: opaque bytes over the log's epoch and positions (pure).

    version  1 byte: 1
    epoch    4 bytes
    count    1 byte: of partitions, at least 1
    position 8 bytes for each partition, in the order of their numbers; below 2^63

All big-endian. The log has one partition so far, so cursors have 14 bytes. Should it get more,
a cursor with fewer positions stands at the beginning of those that it does not name: clients go
on where they are, without a resync. One with more is from a server that had them.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_VERSION = 1
_START = struct.Struct("!BIB")


class Cursor(NamedTuple):
    epoch: int
    position: int
    """in the first partition"""
    others: tuple[int, ...] = ()
    """in those that follow"""


class BadCursor(ValueError):
    """Bytes that no server has given out, or one of another version has."""


def encode_cursor(cursor: Cursor) -> bytes:
    positions = (cursor.position, *cursor.others)
    start = _START.pack(_VERSION, cursor.epoch, len(positions))
    return start + struct.pack(f"!{len(positions)}Q", *positions)


def decode_cursor(data: bytes) -> Cursor:
    try:
        version, epoch, count = _START.unpack_from(data)
        position, *others = struct.unpack(f"!{count}Q", data[_START.size :])
    except (struct.error, ValueError) as error:
        raise BadCursor("not a cursor") from error
    if version != _VERSION or max(position, *others, 0) >> 63:
        raise BadCursor("not a cursor of this version")
    return Cursor(epoch, position, tuple(others))
