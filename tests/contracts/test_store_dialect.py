"""The words in which the backends differ mean the same in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from store.errors import DomainError, StoreError
from store.interface import Store
from store.transaction import Row, Transaction, Value
from tests.contracts.statements import get_numbers, run_many

MANY = 3000  # more than any one batch asks for

ROOM = (
    *("kind", "title", "about", "avatar_id", "created_ms"),
    *("last_number", "activity", "member_count", "changed"),
)


def room(title: str = "") -> tuple[Value, ...]:
    """Values for `ROOM`."""
    return (2, title, "", "", 0, 0, 0, 0, 0)


async def add_rooms(tx: Transaction, keys: Iterable[str | None]) -> None:
    """Rooms 1, 2, 3… with these keys, which may be NULL."""
    await tx.run_many(
        f"INSERT INTO rooms (id, direct_key, {', '.join(ROOM)}) VALUES (?, ?{', ?' * len(ROOM)})",
        [(number, key, *room()) for number, key in enumerate(keys, 1)],
    )


async def among(
    tx: Transaction, column: str, values: Sequence[Value], word: str = "IN"
) -> list[int]:
    """The ids of the rooms of which a column is (not) among the values."""
    found = await tx.rows(
        f"SELECT id FROM rooms WHERE {column} {word} {tx.dialect.in_list(len(values))} ORDER BY id",
        values,
    )
    return [row[0] for row in found]


async def paired(tx: Transaction, pairs: Sequence[tuple[Value, Value]]) -> list[int]:
    found = await tx.rows(
        f"SELECT id FROM rooms WHERE (direct_key, id) IN {tx.dialect.in_pairs(len(pairs))} "
        "ORDER BY id",
        [value for pair in pairs for value in pair],
    )
    return [row[0] for row in found]


async def test_a_list_of_none_one_and_many(store: Store) -> None:
    await store.write(add_rooms, [str(number) for number in range(1, MANY + 1)])
    assert await store.read(among, "id", []) == []
    assert await store.read(among, "id", [2]) == [2]
    assert await store.read(among, "id", [3, 1, 3, 9_999]) == [1, 3]
    every = list(range(1, MANY + 1))
    assert await store.read(among, "id", [*every, *range(10**6, 10**6 + MANY)]) == every
    assert await store.read(among, "direct_key", ["2", "02", "2 "]) == [2]
    assert await store.read(among, "id", [1, 2], "NOT IN") == every[2:]
    assert await store.read(among, "id", [], "NOT IN") == every


async def test_a_null_is_in_no_list(store: Store) -> None:
    await store.write(add_rooms, ["a", None, "b", None])
    assert await store.read(among, "direct_key", [None]) == []
    assert await store.read(among, "direct_key", ["b", None]) == [3]


async def test_pairs_of_none_one_and_many(store: Store) -> None:
    await store.write(add_rooms, [str(number) for number in range(1, MANY + 1)])
    assert await store.read(paired, []) == []
    assert await store.read(paired, [("2", 2)]) == [2]
    # Each pair is one: the first of one and the second of another are none.
    assert await store.read(paired, [("2", 3), ("3", 2)]) == []
    assert await store.read(paired, [("3", 3), ("1", 1), ("3", 3), ("3", 1)]) == [1, 3]
    every = [(str(number), number) for number in range(1, 2 * MANY)]
    assert await store.read(paired, every) == list(range(1, MANY + 1))


async def test_a_pair_with_a_null_is_in_no_list(store: Store) -> None:
    await store.write(add_rooms, ["a", None, "b"])
    assert await store.read(paired, [(None, 2)]) == []
    assert await store.read(paired, [("a", None), (None, None), ("b", 3)]) == [3]


async def test_a_pair_is_exact_in_bytes_and_text(store: Store) -> None:
    kept = [("u:1", b"k"), ("u:1", b"k\0"), ("U:1", b"k"), ("u:1 ", b"k"), ("u:1", b"K")]

    async def query(tx: Transaction) -> None:
        await tx.run_many(
            "INSERT INTO ops (scope, op_key, digest, result, at_ms) VALUES (?, ?, ?, ?, 0)",
            [(scope, key, b"", b"") for scope, key in kept],
        )
        for scope, key in kept:
            found = await tx.rows(
                "SELECT scope, op_key FROM ops WHERE (op_key, scope) IN " + tx.dialect.in_pairs(2),
                (key, scope, b"other", scope),
            )
            assert found == [(scope, key)]

    await store.write(query)


async def test_upsert_inserts_and_where_the_key_is_there_sets_the_columns(store: Store) -> None:
    async def query(tx: Transaction) -> list[Row]:
        sql = tx.dialect.upsert("streams", ("kind", "id"), ("sequence", "position"))
        await tx.run(sql, ("u", 1, 10, 100))
        await tx.run(sql, ("r", 1, 20, 200))
        await tx.run(sql, ("u", 1, 11, 101))
        await tx.run_many(sql, [("u", 2, 1, 1), ("u", 1, 12, 102), ("u", 2, 2, 2)])
        await tx.run_many(sql, [])
        return await tx.rows("SELECT kind, id, sequence, position FROM streams ORDER BY kind, id")

    assert await store.write(query) == [("r", 1, 20, 200), ("u", 1, 12, 102), ("u", 2, 2, 2)]


async def test_upsert_leaves_the_other_columns_as_they_are(store: Store) -> None:
    """It changes the row, and does not put another in its place."""

    async def query(tx: Transaction) -> list[Row]:
        await add_rooms(tx, ["1:2", None])
        sql = tx.dialect.upsert("rooms", ("id",), ROOM)
        await tx.run_many(sql, [(number, *room(f"title {number}")) for number in (1, 2, 3)])
        return await tx.rows("SELECT id, direct_key, title FROM rooms ORDER BY id")

    assert await store.write(query) == [
        (1, "1:2", "title 1"),
        (2, None, "title 2"),
        (3, None, "title 3"),
    ]


async def test_upsert_puts_in_and_takes_out_a_null(store: Store) -> None:
    async def query(tx: Transaction) -> list[list[Row]]:
        seen = []
        sql = tx.dialect.upsert("rooms", ("id",), ("direct_key", *ROOM))
        for key in (None, "1:2", None):
            await tx.run(sql, (1, key, *room()))
            seen.append(await tx.rows("SELECT direct_key FROM rooms"))
        return seen

    assert await store.write(query) == [[(None,)], [("1:2",)], [(None,)]]


async def test_insert_new_leaves_what_is_there(store: Store) -> None:
    async def query(tx: Transaction) -> list[int]:
        sql = tx.dialect.insert_new("last_seen", ("user_id", "at_ms"))
        counts = [await tx.run(sql, (1, 10)), await tx.run(sql, (1, 11))]
        # Of two in one go the first is there when the second comes.
        await tx.run_many(sql, [(1, 12), (2, 20), (2, 21), (3, 30)])
        await tx.run_many(sql, [])
        return counts

    assert await store.write(query) == [1, 0]
    assert await store.read(get_numbers) == {1: 10, 2: 20, 3: 30}


async def test_insert_new_looks_at_every_unique_key(store: Store) -> None:
    async def query(tx: Transaction) -> list[Row]:
        await add_rooms(tx, ["1:2", None])
        sql = tx.dialect.insert_new("rooms", ("id", "direct_key", *ROOM))
        await tx.run_many(
            sql, [(3, "1:2", *room("a")), (4, None, *room("b")), (2, "2:3", *room("c"))]
        )
        return await tx.rows("SELECT id, direct_key, title FROM rooms ORDER BY id")

    assert await store.write(query) == [(1, "1:2", ""), (2, None, ""), (4, None, "b")]


@pytest.mark.parametrize("word", ["insert_new", "upsert"])
async def test_insert_new_and_upsert_hide_no_other_error(store: Store, word: str) -> None:
    async def query(tx: Transaction) -> None:
        sql = {
            "insert_new": tx.dialect.insert_new("last_seen", ("user_id", "at_ms")),
            "upsert": tx.dialect.upsert("last_seen", ("user_id",), ("at_ms",)),
        }[word]
        await tx.run(sql, (1, None))  # NOT NULL

    with pytest.raises(Exception, match=r".") as caught:
        await store.write(query)
    assert not isinstance(caught.value, DomainError | StoreError)
    assert await store.read(get_numbers) == {}


async def test_one_statement_for_many_rows(store: Store) -> None:
    """None, one, many; from a list, a generator, the values of a dictionary."""
    insert = "INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)"
    await store.write(run_many, insert, [])
    await store.write(run_many, insert, [(0, 0)])
    await store.write(run_many, insert, ((number, number) for number in range(1, MANY)))
    assert await store.read(get_numbers) == {number: number for number in range(MANY)}
    update = "UPDATE last_seen SET at_ms = ? WHERE user_id = ?"
    changes = {number: (-number, number) for number in range(0, MANY, 2)}
    await store.write(run_many, update, changes.values())
    await store.write(run_many, update, [])
    await store.write(
        run_many, "DELETE FROM last_seen WHERE user_id = ?", [(n,) for n in range(10, MANY)]
    )
    assert await store.read(get_numbers) == {
        number: number if number % 2 else -number for number in range(10)
    }


async def test_an_update_of_many_rows_sets_each_to_its_own(store: Store) -> None:
    """Values of every kind and size, rows that are not there, and one that comes twice."""
    texts = ["", "a", "a ", "\U0001f41f" * 300, "it's \\ \0"]
    rows: list[tuple[Value, ...]] = [
        ((1 << 63) - 1 - n if n % 3 else -n, texts[n % 5], None if n % 2 else f"{n}:x", n)
        for n in range(MANY)
    ]

    async def query(tx: Transaction) -> list[Row]:
        await add_rooms(tx, [None] * (MANY - 10))  # 1, 2, 3…
        sql = "UPDATE rooms SET activity = ?, title = ?, direct_key = ? WHERE id = ?"
        await tx.run_many(sql, [*rows, (5, "last", "5:5", 5)])
        return await tx.rows("SELECT activity, title, direct_key, id FROM rooms ORDER BY id")

    expected = [*rows[1 : MANY - 9]]
    expected[4] = (5, "last", "5:5", 5)
    assert await store.write(query) == expected


async def test_one_statement_for_many_rows_keeps_their_order(store: Store) -> None:
    await store.write(run_many, "INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)", [(1, 1)])
    await store.write(
        run_many,
        "UPDATE last_seen SET at_ms = at_ms * 10 + ? WHERE user_id = ?",
        [(number, 1) for number in range(2, 9)],
    )
    assert await store.read(get_numbers) == {1: 12345678}


async def test_the_lock_on_a_row_changes_nothing_of_what_is_read(store: Store) -> None:
    async def query(tx: Transaction) -> list[Row]:
        await tx.run("INSERT INTO last_seen (user_id, at_ms) VALUES (?, ?)", (1, 10))
        return await tx.rows(
            "SELECT at_ms FROM last_seen WHERE user_id = ?" + tx.dialect.for_update(), (1,)
        )

    assert await store.write(query) == [(10,)]
