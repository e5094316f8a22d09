"""Migrations where the schema's statements commit by themselves.

How far a migration has come is kept after each statement, so that one that was cut off goes on
where it was. Servers that start at once take turns.
"""

from __future__ import annotations

from asyncmy.errors import MySQLError

from store import migrations
from store.errors import Incompatible, Unavailable
from store.migrations import Migration
from store.mysql.dialect import Flavour, words
from store.mysql.faults import number_of, reason
from store.mysql.transaction import MysqlTransaction
from store.transaction import Transaction

WAIT = 60  # seconds for another server's migrations
LONG = 24 * 3600.0  # seconds that a statement on a large table may take

# The statement was carried out before, and only its note is missing.
_DONE_ALREADY = frozenset({1050, 1051, 1060, 1061, 1091, 1146})

_STEPS = (
    "CREATE TABLE IF NOT EXISTS migration_steps (number ID NOT NULL PRIMARY KEY, done ID NOT NULL)"
)


_HAS_MIGRATIONS = (
    "SELECT 1 FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = 'migrations'"
)


async def pending(tx: Transaction, flavour: Flavour) -> list[str]:
    """See `Store.pending`."""
    return await migrations.pending(tx, migrations.load(words(flavour)), _HAS_MIGRATIONS)


async def bring_up_to_date(tx: MysqlTransaction, flavour: Flavour) -> list[str]:
    """See `Store.migrate`. Each statement of `tx` is a transaction of its own."""
    held = await tx.rows("SELECT GET_LOCK(CONCAT('sunwire.', LEFT(DATABASE(), 50)), ?)", (WAIT,))
    if held != [(1,)]:
        raise Unavailable("another server is migrating the database")
    try:
        return await _migrate(tx, words(flavour))
    except MySQLError as error:
        raise Incompatible(f"the database cannot be migrated: {reason(error)}") from error
    finally:
        await tx.rows("SELECT RELEASE_LOCK(CONCAT('sunwire.', LEFT(DATABASE(), 50)))")


async def _migrate(tx: MysqlTransaction, spelling: dict[str, str]) -> list[str]:
    for table in (migrations.TABLE, _STEPS):
        await tx.run(migrations.spell(table, spelling))
    applied = []
    for migration in await migrations.missing(tx, migrations.load(spelling)):
        await _apply(tx, migration)
        await migrations.record(tx, migration)
        applied.append(str(migration))
    await tx.run("DELETE FROM migration_steps")
    return applied


async def _apply(tx: MysqlTransaction, migration: Migration) -> None:
    found = await tx.rows("SELECT done FROM migration_steps WHERE number = ?", (migration.number,))
    done: int = found[0][0] if found else 0
    note = tx.dialect.upsert("migration_steps", ("number",), ("done",))
    await tx.run(note, (migration.number, done))
    cut_off = bool(found)
    for step in range(done, len(migration.statements)):
        try:
            await tx.run(migration.statements[step])
        except MySQLError as error:
            if not cut_off or number_of(error) not in _DONE_ALREADY:
                raise
        cut_off = False
        await tx.run(note, (migration.number, step + 1))
