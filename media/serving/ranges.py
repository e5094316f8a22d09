"""Byte ranges and validators of HTTP (RFC 9110, sections 8.8, 13 and 14), pure.

A range that cannot be read is ignored, as the RFC wishes; one that lies outside is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MAX_RANGES = 16  # more in one request, or more bytes than there are, and all is sent instead

_DIGITS = 18  # longer numbers are no offsets of ours
_RANGE = re.compile(rf"(\d{{1,{_DIGITS}}})-(\d{{0,{_DIGITS}}})|-(\d{{1,{_DIGITS}}})", re.ASCII)
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


class Span(NamedTuple):
    """Bytes from `start` up to but not including `stop`; never empty."""

    start: int
    stop: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{size}"

    @property
    def length(self) -> int:
        return self.stop - self.start


class Unsatisfiable(Exception):
    """Not one of the ranges has a byte in it: 416, with `Content-Range: bytes */size`."""


def parse_range(header: str, size: int) -> list[Span] | None:
    """The spans to send, in the order asked for; None to send everything.

    `size` is that of the whole. Raises `Unsatisfiable`.
    """
    unit, _, wanted = header.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    spans: list[Span] = []
    parts = [part for part in (one.strip(" \t") for one in wanted.split(",")) if part]
    if not parts or len(parts) > MAX_RANGES:
        return None
    for part in parts:
        match = _RANGE.fullmatch(part)
        if match is None:
            return None
        first, last, suffix = match.groups()
        if suffix is not None:
            start, stop = max(0, size - int(suffix)), size
        else:
            start = int(first)
            if last and int(last) < start:
                return None
            stop = min(int(last) + 1, size) if last else size
        if start < stop:
            spans.append(Span(start, stop))
    if not spans:
        raise Unsatisfiable
    if len(spans) > 1 and sum(span.length for span in spans) > size:
        return None  # overlapping many times over: an attack or a mistake
    return spans


def if_range_holds(header: str | None, etag: str) -> bool:
    """Whether a Range counts: without If-Range, or when it names the very bytes we have. A
    date never does, for none is ever sent."""
    return header is None or header.strip() == etag


def none_match_hits(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names `etag`, so that the answer is 304."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    opaque = etag.removeprefix("W/")
    return any(f'"{tag}"' == opaque for _, tag in _TAG.findall(header))


class Multipart:
    """A multipart/byteranges body: what stands before each span and after the last."""

    def __init__(self, spans: Sequence[Span], size: int, mime: str, boundary: str) -> None:
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        self.parts = [
            (
                f"\r\n--{boundary}\r\nContent-Type: {mime}\r\n"
                f"Content-Range: {span.content_range(size)}\r\n\r\n".encode("latin-1"),
                span,
            )
            for span in spans
        ]
        self.end = f"\r\n--{boundary}--\r\n".encode("latin-1")

    @property
    def length(self) -> int:
        """Bytes of the whole body."""
        return sum(len(head) + span.length for head, span in self.parts) + len(self.end)
