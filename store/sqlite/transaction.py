"""SQLite's dialect, and the transaction that a query sees."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from store.transaction import Row, Statement, Value

T = TypeVar("T")

WORDS = {
    "ID": "INTEGER",
    "KEYTEXT": "TEXT",
    "LONGTEXT": "TEXT",
    "LONGBYTES": "BLOB",
    "BYTES": "BLOB",
    "CLUSTERED": "WITHOUT ROWID",
}


class SqliteDialect:
    @staticmethod
    @lru_cache(1024)
    def in_list(count: int) -> str:
        return "(" + ", ".join(["?"] * count) + ")"

    @staticmethod
    @lru_cache(1024)
    def in_pairs(count: int) -> str:
        if not count:
            return "(SELECT NULL, NULL WHERE 0)"
        # Wrapped in a SELECT: against a bare VALUES of several rows SQLite scans the table. It
        # searches by both columns where they have the same type, or the first is bytes.
        return "(SELECT * FROM (VALUES " + ", ".join(["(?, ?)"] * count) + "))"

    @staticmethod
    @lru_cache(256)
    def upsert(table: str, key: Sequence[str], columns: Sequence[str]) -> str:
        names = (*key, *columns)
        return (
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET "
            + ", ".join(f"{name} = excluded.{name}" for name in columns)
        )

    @staticmethod
    @lru_cache(256)
    def insert_new(table: str, columns: Sequence[str]) -> str:
        return (
            f"INSERT INTO {table} ({', '.join(columns)}) "
            f"VALUES ({', '.join('?' * len(columns))}) ON CONFLICT DO NOTHING"
        )

    @staticmethod
    def delete_some(table: str, key: Sequence[str], where: str) -> str:
        names = ", ".join(key)
        return (
            f"DELETE FROM {table} WHERE ({names}) IN "
            f"(SELECT {names} FROM {table} WHERE {where} LIMIT ?)"
        )

    @staticmethod
    def insert_new_from(table: str, columns: Sequence[str], select: str) -> str:
        return f"INSERT INTO {table} ({', '.join(columns)}) {select} ON CONFLICT DO NOTHING"

    @staticmethod
    def for_update() -> str:
        return ""

    @staticmethod
    def now_ms() -> str:
        return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


class SqliteTransaction:
    """Statements on one connection. Its coroutines never wait: they may be driven anywhere."""

    dialect = SqliteDialect()

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        return self._connection.execute(sql, params).fetchall()

    async def rows_many(self, queries: Sequence[Statement]) -> list[list[Row]]:
        return [await self.rows(*query) for query in queries]

    async def run(self, sql: str, params: Sequence[Value] = ()) -> int:
        return self._connection.execute(sql, params).rowcount

    async def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        if given := list(rows):
            self._connection.executemany(sql, given)


def drive(query: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
    """Runs a query from start to end. It may await nothing but its transaction."""
    coroutine = query(*args, **kwargs)
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError(f"{query!r} awaited something that is not its transaction")
