"""Statements with their values put in (pure).

The text protocol carries one string, and may carry several statements in it. Values are written
so that they mean themselves whatever the session's settings but for `NO_BACKSLASH_ESCAPES`,
which the session has off.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from store.transaction import Value

CHUNK = 1 << 18  # characters of one statement of many rows; a larger row goes alone

_QUOTED_OR_MARK = re.compile(r"'(?:[^'\\]|\\.)*'|\?")
_ESCAPES = str.maketrans({"\0": "\\0", "'": "\\'", "\\": "\\\\"})
_INSERT = re.compile(
    r"(INSERT\s+INTO\s+\w+\s*\([^()]*\)\s*VALUES\s*)(\([^()]*\))(\s+ON\s+DUPLICATE\s.*)?", re.S
)


def _text(value: str) -> str:
    if "'" in value or "\\" in value or "\0" in value:
        value = value.translate(_ESCAPES)
    return f"'{value}'"


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that a database keeps")
    text = repr(value)
    return text if "e" in text else text + "e0"  # else it would be a decimal


_WRITERS: dict[type, Callable[[Any], str]] = {
    int: int.__repr__,
    str: _text,
    bytes: lambda value: f"x'{value.hex()}'",
    float: _number,
    bool: lambda value: "1" if value else "0",
    type(None): lambda _: "NULL",
}


def literal(value: Value) -> str:
    """A value as it stands in a statement. Raises `TypeError` for what is none."""
    writer = _WRITERS.get(type(value))
    if writer is not None:
        return writer(value)
    if isinstance(value, str):
        return _text(str.__str__(value))  # of an enum the value, not the name
    for kind in (int, bytes, float):
        if isinstance(value, kind):
            return _WRITERS[kind](value)
    raise TypeError(f"{type(value).__name__} is no value of a statement")


def _split(sql: str) -> Sequence[str]:
    """The text between the placeholders."""
    return _split_quoted(sql) if "'" in sql else sql.split("?")


@lru_cache(512)
def _split_quoted(sql: str) -> Sequence[str]:
    parts, start = [], 0
    for found in _QUOTED_OR_MARK.finditer(sql):
        if found[0] == "?":
            parts.append(sql[start : found.start()])
            start = found.end()
    parts.append(sql[start:])
    return parts


def render(sql: str, params: Sequence[Value]) -> str:
    """The statement with its values. Raises `ValueError` when there are too many or too few."""
    parts = _split(sql)
    if len(parts) != len(params) + 1:
        raise ValueError(f"{len(parts) - 1} values are needed, and {len(params)} were given")
    if not params:
        return sql
    pieces = [""] * (2 * len(parts) - 1)
    pieces[::2] = parts
    pieces[1::2] = [literal(value) for value in params]
    return "".join(pieces)


class _Insert(NamedTuple):
    head: str
    row: str  # with %s for each value
    tail: str
    width: int


@lru_cache(256)
def _as_insert(sql: str) -> _Insert | None:
    """The parts of an INSERT of one row, or None for another statement."""
    found = _INSERT.fullmatch(sql.strip())
    if found is None:
        return None
    parts = _split(found[2])
    row = "%s".join(part.replace("%", "%%") for part in parts)
    return _Insert(found[1], row, found[3] or "", len(parts) - 1)


def render_many(sql: str, rows: Iterable[Sequence[Value]]) -> Iterator[str]:
    """The statement for many rows, in as few strings as their size allows: an INSERT as one of
    many rows, any other as many statements."""
    insert = _as_insert(sql)
    head, separator, tail = ("", "; ", "") if insert is None else (insert.head, ", ", insert.tail)
    pieces: list[str] = []
    size = 0
    for row in rows:
        piece = render(sql, row) if insert is None else _row(insert, row)
        if pieces and size + len(piece) > CHUNK:
            yield head + separator.join(pieces) + tail
            pieces, size = [], 0
        pieces.append(piece)
        size += len(piece)
    if pieces:
        yield head + separator.join(pieces) + tail


def _row(insert: _Insert, row: Sequence[Value]) -> str:
    if len(row) != insert.width:
        raise ValueError(f"{insert.width} values are needed, and {len(row)} were given")
    return insert.row % tuple([literal(value) for value in row])
