"""Every value comes back as it was put in, and is equal to nothing but itself."""

from __future__ import annotations

import random

import pytest

from store.interface import Store
from store.transaction import Row, Transaction, Value
from tests.contracts.statements import rows, run, run_many

INTS = [
    *(0, 1, -1, 127, 128, 255, 256, 65535, 1 << 31, (1 << 31) - 1, -(1 << 31), 1 << 32),
    *((1 << 53) - 1, 1 << 53, (1 << 53) + 1),  # where floating point loses the last digit
    *((1 << 62) + 1, (1 << 63) - 2, (1 << 63) - 1, -(1 << 63), -(1 << 63) + 1),
]

TEXTS = [
    *("", " ", "  ", "a", "A", "a ", " a", "a  ", "\ta", "a\n", "a\r\n", "\n"),
    *("á", "a\u0301", "Á", "ä", "å", "ae", "æ", "ß", "ss", "ſ", "s", "S"),
    *("i", "I", "ı", "İ", "ñ", "n", "Ω", "\u2126", "ﬁ", "fi", "１", "1"),
    *("\0", "a\0", "a\0b", "\0a", "\x01", "\x1a", "\x7f", "\u200b", "\ufeff", "a\u200b"),
    *("\U0001f41f", "\U0001f41e", "\uffff", "\U0010ffff", "𝒜", "漢", "漢字", "👩", "👩🏽"),
    *("\U0001f468\u200d\U0001f469\u200d\U0001f467", "🇩🇪", "🇫🇷"),
    *("'", "''", '"', "\\", "\\'", "\\0", "%", "_", "a_", "%s", "?", ":a", "$1", "--", "/*", ";"),
    *("null", "NULL", "0", "00", "0.0", "1e0", "-0", "true", "x'00'"),
]

BYTES = [
    *(b"", b"\0", b"\0\0", b"a", b"A", b"a\0", b"a ", b" a", b"\xff", b"\x80", b"\xc3\xa9"),
    *(b"'", b"\\", b"\x1a", b"\r\n", bytes(range(16)), b"\0" * 16, b"\xff" * 16, b"0", b"null"),
]


async def _keep(tx: Transaction, values: list[tuple[str, bytes]]) -> None:
    """Keeps texts and bytes as keys, with what is not a key beside them."""
    await tx.run_many(
        "INSERT INTO ops (scope, op_key, digest, result, at_ms) VALUES (?, ?, ?, ?, ?)",
        [(text, key, b"", text.encode(), number) for number, (text, key) in enumerate(values)],
    )


async def test_whole_numbers_come_back_to_the_last_digit(store: Store) -> None:
    numbers = [number for number in INTS if number > -(1 << 63)]  # whose negatives there are
    await store.write(
        run_many,
        "INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)",
        [(number, -number) for number in numbers],
    )
    for number in numbers:
        found = await store.read(
            rows, "SELECT user_id, at_ms FROM last_seen WHERE user_id = ?", number
        )
        assert found == [(number, -number)]
    found = await store.read(rows, "SELECT user_id FROM last_seen ORDER BY user_id")
    assert [row[0] for row in found] == sorted(numbers)
    assert all(type(row[0]) is int for row in found)


@pytest.mark.parametrize("number", INTS)
async def test_a_number_is_put_in_alone_as_in_a_list(store: Store, number: int) -> None:
    async def query(tx: Transaction) -> list[Row]:
        await tx.run("INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)", (number, number))
        await tx.run("UPDATE last_seen SET at_ms = at_ms WHERE user_id = ?", (number,))
        sql = "SELECT user_id, at_ms FROM last_seen WHERE at_ms IN " + tx.dialect.in_list(2)
        return await tx.rows(sql, (number, 5))

    assert await store.write(query) == [(number, number)]


async def test_what_is_computed_of_whole_numbers_is_a_whole_number(store: Store) -> None:
    columns = "COUNT(*), MIN(at_ms), MAX(at_ms), COALESCE(MAX(user_id), 0)"
    sql = f"SELECT {columns} FROM last_seen"
    assert await store.read(rows, sql) == [(0, None, None, 0)]
    most = (1 << 63) - 1
    await store.write(
        run_many, "INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)", [(1, 5), (2, most)]
    )
    found = await store.read(rows, sql)
    assert found == [(2, 5, most, 2)]
    assert [type(value) for value in found[0]] == [int] * 4
    assert isinstance(found, list)
    assert isinstance(found[0], tuple)
    await store.write(run, "UPDATE last_seen SET at_ms = at_ms - ? WHERE user_id = ?", 1, 2)
    assert await store.read(rows, "SELECT MAX(at_ms) FROM last_seen") == [(most - 1,)]


