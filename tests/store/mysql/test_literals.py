"""Statements with their values put in."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum

import pytest

from store.mysql.literals import CHUNK, FEW_ROWS, literal, render, render_many


class Colour(StrEnum):
    RED = "r'ed"


class Shade(str, Enum):  # noqa: UP042 - StrEnum says its value by itself
    DARK = "dark"


class Number(IntEnum):
    TWO = 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-(1 << 63), "-9223372036854775808"),
        (True, "1"),
        (False, "0"),
        (None, "NULL"),
        (1.5, "1.5e0"),
        (1e300, "1e+300"),
        ("", "''"),
        ("it's \\ \0 ?", "'it\\'s \\\\ \\0 ?'"),
        ("\n\u2028\U0001f41f%s", "'\n\u2028\U0001f41f%s'"),
        (b"", "x''"),
        (b"\x00'\\\xff", "x'00275cff'"),
        (Colour.RED, "'r\\'ed'"),
        (Shade.DARK, "'dark'"),
        (Number.TWO, "2"),
    ],
)
def test_a_value_means_itself(value: object, text: str) -> None:
    assert literal(value) == text  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [object(), [1], (1,), {}, 1j])
def test_what_is_no_value_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        literal(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not a number"):
        literal(value)


def test_a_mark_within_quotes_stands_for_itself() -> None:
    assert render("SELECT '?', '\\'?', ?, ''", (1,)) == "SELECT '?', '\\'?', 1, ''"
    assert render("SELECT ?, '100%', ?", ("?", 2)) == "SELECT '?', '100%', 2"
    assert render("SELECT 1", ()) == "SELECT 1"


@pytest.mark.parametrize("params", [(), (1,), (1, 2, 3)])
def test_values_too_many_or_too_few(params: tuple[int, ...]) -> None:
    for sql in ("SELECT ?, ?", "SELECT ?, '', ?"):
        with pytest.raises(ValueError, match="2 values are needed"):
            render(sql, params)
    with pytest.raises(ValueError, match="2 values are needed"):
        list(render_many("INSERT INTO t (a, b) VALUES (?, ?)", [params]))


def test_an_insert_of_many_rows_is_one_statement() -> None:
    sql = "INSERT INTO t (a, b) VALUES (?, '%?', ?, 0) ON DUPLICATE KEY UPDATE a = VALUES(a)"
    assert list(render_many(sql, [(1, "x"), (2, "%s")])) == [
        "INSERT INTO t (a, b) VALUES (1, '%?', 'x', 0), (2, '%?', '%s', 0)"
        " ON DUPLICATE KEY UPDATE a = VALUES(a)"
    ]
    assert list(render_many(sql, [])) == []


def test_any_other_statement_is_repeated_in_order() -> None:
    assert list(render_many("UPDATE t SET a = ? WHERE b = ?", [(1, 2), (3, 4)])) == [
        "UPDATE t SET a = 1 WHERE b = 2; UPDATE t SET a = 3 WHERE b = 4"
    ]
    select = "INSERT INTO t (a) SELECT ? FROM s WHERE b IN (?, ?)"
    assert list(render_many(select, [(1, 2, 3)])) == [
        "INSERT INTO t (a) SELECT 1 FROM s WHERE b IN (2, 3)"
    ]


def test_an_update_of_many_rows_is_joined_to_their_values() -> None:
    sql = "UPDATE t SET a = ?, b = ? WHERE k = ? AND l = ?"
    rows = [(n, "x'", n, 7) for n in range(FEW_ROWS)]
    assert next(render_many(sql, rows, "ROW")).count("UPDATE") == FEW_ROWS
    (text,) = render_many(sql, [*rows, (50, None, 0, 7)], "ROW")
    assert text.startswith("UPDATE (WITH given (c0, c1, c2, c3) AS (VALUES ROW(1, 'x\\'', 1, 7), ")
    # Of two for one row the later counts.
    assert text.endswith(
        "ROW(50, NULL, 0, 7)) SELECT * FROM given) given STRAIGHT_JOIN t ON t.k = given.c2 AND "
        "t.l = given.c3 SET t.a = given.c0, t.b = given.c1"
    )
    assert text.count("ROW(") == FEW_ROWS
    with pytest.raises(ValueError, match="4 values are needed"):
        list(render_many(sql, [*rows, (1, 2, 3)]))


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE t SET a = a + ? WHERE k = ?",
        "UPDATE t SET k = ? WHERE k = ?",
        "UPDATE t SET a = ? WHERE k > ?",
        "UPDATE t SET a = ? WHERE k = ? OR l = ?",
        "UPDATE t SET a = ?, b = 'x' WHERE k = ?",
    ],
)
def test_an_update_that_is_not_that_plain_is_repeated(sql: str) -> None:
    rows = [tuple(range(sql.count("?")))] * 30
    (text,) = render_many(sql, rows)
    assert text.count("UPDATE t") == 30


def test_many_rows_are_split_by_their_size() -> None:
    row = ("x" * (CHUNK // 3),)
    sizes = [len(one) for one in render_many("INSERT INTO t (a) VALUES (?)", [row] * 5)]
    assert len(sizes) == 3
    assert max(sizes) < CHUNK + 100
    alone = list(render_many("INSERT INTO t (a) VALUES (?)", [("y",), ("x" * 2 * CHUNK,), ("y",)]))
    assert len(alone) == 3
