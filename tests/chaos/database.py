"""The database server of a run: what is in it, and where a node is caught in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

from store.errors import StoreError
from store.mysql.address import Address
from store.transaction import Row
from tests.contracts.mysql import Admin
from tests.real.mariadb import Mariadb

# Who waits for a lock that the connection with this number has, and from which port he came.
_WAITING = """
SELECT SUBSTRING_INDEX(p.host, ':', -1) FROM information_schema.innodb_lock_waits w
JOIN information_schema.innodb_trx mine ON mine.trx_id = w.blocking_trx_id
JOIN information_schema.innodb_trx theirs ON theirs.trx_id = w.requesting_trx_id
JOIN information_schema.processlist p ON p.id = theirs.trx_mysql_thread_id
WHERE mine.trx_mysql_thread_id = {holder}
"""
LOOK_EVERY = 0.15  # seconds; the server looks afresh only when nobody has asked for 0.1


class Hold:
    """Rows that are locked until `release`. Whoever is to write one waits in his transaction,
    with all that he has done in it before."""

    def __init__(self, address: Address, database: Database) -> None:
        self._holder = Admin(address)
        self._database = database
        self._id = 0

    async def lock(self, table: str, where: str) -> None:
        """Returns once there are such rows, and locks them alone: a gap between rows would hold
        up others too."""
        self._id = (await self._holder.execute("SELECT CONNECTION_ID()"))[0][0]
        lock = (
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
            f"BEGIN; SELECT * FROM {table} WHERE {where} FOR UPDATE"
        )
        while not await self._holder.execute(lock):
            await self.release()
            await trio.sleep(LOOK_EVERY)

    async def waiting(self, within: float) -> set[int]:
        """The ports from which those come who wait, once there are any; none in that time."""
        with trio.move_on_after(within):
            while True:
                found = await self._database.rows(_WAITING.format(holder=self._id))
                if found:
                    return {int(row[0]) for row in found}
                await trio.sleep(LOOK_EVERY)
        return set()

    async def release(self) -> None:
        with suppress(StoreError):  # the server has ended it by itself
            await self._holder.execute("ROLLBACK")

    async def aclose(self) -> None:
        await self.release()
        await self._holder.aclose()


class Database:
    """`server` is there where it is the run's own, to be struck."""

    def __init__(self, address: Address, server: Mariadb | None) -> None:
        self.address = address
        self.server = server
        self._admin = Admin(address)

    async def rows(self, sql: str) -> list[Row]:
        """Of a query, on a connection that is made again where the server has been away."""
        try:
            return await self._admin.execute(sql)
        except StoreError:
            return await self._admin.execute(sql)

    @asynccontextmanager
    async def hold(self, table: str, where: str) -> AsyncIterator[Hold]:
        """Locks rows of a table, once there are any, for the block at most."""
        hold = Hold(self.address, self)
        try:
            await hold.lock(table, where)
            yield hold
        finally:
            with trio.CancelScope(shield=True):
                await hold.aclose()

    async def aclose(self) -> None:
        await self._admin.aclose()
