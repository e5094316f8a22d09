"""Cursors of paged lists (pure): opaque to clients, a position to us."""

from __future__ import annotations

from rpc.errors import CallError, Code

DEFAULT_LIMIT = 30


def page_limit(asked: int) -> int:
    """The page size: 0 asks for the default. The greatest is written in the .proto file."""
    return asked or DEFAULT_LIMIT


def encode_page(*keys: int) -> bytes:
    """The cursor of a page that goes on after a row with these keys."""
    return b"".join(key.to_bytes(8, "big") for key in keys)


def decode_page(cursor: bytes, count: int = 1) -> tuple[int, ...]:
    """The keys in a cursor; zeros for the first page."""
    if not cursor:
        return (0,) * count
    if len(cursor) != 8 * count:
        raise CallError(
            Code.INVALID_ARGUMENT, "not a cursor of this list", details={"field": "after"}
        )
    return tuple(
        int.from_bytes(cursor[at : at + 8], "big") & ((1 << 63) - 1)
        for at in range(0, 8 * count, 8)
    )
