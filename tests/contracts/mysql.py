"""MariaDB or MySQL under the contract tests.

The server is the one that SUNWIRE_TEST_MYSQL_URL names, whose user may make databases;
`scripts/backends/mariadb run COMMAND…` starts one for a command. A database's schema takes a
second to make, so those with one are emptied and used again.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial

import trio

from store.interface import Store
from store.mysql.address import Address, parse
from store.mysql.connection import Connection, Limits, open_connection
from store.mysql.loop import LoopThread, Turn
from store.mysql.store import MysqlStore
from store.transaction import Row
from tests.contracts.places import Database, Databases
from tests.contracts.statements import tables
from tests.needed import url_of

VARIABLE = "SUNWIRE_TEST_MYSQL_URL"


def server() -> Address:
    """The server for tests. Skips the test where there is none."""
    return parse(url_of("MariaDB", VARIABLE))


class Admin:
    """Makes and drops databases, on a connection that outlives the tests' event loops."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._thread = LoopThread("mysql-admin")
        self._connection: Connection | None = None
        self._emptied: list[Address] = []

    async def execute(self, sql: str) -> list[Row]:
        """What the last of the statements gives."""
        return await self._thread.run(partial(self._execute, sql))

    async def _execute(self, sql: str, turn: Turn[list[Row]]) -> list[Row]:
        turn.begin()
        if self._connection is None or self._connection.lost:
            self._connection = await open_connection(self.address, Limits())
        return (await self._connection.execute(sql)).rows

    async def aclose(self) -> None:
        for address in self._emptied:
            await self._drop(address)

        async def last() -> None:
            if self._connection is not None:
                await self._connection.aclose()

        await self._thread.aclose(last)

    @asynccontextmanager
    async def database(self, characters: str = "utf8mb4") -> AsyncIterator[Address]:
        """A new, empty database."""
        address = await self._create(characters)
        try:
            yield address
        finally:
            await self._drop(address)

    @asynccontextmanager
    async def migrated(self) -> AsyncIterator[Address]:
        """A database with the schema and nothing in it."""
        if self._emptied:
            address = self._emptied.pop()
        else:
            address = await self._create("utf8mb4")
            store = await _connect(address)()
            await store.migrate()
            await store.aclose()
        try:
            yield address
        finally:
            await self._empty(address)
            self._emptied.append(address)

    async def _create(self, characters: str) -> Address:
        name = f"sunwire_test_{secrets.token_hex(6)}"
        await self.execute(f"CREATE DATABASE {name} CHARACTER SET {characters}")
        return replace(self.address, database=name)

    async def _drop(self, address: Address) -> None:
        with trio.CancelScope(shield=True):
            await self.execute(f"DROP DATABASE {address.database}")

    async def _empty(self, address: Address) -> None:
        statements = [f"DELETE FROM {table}" for table in tables() if table != "log_head"]
        epoch = 1 + secrets.randbelow(1 << 31)
        with trio.CancelScope(shield=True):
            await self.execute(
                f"USE {address.database}; {'; '.join(statements)}; "
                f"UPDATE log_head SET position = 0, floor = 0, epoch = {epoch}; "
                "DELETE FROM migrations WHERE number > 9000"
            )


@contextmanager
def start() -> Iterator[Databases]:
    with open_admin() as admin:
        yield Databases(partial(_new, admin), partial(_migrated, admin))


@contextmanager
def open_admin() -> Iterator[Admin]:
    admin = Admin(server())
    try:
        yield admin
    finally:
        trio.run(admin.aclose)


@asynccontextmanager
async def _new(admin: Admin) -> AsyncIterator[Database]:
    async with admin.database() as address:
        yield _connect(address)


@asynccontextmanager
async def _migrated(admin: Admin) -> AsyncIterator[Database]:
    async with admin.migrated() as address:
        yield _connect(address)


def _connect(address: Address) -> Database:
    async def connect() -> Store:
        return await MysqlStore.open(address, readers=3)

    return connect
