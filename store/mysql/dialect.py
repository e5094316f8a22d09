"""The dialect of MariaDB and MySQL, and where these two differ."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache


class Flavour(Enum):
    """Which of the two the server is. The value is the collation that tells texts apart to the
    last character, trailing spaces too; each has its own name for it."""

    MARIADB = "utf8mb4_nopad_bin"
    MYSQL = "utf8mb4_0900_bin"


def words(flavour: Flavour) -> dict[str, str]:
    """The spelling of the types in the migrations."""
    text = f"CHARACTER SET utf8mb4 COLLATE {flavour.value}"
    return {
        "ID": "BIGINT",
        "KEYTEXT": f"VARCHAR({{n}}) {text}",
        "LONGTEXT": f"LONGTEXT {text}",
        "LONGBYTES": "LONGBLOB",
        "BYTES": "VARBINARY({n})",
        "CLUSTERED": "",  # by its primary key every table is
    }


FEW_PAIRS = 20


class MysqlDialect:
    def __init__(self, flavour: Flavour) -> None:
        self.row_word = "" if flavour is Flavour.MARIADB else "ROW"
        """What stands before a row of a table of values."""

    @staticmethod
    @lru_cache(1024)
    def in_list(count: int) -> str:
        if not count:
            return "(SELECT NULL FROM DUAL WHERE FALSE)"
        return "(" + ", ".join(["?"] * count) + ")"

    def in_pairs(self, count: int) -> str:
        if not count:
            return "(SELECT NULL, NULL FROM DUAL WHERE FALSE)"
        if count <= FEW_PAIRS:
            return "(" + ", ".join(["(?, ?)"] * count) + ")"
        # A list is planned in time that grows with its square, where a table has two indexes: of
        # 1,000 pairs 210 ms. A table of pairs, joined by the index, takes 2 ms.
        rows = ", ".join([f"{self.row_word}(?, ?)"] * count)
        return f"(WITH pairs (one, other) AS (VALUES {rows}) SELECT one, other FROM pairs)"

    @staticmethod
    @lru_cache(256)
    def upsert(table: str, key: Sequence[str], columns: Sequence[str]) -> str:
        # VALUES() is what both servers understand.
        return _insert(table, (*key, *columns)) + ", ".join(
            f"{name} = VALUES({name})" for name in columns
        )

    @staticmethod
    @lru_cache(256)
    def insert_new(table: str, columns: Sequence[str]) -> str:
        # INSERT IGNORE would hide every other error too. A row set to what it is counts as 0.
        return _insert(table, columns) + f"{columns[0]} = {columns[0]}"

    @staticmethod
    def delete_some(table: str, key: Sequence[str], where: str) -> str:
        return f"DELETE FROM {table} WHERE {where} LIMIT ?"

    @staticmethod
    def insert_new_from(table: str, columns: Sequence[str], select: str) -> str:
        same = f"{table}.{columns[0]}"
        return (
            f"INSERT INTO {table} ({', '.join(columns)}) {select} "
            f"ON DUPLICATE KEY UPDATE {same} = {same}"
        )

    @staticmethod
    def for_update() -> str:
        return " FOR UPDATE"

    @staticmethod
    def now_ms() -> str:
        return "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"


def _insert(table: str, names: Sequence[str]) -> str:
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        "ON DUPLICATE KEY UPDATE "
    )


DIALECTS = {flavour: MysqlDialect(flavour) for flavour in Flavour}
