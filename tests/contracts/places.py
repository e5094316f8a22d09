"""Where the tests of a backend get their databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from store.interface import Store

Database = Callable[[], Awaitable[Store]]
"""Connects to one database, and brings nothing up to date; the caller closes the store. Called
again it gives another store on the same database, as after a restart."""

NewDatabase = Callable[[], AbstractAsyncContextManager[Database]]
"""Makes an empty database, and drops it when the context ends."""


class Databases(NamedTuple):
    new: NewDatabase
    """Without a schema."""

    migrated: NewDatabase
    """With the schema, and nothing in it."""


def migrated(new: NewDatabase) -> NewDatabase:
    """Makes databases with the schema of those without."""

    @asynccontextmanager
    async def make() -> AsyncIterator[Database]:
        async with new() as connect:
            opened = await connect()
            await opened.migrate()
            first: list[Store] = [opened]

            async def again() -> Store:
                return first.pop() if first else await connect()

            try:
                yield again
            finally:
                for store in first:
                    await store.aclose()

    return make


@asynccontextmanager
async def connected(connect: Database) -> AsyncIterator[Store]:
    """A store on a database, closed when the context ends."""
    store = await connect()
    try:
        yield store
    finally:
        await store.aclose()
