"""Queries of one statement, and the plainest change there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from store import migrations
from store.changes.base import Key, SingleChange
from store.errors import Conflict
from store.interface import Store
from store.log import Entry, Kind, Stream, WriteTransaction, read_entries
from store.sources import ALL
from store.transaction import Row, Transaction, Value


async def rows(tx: Transaction, sql: str, *params: Value) -> list[Row]:
    return await tx.rows(sql, params)


async def run(tx: Transaction, sql: str, *params: Value) -> int:
    return await tx.run(sql, params)


async def run_many(tx: Transaction, sql: str, params: Iterable[Sequence[Value]]) -> None:
    await tx.run_many(sql, params)


async def set_number(tx: Transaction, name: int, value: int) -> None:
    """Keeps a number under a number, in a table that asks for nothing else."""
    await tx.run(tx.dialect.upsert("last_seen", ("user_id",), ("at_ms",)), (name, value))


async def get_number(tx: Transaction, name: int) -> int | None:
    found = await tx.rows("SELECT at_ms FROM last_seen WHERE user_id = ?", (name,))
    return found[0][0] if found else None


async def get_numbers(tx: Transaction) -> dict[int, int]:
    """All of them."""
    return {row[0]: row[1] for row in await tx.rows("SELECT user_id, at_ms FROM last_seen")}


def tables() -> list[str]:
    """The names of all tables of the schema."""
    as_it_is = {"ID": "ID"}
    statements = [sql for one in migrations.load(as_it_is) for sql in one.statements]
    found: set[str] = set()
    for sql in statements:
        if match := re.match(r"CREATE TABLE (\w+)", sql):
            found.add(match[1])
        elif match := re.match(r"DROP TABLE (\w+)", sql):
            found.remove(match[1])
        elif match := re.match(r"ALTER TABLE (\w+) RENAME TO (\w+)", sql):
            found.remove(match[1])
            found.add(match[2])
    return sorted(found)


async def everything(store: Store) -> dict[str, list[Row]]:
    """Every row of every table."""
    return {
        table: sorted(await store.read(rows, f"SELECT * FROM {table}"), key=repr)
        for table in tables()
    }


async def log_of(store: Store, after: int = 0) -> list[Entry]:
    """The log past a position."""
    return await store.read(read_entries, after, ALL, 1_000_000)


class Failure(Exception):
    """What a query or a change raises when a test says so."""


class Put(SingleChange[int], frozen=True, kw_only=True):
    """Keeps a number under a number, with an entry in the stream of user `name`, and answers
    with the entry's position. `refuse` refuses it, `fail` fails after it was written, and
    `clash` fails as a statement of the backend does, which `late` lets wait for others."""

    RESULT: ClassVar[type[int]] = int

    name: int
    value: int = 0
    refuse: bool = False
    fail: bool = False
    clash: bool = False
    late: bool = False

    def excludes(self) -> Sequence[Key]:
        return (("number", self.name),)

    async def apply_one(self, tx: WriteTransaction) -> int:
        if self.refuse:
            raise Conflict("refused", field="name")
        entry = await tx.append(
            Kind.PROFILE_CHANGED,
            Stream.user(self.name),
            actor_id=self.name,
            subject_id=self.value,
        )
        await set_number(tx, self.name, self.value)
        if self.clash:
            again = "INSERT INTO last_seen (user_id, at_ms) VALUES (?, 0)"
            if self.late:
                await tx.run_many(again, [(self.name,)])
            else:
                await tx.run(again, (self.name,))
        if self.fail:
            raise Failure("on its data")
        return entry.position
