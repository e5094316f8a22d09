"""Plain requests: GET and HEAD of media, as browsers and apps send them (pure).

A plain request needs no general HTTP machinery. What is taken here is a strict part of HTTP/1.1
(RFC 9112): one spelling of the request line, known characters, no body, nothing to be upgraded,
none of the fields that matter twice. Whatever is not that is `OTHER`: not wrong, but somebody
else's to read. So both readers can only agree: this one refuses nothing.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Literal, NamedTuple

_LINE = re.compile(rb"(GET|HEAD) (/m/[A-Za-z0-9._,/-]*)(?:\?([A-Za-z0-9._=&-]*))? HTTP/1\.1\r\n")
_FIELDS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e]*\r\n)+")
_BEGINS = (b"GET /m/", b"HEAD /m/")

_READ = {
    b"accept": "Accept",
    b"if-none-match": "If-None-Match",
    b"if-range": "If-Range",
    b"origin": "Origin",
    b"range": "Range",
    b"x-forwarded-for": "X-Forwarded-For",
}
"""What an answer depends on."""

_BEYOND = frozenset(
    {
        b"content-length",
        b"expect",
        b"http2-settings",
        b"tus-resumable",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""What asks for more than a plain answer."""


REMEMBERED = 2048  # bytes of fields that a connection keeps


class Outcome(Enum):
    MORE = "the head is not whole yet"
    OTHER = "not a plain request"


class Head(NamedTuple):
    """The fields of a request."""

    fields: dict[str, str]  # those that an answer depends on, by their usual names
    close: bool  # the client wants no more answers on this connection


class Plain(NamedTuple):
    """A whole request."""

    is_head: bool
    path: bytes
    query: bytes
    head: Head
    size: int  # bytes up to the next request


class Reader:
    """Reads the requests of one connection. A client mostly sends the same fields with each, so
    the last ones are remembered."""

    def __init__(self, *, max_bytes: int, max_fields: int) -> None:
        """More than `max_bytes` in a head, or more than so many fields, are `OTHER`."""
        self._max_bytes = max_bytes
        self._max_fields = max_fields
        self._last: bytes | None = None
        self._head = Head({}, False)

    def read(self, data: bytes) -> Plain | Literal[Outcome.MORE] | Literal[Outcome.OTHER]:
        """The request at the beginning of `data`."""
        end = data.find(b"\r\n\r\n", 0, self._max_bytes)
        if end < 0:
            if len(data) >= self._max_bytes or not _may_begin(data):
                return Outcome.OTHER
            return Outcome.MORE
        line = _LINE.match(data)
        if line is None:
            return Outcome.OTHER
        raw = data[line.end() : end + 2]
        if raw != self._last:
            head = self._parse(raw)
            if head is None:
                return Outcome.OTHER
            if len(raw) <= REMEMBERED:
                self._last, self._head = raw, head
        else:
            head = self._head
        method, path, query = line.groups()
        return Plain(method == b"HEAD", path, query or b"", head, end + 4)

    def _parse(self, raw: bytes) -> Head | None:
        if _FIELDS.fullmatch(raw) is None:
            return None
        lines = raw.split(b"\r\n")[:-1]
        if len(lines) > self._max_fields:
            return None
        fields: dict[str, str] = {}
        close, hosts, connections = False, 0, 0
        for line in lines:
            name, _, value = line.partition(b":")
            name = name.lower()
            if name in _BEYOND:
                return None
            if name == b"host":
                hosts += 1
            elif name == b"connection":
                connections += 1
                wish = value.strip(b" \t").lower()
                if wish not in (b"close", b"keep-alive"):
                    return None
                close = wish == b"close"
            elif (known := _READ.get(name)) is not None:
                if known in fields:
                    return None
                fields[known] = value.strip(b" \t").decode("ascii")
        return Head(fields, close) if hosts == 1 and connections <= 1 else None


def _may_begin(data: bytes) -> bool:
    """Whether this may become a plain request. With lines that end in a newline alone it would
    be whole for others, while we waited."""
    return data.count(b"\n") == data.count(b"\r\n") and any(
        data.startswith(begin) or begin.startswith(data) for begin in _BEGINS
    )
