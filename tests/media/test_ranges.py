"""Byte ranges, against a model and against the examples of RFC 9110."""

from __future__ import annotations

import email
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.serving.ranges import (
    MAX_RANGES,
    Multipart,
    Span,
    Unsatisfiable,
    if_range_holds,
    none_match_hits,
    parse_range,
)


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=-500", [(9500, 10000)]),
        ("bytes=9500-", [(9500, 10000)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 10000)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 1000), (4500, 5500), (9000, 10000)]),
        ("bytes=500-600,601-999", [(500, 601), (601, 1000)]),
        ("bytes=0-99999999", [(0, 10000)]),
        ("bytes=-99999999", [(0, 10000)]),
        ("bytes=10000-,0-0", [(0, 1)]),
        ("Bytes=1-2", [(1, 3)]),
        ("bytes=,1-2,", [(1, 3)]),
    ],
)
def test_ranges_of_ten_thousand_bytes(header: str, spans: list[tuple[int, int]]) -> None:
    assert parse_range(header, 10000) == spans


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=5-4",
        "bytes=a-b",
        "bytes=1-2-3",
        "bytes=--5",
        "bytes=0x1-2",
        "bytes=1-2;3-4",
        "bytes=\u0661-\u0662",
        "bytes=" + "9" * 40 + "-",
        "lines=1-2",
        "bytes=" + ",".join(["0-0"] * (MAX_RANGES + 1)),
        "bytes=0-,0-",
        "bytes=0-6,3-9",
    ],
)
def test_what_cannot_be_read_is_ignored(header: str) -> None:
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)],
)
def test_ranges_without_a_byte_are_refused(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, size)


@given(size=st.integers(0, 200), first=st.integers(0, 220), length=st.integers(0, 220))
def test_a_range_is_a_slice(size: int, first: int, length: int) -> None:
    data = bytes(range(size % 256)) * 1
    size = len(data)
    try:
        spans = parse_range(f"bytes={first}-{first + length}", size)
    except Unsatisfiable:
        assert data[first : first + length + 1] == b""
    else:
        assert spans is not None
        assert data[spans[0].start : spans[0].stop] == data[first : first + length + 1] != b""


@given(size=st.integers(0, 200), length=st.integers(0, 220))
def test_a_suffix_is_a_slice_from_the_end(size: int, length: int) -> None:
    data = bytes(size)
    try:
        spans = parse_range(f"bytes=-{length}", size)
    except Unsatisfiable:
        assert length == 0 or size == 0
    else:
        assert spans == [(len(data) - len(data[-length:]), len(data))]


@given(header=st.text(max_size=60), size=st.integers(0, 10**6))
def test_any_text_gives_spans_within_the_bytes(header: str, size: int) -> None:
    for candidate in (header, "bytes=" + header):
        try:
            spans = parse_range(candidate, size)
        except Unsatisfiable:
            continue
        assert all(0 <= start < stop <= size for start, stop in spans or [])
        assert spans is None or 0 < len(spans) <= MAX_RANGES


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        (None, True),
        ('"a"', True),
        (' "a" ', True),
        ('"b"', False),
        ('W/"a"', False),
        ("a", False),
        ("Sat, 29 Oct 1994 19:43:31 GMT", False),
    ],
)
def test_if_range(header: str | None, holds: bool) -> None:
    assert if_range_holds(header, '"a"') is holds


@pytest.mark.parametrize(
    ("header", "hits"),
    [
        (None, False),
        ("*", True),
        ('"a"', True),
        ('W/"a"', True),
        ('"x", "a"', True),
        ('"x,y","b"', False),
        ("a", False),
        ("", False),
    ],
)
def test_if_none_match(header: str | None, hits: bool) -> None:
    assert none_match_hits(header, '"a"') is hits


def test_a_multipart_body_is_read_by_another_parser() -> None:
    data = bytes(range(200))
    spans = [Span(0, 5), Span(150, 200)]
    body = Multipart(spans, len(data), "image/png", "BOUNDARY")
    encoded = b"".join(head + data[span.start : span.stop] for head, span in body.parts) + body.end
    assert len(encoded) == body.length
    found = email.message_from_bytes(
        f"Content-Type: {body.content_type}\r\n\r\n".encode() + encoded
    )
    parts = found.get_payload()
    assert isinstance(parts, list)
    for part, span in zip(parts, spans, strict=True):
        assert isinstance(part, Message)
        assert part.get_content_type() == "image/png"
        assert part["Content-Range"] == f"bytes {span.start}-{span.stop - 1}/200"
