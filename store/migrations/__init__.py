"""Numbered, forward-only migrations: `NNNN_name.sql` beside this file.

They are written once for all dialects; the words for types are replaced by each backend.
"""

from __future__ import annotations

import re
import time
from importlib import resources
from typing import NamedTuple

from store.epoch import draw_epoch
from store.errors import Incompatible
from store.transaction import Transaction

TABLE = (
    "CREATE TABLE IF NOT EXISTS migrations "
    "(number ID NOT NULL PRIMARY KEY, name KEYTEXT(64) NOT NULL, at_ms ID NOT NULL)"
)


class Migration(NamedTuple):
    number: int
    name: str
    statements: list[str]

    def __str__(self) -> str:
        return f"{self.number:04}_{self.name}"


def load(words: dict[str, str]) -> list[Migration]:
    """All migrations in order, with the dialect's words for types put in.

    `words` maps a word (`ID`, `BYTES`) to its spelling, in which `{n}` is the size given.
    """
    found = []
    for file in resources.files(__package__).iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name)
        if match:
            text = re.sub(r"--[^\n]*", "", file.read_text(encoding="utf-8"))
            statements = [spell(part.strip(), words) for part in text.split(";") if part.strip()]
            found.append(Migration(int(match[1]), match[2], statements))
    found.sort()
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise RuntimeError("migrations must be numbered 1, 2, 3… without a gap")
    return found


def spell(sql: str, words: dict[str, str]) -> str:
    """A statement with the dialect's words for types put in."""

    def spelled(match: re.Match[str]) -> str:
        return words[match[1]].format(n=match[2] or "")

    return re.sub(rf"\b({'|'.join(words)})\b(?:\((\d+)\))?", spelled, sql)


async def missing(tx: Transaction, known: list[Migration]) -> list[Migration]:
    """Those that the database has not had. Its table of migrations must be there. Raises
    `Incompatible` where it has had more than are known."""
    found = await tx.rows("SELECT COALESCE(MAX(number), 0) FROM migrations")
    present: int = found[0][0]
    if present > len(known):
        raise Incompatible(
            f"the database was written by a newer version: it is at migration {present}, and "
            f"this one knows {len(known)}"
        )
    return known[present:]


async def pending(tx: Transaction, known: list[Migration], table: str) -> list[str]:
    """The names of those that are `missing`, whether the database has the table of migrations
    or not: `table` is a query that finds a row where it has."""
    if await tx.rows(table):
        known = await missing(tx, known)
    return [str(migration) for migration in known]


async def record(tx: Transaction, migration: Migration) -> None:
    """Says that the database has had it. With the first one begins the log."""
    if migration.number == 1:
        await tx.run(
            tx.dialect.insert_new("log_head", ("log_partition", "position", "epoch", "floor")),
            (0, 0, draw_epoch(), 0),
        )
    await tx.run(
        "INSERT INTO migrations (number, name, at_ms) VALUES (?, ?, ?)",
        (migration.number, migration.name, time.time_ns() // 1_000_000),
    )
