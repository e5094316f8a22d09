"""The transaction that a query sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from store.mysql.connection import Answer, Connection
from store.mysql.dialect import MysqlDialect
from store.mysql.faults import Lost, Undone
from store.mysql.literals import render, render_many
from store.mysql.pool import Lease
from store.transaction import Row, Statement, Value

HELD = 1 << 20  # characters of statements that wait for the next one; then they are sent


class MysqlTransaction:
    """Statements on one connection, which is taken and begins at the first of them.

    What `run_many` is given waits, and goes to the server with the next statement whose answer
    somebody wants, or with the commit: so a transaction has few round trips. Of statements sent
    together the server runs none after one that fails, the commit neither. Nothing more is sent
    then, nor once the server has undone the transaction: it would be outside of it.
    """

    def __init__(
        self, lease: Lease, dialect: MysqlDialect, begin: str, within: float | None = None
    ) -> None:
        """`begin` is the statement that begins it; without one each statement is a transaction
        of its own. `within` replaces the limit of an answer."""
        self._lease = lease
        self._dialect = dialect
        self._begin = begin
        self._within = within
        self._connection: Connection | None = None
        self._failed: Exception | None = None  # what forbids to go on
        self._held: list[str] = []
        self._held_size = 0
        self.written = False  # something may have been

    @property
    def dialect(self) -> MysqlDialect:
        return self._dialect

    async def rows(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        return (await self._execute(render(sql, params)))[-1].rows

    async def rows_many(self, queries: Sequence[Statement]) -> list[list[Row]]:
        if not queries:
            return []
        answers = await self._execute(*(render(*query) for query in queries))
        return [answer.rows for answer in answers[-len(queries) :]]

    async def run(self, sql: str, params: Sequence[Value] = ()) -> int:
        self.written = True
        answer = (await self._execute(render(sql, params)))[-1]
        return answer.found() if sql.lstrip()[:6].upper() == "UPDATE" else answer.affected

    async def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        for statement in render_many(sql, rows, self._dialect.row_word):
            self.written = True
            self._held.append(statement)
            self._held_size += len(statement)
            if self._held_size > HELD or not self._begin:
                await self._execute()

    @property
    def connection(self) -> Connection | None:
        """What it runs on, once it has begun."""
        return self._connection

    async def commit(self) -> None:
        """Raises `Unavailable` where nobody knows whether it was, and the error of a statement
        that still waited."""
        if self._connection is None and self._held:
            await self._execute()  # by itself: it is repeated where the connection has died
        if self._connection is not None:
            await self._execute("COMMIT")

    async def roll_back(self) -> None:
        """Leaves the connection fit for the next transaction, or lost. Never raises."""
        self._held.clear()
        if self._connection is None or self._connection.lost:
            return
        try:
            await self._connection.execute("ROLLBACK")
        except Exception:
            self._connection.close()

    async def _execute(self, *statements: str) -> list[Answer]:
        """Runs what waits, and then these."""
        if self._failed is not None:
            raise self._failed
        held, self._held, self._held_size = self._held, [], 0
        sql = "; ".join([*held, *statements])
        try:
            if self._connection is not None:
                return await self._connection.execute_all(sql, self._within)
            return await self._execute_first(f"{self._begin}; {sql}" if self._begin else sql)
        except Exception as error:
            if held or isinstance(error, Undone):
                self._failed = error
            raise

    async def _execute_first(self, sql: str) -> list[Answer]:
        """The first statement goes with the one that begins: one round trip. A kept connection
        may have died meanwhile, with all that was begun on it: another takes its place."""
        while True:
            self._connection = await self._lease.connection()
            try:
                return await self._connection.execute_all(sql, self._within)
            except Lost:
                if self._lease.fresh:
                    raise