async def test_texts_as_keys_are_what_they_are_to_the_last_character(store: Store) -> None:
    """No two of them are one key: not for case, accents, width, trailing spaces or zeros."""
    assert len(set(TEXTS)) == len(TEXTS)
    await store.write(_keep, [(text, b"k") for text in TEXTS])
    for number, text in enumerate(TEXTS):
        found = await store.read(rows, "SELECT scope, at_ms FROM ops WHERE scope = ?", text)
        assert found == [(text, number)]
    found = await store.read(rows, "SELECT scope FROM ops WHERE scope <> ?", "a")
    assert {row[0] for row in found} == {*TEXTS} - {"a"}


async def test_texts_are_in_the_order_of_their_code_points(store: Store) -> None:
    await store.write(_keep, [(text, b"k") for text in TEXTS])
    found = await store.read(rows, "SELECT scope FROM ops ORDER BY scope")
    assert [row[0] for row in found] == sorted(TEXTS)
    found = await store.read(rows, "SELECT scope FROM ops WHERE scope > ? ORDER BY scope", "a")
    assert [row[0] for row in found] == [text for text in sorted(TEXTS) if text > "a"]


async def test_bytes_as_keys_are_what_they_are_to_the_last_zero(store: Store) -> None:
    await store.write(_keep, [("s", key) for key in BYTES])
    for number, key in enumerate(BYTES):
        found = await store.read(
            rows, "SELECT op_key, at_ms FROM ops WHERE scope = ? AND op_key = ?", "s", key
        )
        assert found == [(key, number)]
        assert type(found[0][0]) is bytes
    found = await store.read(rows, "SELECT op_key FROM ops ORDER BY op_key")
    assert [row[0] for row in found] == sorted(BYTES)


async def test_texts_and_bytes_that_are_no_keys_come_back_too(store: Store) -> None:
    texts = [*TEXTS, "\U0001f41f" * 20_000, "".join(TEXTS) * 100]
    every = bytes(range(256))
    blobs = [*BYTES, every * 4096, random.Random(1).randbytes(1 << 20)]
    await store.write(
        run_many,
        "INSERT INTO set_aside VALUES ('c', 0, ?, '', 0, ?, 0)",
        enumerate(texts),
    )
    found = await store.read(rows, "SELECT error FROM set_aside ORDER BY position")
    assert [row[0] for row in found] == texts
    assert all(type(row[0]) is str for row in found)
    await store.write(
        run_many,
        "INSERT INTO ops (scope, op_key, digest, result, at_ms) VALUES ('s', ?, ?, ?, 0)",
        [(bytes([n]), every[n : n + 16], blob) for n, blob in enumerate(blobs)],
    )
    found = await store.read(rows, "SELECT digest, result FROM ops ORDER BY op_key")
    assert [row[1] for row in found] == blobs
    assert [row[0] for row in found] == [every[n : n + 16] for n in range(len(blobs))]
    assert all(type(row[0]) is type(row[1]) is bytes for row in found)


async def test_a_value_in_a_text_is_no_part_of_the_statement(store: Store) -> None:
    async def query(tx: Transaction) -> None:
        for number, text in enumerate(TEXTS):
            values: tuple[Value, ...] = (text, number, text)
            found = await tx.rows("SELECT ?, ?, ?, '?', '%s', '100%'", values)
            assert found == [(text, number, text, "?", "%s", "100%")]

    await store.read(query)


async def test_nothing_is_null_and_equal_to_nothing(store: Store) -> None:
    names = "id, kind, title, about, avatar_id, created_ms, last_number, activity, member_count"
    await store.write(
        run_many,
        f"INSERT INTO rooms ({names}, direct_key, changed) "
        "VALUES (?, 1, '', '', '', 0, 0, 0, 0, ?, 0)",
        [(1, None), (2, None), (3, ""), (4, "1:2")],  # a unique key, and many have none
    )
    keys = "SELECT id, direct_key FROM rooms WHERE direct_key"
    assert await store.read(rows, f"{keys} IS NULL ORDER BY id") == [(1, None), (2, None)]
    assert await store.read(rows, f"{keys} IS NOT NULL ORDER BY id") == [(3, ""), (4, "1:2")]
    assert await store.read(rows, f"{keys} = ?", None) == []
    assert await store.read(rows, f"{keys} = ?", "") == [(3, "")]
    assert await store.write(run, "UPDATE rooms SET direct_key = ? WHERE id = ?", None, 3) == 1
    assert await store.read(rows, f"{keys} IS NOT NULL") == [(4, "1:2")]
