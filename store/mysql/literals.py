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
FEW_ROWS = 16  # up to so many an UPDATE is repeated instead of joined

_UPDATE = re.compile(
    r"UPDATE (\w+) SET (\w+ = \?(?:, \w+ = \?)*) WHERE (\w+ = \?(?: AND \w+ = \?)*)"
)
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


def _column(values: Sequence[Value]) -> Iterable[str]:
    """Values of many rows as they stand in a statement; most columns hold one type."""
    kinds = set(map(type, values))
    writer = _WRITERS.get(kinds.pop()) if len(kinds) == 1 else None
    return map(writer or literal, values)


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


class _Update(NamedTuple):
    head: str
    tail: str
    keys: int  # how many of the values, the last ones, name the row
    width: int


@lru_cache(256)
def _as_update(sql: str) -> _Update | None:
    """The parts of an UPDATE that sets columns of the rows with certain others, joined to a table
    of values; None for another statement."""
    found = _UPDATE.fullmatch(sql.strip())
    if found is None:
        return None
    table = found[1]
    columns = re.findall(r"(\w+) = \?", found[2])
    keys = re.findall(r"(\w+) = \?", found[3])
    if set(columns) & set(keys):
        return None
    names = [f"c{number}" for number in range(len(columns) + len(keys))]
    given = dict(zip([*columns, *keys], names, strict=True))
    return _Update(
        f"UPDATE (WITH given ({', '.join(names)}) AS (VALUES ",
        f") SELECT * FROM given) given STRAIGHT_JOIN {table} ON "
        + " AND ".join(f"{table}.{name} = given.{given[name]}" for name in keys)
        + " SET "
        + ", ".join(f"{table}.{name} = given.{given[name]}" for name in columns),
        len(keys),
        len(names),
    )


def render_many(sql: str, rows: Iterable[Sequence[Value]], row_word: str = "") -> Iterator[str]:
    """The statement for many rows, in as few strings as their size allows: an INSERT as one of
    many rows, an UPDATE joined to the values, any other as many statements. `row_word` stands
    before a row of a table of values."""
    insert = _as_insert(sql)
    if insert is not None:
        return _joined(_filled(insert.row, insert.width, rows), insert.head, ", ", insert.tail)
    update = _as_update(sql)
    if update is not None:
        rows = list(rows)
        if len(rows) > FEW_ROWS:
            return _joined(_given(update, rows, row_word), update.head, ", ", update.tail)
    return _joined((render(sql, row) for row in rows), "", "; ", "")


def _joined(texts: Iterable[str], head: str, separator: str, tail: str) -> Iterator[str]:
    pieces: list[str] = []
    size = 0
    for text in texts:
        if pieces and size + len(text) > CHUNK:
            yield head + separator.join(pieces) + tail
            pieces, size = [], 0
        pieces.append(text)
        size += len(text)
    if pieces:
        yield head + separator.join(pieces) + tail


def _given(update: _Update, rows: Iterable[Sequence[Value]], row_word: str) -> Iterator[str]:
    """Of several for one row the last one, which would have had the last word."""
    last: dict[tuple[Value, ...], Sequence[Value]] = {}
    for row in rows:
        _check_width(row, update.width)
        key = tuple(row[-update.keys :])
        last.pop(key, None)
        last[key] = row
    pattern = f"{row_word}({', '.join(['%s'] * update.width)})"
    return _filled(pattern, update.width, last.values())


def _filled(pattern: str, width: int, rows: Iterable[Sequence[Value]]) -> Iterator[str]:
    """A pattern with a `%s` for each value, with the values of each row."""
    rows = list(rows)
    for row in rows:
        _check_width(row, width)
    if not width:
        return iter([pattern % ()] * len(rows))
    columns = map(_column, zip(*rows, strict=True))  # cheaper than row by row
    return map(pattern.__mod__, zip(*columns, strict=True))


def _check_width(row: Sequence[Value], width: int) -> None:
    if len(row) != width:
        raise ValueError(f"{width} values are needed, and {len(row)} were given")
