"""The database of a run, and what is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import trio

from store.errors import StoreError
from store.mysql.address import Address
from store.transaction import Row
from tests.contracts.mysql import Admin
from tests.real.mariadb import Mariadb


class SqliteFile:
    """The database of a server on SQLite, read beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def rows(self, sql: str) -> list[Row]:
        return await trio.to_thread.run_sync(self._read, sql)

    def _read(self, sql: str) -> list[Row]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()


class Database:
    """`server` is there where it is the run's own, to be struck."""

    def __init__(self, address: Address, server: Mariadb | None) -> None:
        self.address = address
        self.server = server
        self._admin = Admin(address)

    async def execute(self, sql: str) -> list[Row]:
        """What a statement gives, on a connection that is made again where the server has been
        away."""
        try:
            return await self._admin.execute(sql)
        except StoreError:
            return await self._admin.execute(sql)

    async def aclose(self) -> None:
        await self._admin.aclose()
