"""The SQLite backend."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import trio

from store import migrations
from store.changes.base import Change
from store.commit import commit_batch
from store.errors import Incompatible, Unavailable
from store.log import Batch
from store.sqlite.checkpoints import Checkpointer
from store.sqlite.threads import InlineRunner, Runner, ThreadRunner
from store.sqlite.transaction import WORDS, SqliteTransaction, drive
from store.transaction import Query, Transaction

P = ParamSpec("P")
T = TypeVar("T")

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit is on the disk before it is acknowledged
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -65536",  # KiB
    "PRAGMA wal_autocheckpoint = 40000",  # pages; the checkpointer comes sooner
)
_HAS_MIGRATIONS = "SELECT 1 FROM sqlite_master WHERE name = 'migrations'"
READ_ONLY = ("PRAGMA query_only = ON",)


class SqliteStore:
    """A `Store` in one file (see `store.interface.Store` for what it guarantees).

    One thread writes, with WAL and `synchronous = FULL`; `readers` threads read beside it,
    each call in a snapshot of its own. `SqliteStore.in_memory()` runs inline, for tests.
    """

    shared = False

    def __init__(
        self, writer: Runner, readers: Runner, checkpointer: Checkpointer | None = None
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._checkpointer = checkpointer

    @classmethod
    def open(cls, path: Path, *, readers: int = 3) -> SqliteStore:
        """Opens or creates the file at `path`; `migrate` must follow before use. Raises
        `Unavailable`, or `Incompatible` for a file that is no database."""
        connections = _connect_often(path, 2 + readers)
        writer = ThreadRunner("sqlite-write", connections[:1])
        return cls(
            writer,
            ThreadRunner("sqlite-read", connections[2:]),
            Checkpointer(connections[1], writer),
        )

    @classmethod
    def in_memory(cls) -> SqliteStore:
        """A store without a file or a thread: gone when it is closed."""
        only = InlineRunner(_connect(":memory:"))
        return cls(only, only)

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await _run(self._readers, "BEGIN", query, args, kwargs)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        committed = self._checkpointer.committed if self._checkpointer else None
        return await _run(self._writer, "BEGIN IMMEDIATE", query, args, kwargs, committed)

    async def commit(self, changes: Sequence[Change[Any]], now_ms: int) -> Batch:
        return await self.write(commit_batch, changes, now_ms)

    async def migrate(self) -> list[str]:
        try:
            return await self.write(_migrate)
        except sqlite3.Error as error:
            raise Incompatible(f"the database cannot be migrated: {error}") from error

    async def pending(self) -> list[str]:
        return await self.read(migrations.pending, migrations.load(WORDS), _HAS_MIGRATIONS)

    async def aclose(self) -> None:
        await self._readers.aclose()
        if self._checkpointer is not None:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._checkpointer.close)
        await self._writer.aclose()


class SqliteReads:
    """`store.interface.Reads` of a file that another process writes: nothing can be written."""

    def __init__(self, readers: Runner) -> None:
        self._readers = readers

    @classmethod
    def open(cls, path: Path, *, readers: int = 3) -> SqliteReads:
        """Opens the file of a store that is migrated. Raises as `SqliteStore.open`."""
        return cls(ThreadRunner("sqlite-read", _connect_often(path, readers, *READ_ONLY)))

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await _run(self._readers, "BEGIN", query, args, kwargs)

    async def aclose(self) -> None:
        """Finishes what it has taken on; whatever comes after is `Unavailable`."""
        await self._readers.aclose()


async def _run(
    runner: Runner,
    begin: str,
    query: Callable[..., Coroutine[Any, Any, T]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    committed: Callable[[sqlite3.Connection], None] | None = None,
) -> T:
    def transaction(connection: sqlite3.Connection) -> T:
        try:
            connection.execute(begin)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"the database did not begin: {error}") from error
        try:
            result = drive(query, SqliteTransaction(connection), *args, **kwargs)
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error) and _is_passing(error):
                raise Unavailable(f"the database failed: {error}") from error
            raise
        if committed is not None:
            committed(connection)
        return result

    return await runner.run(transaction)


def _is_passing(error: sqlite3.Error) -> bool:
    """Whether the file or the machine is at fault, rather than the statement."""
    # Errors of the Python module itself, such as a wrong number of values, have no code.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
    )


def _connect_often(path: Path, times: int, *more: str) -> list[sqlite3.Connection]:
    connections: list[sqlite3.Connection] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(times):
            connections.append(_connect(str(path), *more))
    except (OSError, sqlite3.Error) as error:
        for connection in connections:
            connection.close()
        foreign = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB
        kind = Incompatible if foreign else Unavailable
        raise kind(f"cannot open the database {path}: {error}") from error
    return connections


def _connect(path: str, *more: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    try:
        for pragma in (*PRAGMAS, *more):
            connection.execute(pragma)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


async def _migrate(tx: Transaction) -> list[str]:
    await tx.run(migrations.spell(migrations.TABLE, WORDS))
    applied = []
    for migration in await migrations.missing(tx, migrations.load(WORDS)):
        for statement in migration.statements:
            await tx.run(statement)
        await migrations.record(tx, migration)
        applied.append(str(migration))
    return applied
