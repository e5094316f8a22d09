"""The backend for MariaDB and MySQL: one database, shared by many nodes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar

import outcome
from asyncmy.errors import MySQLError

from store.changes.base import Change
from store.commit import MARK_BYTES, commit_batch, mark_unlogged, was_committed
from store.errors import OutcomeUnknown, Unavailable
from store.log import Batch
from store.mysql.address import Address
from store.mysql.checks import open_checked
from store.mysql.connection import Connection, Limits, open_connection
from store.mysql.dialect import DIALECTS, Flavour
from store.mysql.faults import reason
from store.mysql.loop import LoopThread, Turn
from store.mysql.migrate import LONG, bring_up_to_date, pending
from store.mysql.pool import Pool
from store.mysql.transaction import MysqlTransaction
from store.transaction import Query

P = ParamSpec("P")
T = TypeVar("T")

SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
WRITE = "START TRANSACTION"
DEFAULT = Limits()
WRITERS = 4  # transactions outside the log at once
RESOLVE_EVERY = 0.25  # seconds between two attempts


class MysqlStore:
    """A `Store` in a database of MariaDB or MySQL (see `store.interface.Store`).

    Reads run in snapshots on connections of their own; writes at READ COMMITTED, where what must
    not change meanwhile is locked. A batch locks the head of the log first, so the batches of all
    nodes follow each other. A read that is cancelled is ended on the server too.
    """

    shared = True

    def __init__(self, address: Address, thread: LoopThread, readers: int, limits: Limits) -> None:
        self._address = address
        self._limits = limits
        self._thread = thread
        self._flavour = Flavour.MARIADB  # known once it was opened
        self._dialect = DIALECTS[self._flavour]
        self._readers = Pool(self._connect_reader, readers)
        self._writers = Pool(self._connect_writer, WRITERS)
        self._batches = Pool(self._connect_writer, 1)
        self.remarks: list[str] = []
        """What is unwise about the database."""

    @classmethod
    async def open(
        cls, address: Address, *, readers: int = 8, limits: Limits = DEFAULT
    ) -> MysqlStore:
        """Connects; `migrate` must follow before use. Raises `Unavailable` or `Incompatible`."""
        thread = LoopThread("mysql")
        store = cls(address, thread, readers, limits)
        try:
            await thread.run(store._open)
        except BaseException:
            await store.aclose()
            raise
        return store

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._thread.run(partial(self._read, query, args, kwargs), finish=False)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._thread.run(partial(self._write, query, args, kwargs))

    async def commit(self, changes: Sequence[Change[Any]], now_ms: int) -> Batch:
        """As `Store.commit`. When the connection is lost at the end, whether the batch was made
        is looked up; raises `OutcomeUnknown` where that takes too long."""
        return await self._thread.run(partial(self._commit, changes, now_ms))

    async def migrate(self) -> list[str]:
        return await self._thread.run(self._migrate)

    async def pending(self) -> list[str]:
        return await self.read(pending, self._flavour)

    async def aclose(self) -> None:
        await self._thread.aclose(self._close)

    # What follows runs in the thread.

    async def _open(self, turn: Turn[None]) -> None:
        turn.begin()
        connection, self.remarks = await open_checked(self._address, self._limits)
        self._flavour = connection.flavour
        self._dialect = DIALECTS[self._flavour]
        await connection.aclose()

    async def _close(self) -> None:
        for pool in (self._readers, self._writers, self._batches):
            await pool.aclose()

    async def _connect_reader(self) -> Connection:
        return await self._connect("REPEATABLE READ")

    async def _connect_writer(self) -> Connection:
        return await self._connect("READ COMMITTED")

    async def _connect(self, isolation: str) -> Connection:
        try:
            return await open_connection(
                self._address, self._limits, f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}"
            )
        except MySQLError as error:  # it was let in before: somebody is changing something
            raise Unavailable(f"the database refuses a connection: {reason(error)}") from error

    async def _read(
        self,
        query: Callable[..., Coroutine[Any, Any, T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        turn: Turn[T],
    ) -> T:
        async with self._readers.lease() as lease:
            turn.begin()
            tx = MysqlTransaction(lease, self._dialect, SNAPSHOT)
            try:
                result = await query(tx, *args, **kwargs)
            except asyncio.CancelledError:
                await self._end(tx)
                raise
            except BaseException:
                await tx.roll_back()
                raise
            turn.answer(outcome.Value(result))  # nobody waits for the end of a snapshot
            await tx.roll_back()
            return result

    async def _end(self, tx: MysqlTransaction) -> None:
        """Ends on the server what nobody waits for any more."""
        connection = tx.connection
        if connection is None:
            return
        connection.close()
        # Where that fails, the statement has its own time limit.
        with contextlib.suppress(Exception):
            other = await open_connection(self._address, self._limits, f"KILL {connection.id}")
            await other.aclose()

    async def _write(
        self,
        query: Callable[..., Coroutine[Any, Any, T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        turn: Turn[T],
    ) -> T:
        async with self._writers.lease() as lease:
            turn.begin()
            tx = MysqlTransaction(lease, self._dialect, WRITE)
            try:
                result = await query(tx, *args, **kwargs)
                await tx.commit()
            except BaseException:
                await tx.roll_back()
                raise
            return result

    async def _commit(
        self, changes: Sequence[Change[Any]], now_ms: int, turn: Turn[Batch]
    ) -> Batch:
        async with self._batches.lease() as lease:
            turn.begin()
            mark = os.urandom(MARK_BYTES)
            tx = MysqlTransaction(lease, self._dialect, WRITE)
            try:
                batch = await commit_batch(tx, changes, now_ms, mark)
                if tx.written and not batch.entries:
                    await mark_unlogged(tx, mark, now_ms)
            except BaseException:
                await tx.roll_back()
                raise
            try:
                await tx.commit()
            except Unavailable as error:
                await tx.roll_back()
                if tx.written and not await self._took_place(batch, mark):
                    raise Unavailable("the database did not commit") from error
            except BaseException:  # of a statement that went with it
                await tx.roll_back()
                raise
            return batch

    async def _took_place(self, batch: Batch, mark: bytes) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.resolve
        while True:
            try:
                async with Pool(self._connect_writer, 1).lease() as lease:
                    tx = MysqlTransaction(lease, self._dialect, WRITE)
                    took_place = await was_committed(tx, batch, mark)
                    await tx.roll_back()
                    (await lease.connection()).close()
                    return took_place
            except Unavailable as error:
                if loop.time() > until:
                    raise OutcomeUnknown(f"whether it was committed is unknown: {error}") from error
            await asyncio.sleep(RESOLVE_EVERY)

    async def _migrate(self, turn: Turn[list[str]]) -> list[str]:
        turn.begin()
        async with Pool(self._connect_writer, 1).lease() as lease:
            tx = MysqlTransaction(lease, self._dialect, "", LONG)
            try:
                if self._flavour is Flavour.MARIADB:
                    await tx.run("SET SESSION max_statement_time = 0")
                return await bring_up_to_date(tx, self._flavour)
            finally:
                if tx.connection is not None:
                    await tx.connection.aclose()
