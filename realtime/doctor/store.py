"""The database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import trio

from realtime.doctor.finding import Finding, Level, error, warning
from realtime.settings import Settings
from realtime.stores import SQLITE, address_of, driver_needed, open_store
from store.errors import Incompatible

FAR = 20.0  # milliseconds of a round trip
OLDEST_SQLITE = (3, 35, 0)


async def store(settings: Settings) -> list[Finding]:
    if settings.store == SQLITE:
        if not settings.database.exists():
            return []  # a server makes it
        found = await trio.to_thread.run_sync(look_at_file, settings.database)
        if any(finding.level is Level.ERROR for finding in found):
            return found
    else:
        with driver_needed():
            from store.mysql.examining import examine
            from store.mysql.store import WRITERS
        examined = await examine(address_of(settings), settings.readers + WRITERS + 1)
        found = [
            Finding(Level.ERROR if flaw.fatal else Level.WARNING, flaw.what, flaw.todo)
            for flaw in examined.flaws
        ]
        found += distance(examined.answer_ms)
        if any(finding.level is Level.ERROR for finding in found):
            return found
    return found + await _schema(settings)


def distance(answer_ms: float) -> list[Finding]:
    if answer_ms <= FAR:
        return []
    return [
        warning(
            f"the database took {answer_ms:.0f} ms to answer, and each commit asks several times",
            "put servers near their database, or look at what keeps it busy",
        )
    ]


def look_at_file(database: Path) -> list[Finding]:
    """Blocks, for as long as it takes to read the file."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as failure:
        return [
            error(
                f"the database {database} cannot be read: {failure}",
                "restore a backup of it, if it is damaged",
            )
        ]
    found = []
    if damage != "ok":
        found.append(
            error(f"the database {database} is damaged: {damage}", "restore a backup of it")
        )
    if mode != "wal":
        found.append(
            warning(
                f"the database {database} has the journal mode {mode}",
                "let no other program change it: a server sets it to wal when it starts",
            )
        )
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        found.append(
            error(
                f"SQLite is {sqlite3.sqlite_version}, which is too old",
                f"use a Python with {'.'.join(map(str, OLDEST_SQLITE))} or newer",
            )
        )
    return found


async def _schema(settings: Settings) -> list[Finding]:
    async with open_store(settings) as opened:
        try:
            pending = await opened.pending()
        except Incompatible as newer:
            return [error(str(newer), "use the newer version, or restore the backup from before")]
    if not pending or (pending[0].startswith("0001") and settings.migrate == "auto"):
        return []  # a server makes what an empty database needs
    make = error if settings.migrate == "check" else warning
    return [
        make(
            f"the database is older than this version: {', '.join(pending)} would be applied",
            "make a backup, and run python -m realtime migrate",
        )
    ]
