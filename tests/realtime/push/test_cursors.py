"""Cursors are opaque bytes that only this server's own make sense of."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.push.cursors import BadCursor, Cursor, decode_cursor, encode_cursor

EPOCHS = st.integers(0, 2**32 - 1)
POSITIONS = st.integers(0, 2**63 - 1)
exact = settings(max_examples=100, deadline=None, derandomize=True)


@exact
@given(EPOCHS, POSITIONS, st.lists(POSITIONS, max_size=254).map(tuple))
def test_what_was_given_out_is_understood(
    epoch: int, position: int, others: tuple[int, ...]
) -> None:
    cursor = Cursor(epoch, position, others)
    assert decode_cursor(encode_cursor(cursor)) == cursor


def test_a_cursor_may_hold_a_position_for_each_of_two_partitions() -> None:
    data = bytes.fromhex("01 00000007 02 0000000000000008 0000000000000009")
    assert encode_cursor(Cursor(7, 8, (9,))) == data
    assert decode_cursor(data) == Cursor(7, 8, (9,))


@exact
@given(st.binary(max_size=40))
def test_other_bytes_are_refused_or_are_a_cursor_of_ours(data: bytes) -> None:
    try:
        cursor = decode_cursor(data)
    except BadCursor:
        return
    assert encode_cursor(cursor) == data


GOOD = encode_cursor(Cursor(7, 8))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\0",
        b"\x02" + GOOD[1:],
        struct.pack("!BIBQ", 1, 7, 2, 8),
        struct.pack("!BIBQ", 1, 7, 0, 8),
        struct.pack("!BIBQ", 1, 7, 1, 2**63),
        struct.pack("!BIBQQ", 1, 7, 2, 8, 2**63),
        struct.pack("!BIB", 1, 7, 0),
        b"\xff" * len(GOOD),
    ],
    ids=[
        *("empty", "short", "long", "version", "partitions", "none", "too far"),
        *("other too far", "nothing", "ones"),
    ],
)
def test_bytes_that_were_never_given_out_are_refused(data: bytes) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(data)


def test_the_format_is_what_clients_have_stored() -> None:
    """Changing it would resync every client there is."""
    assert GOOD.hex() == "0100000007010000000000000008"


@pytest.mark.parametrize(
    "cursor", [Cursor(2**32, 0), Cursor(-1, 0), Cursor(1, 2**64), Cursor(1, 1, (1,) * 255)]
)
def test_what_does_not_fit_is_not_given_out(cursor: Cursor) -> None:
    with pytest.raises(struct.error):
        encode_cursor(cursor)
