"""The relational backends that every test of the store runs on.

Tests of the store name no backend: they take the fixture `open_store` (empty stores, one after
the other), `store` (one of them, for a test of one), or what is built upon these
(`tests/contracts/fixtures.py`). What holds for one backend alone (pragmas, query plans) is tested
in files of its own.

To add a backend, write a `Backend` and name it in `BACKENDS`; every test then runs on it too.
Where its server is not installed, `start` says so with `pytest.skip`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from contextlib import contextmanager as context
from pathlib import Path
from typing import NamedTuple

from store.interface import Store
from store.sqlite import SqliteStore

# Tests ask what a commit keeps, not what a disk does: in memory a sync costs nothing.
_MEMORY = Path("/dev/shm")
_PLACE = _MEMORY if os.access(_MEMORY, os.W_OK) else None

Database = Callable[[], Awaitable[Store]]
"""Connects to one database. The schema is not brought up to date, and the caller closes the
store. Called again it gives another store on the same database, as after a restart."""

NewDatabase = Callable[[], AbstractAsyncContextManager[Database]]
"""Makes an empty database, and drops it when the context ends."""

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens a store on an empty database, migrated; closed and dropped when the context ends."""


class Backend(NamedTuple):
    start: Callable[[], AbstractContextManager[NewDatabase]]
    """Entered once for all tests: whatever must run beside them, runs within it."""

    lasting: bool
    """Whether a database can be opened again after its store was closed."""


@context
def _sqlite() -> Iterator[NewDatabase]:
    with tempfile.TemporaryDirectory(prefix="sunwire-contract-", dir=_PLACE) as folder:

        @asynccontextmanager
        async def new() -> AsyncIterator[Database]:
            with tempfile.TemporaryDirectory(dir=folder) as place:

                async def connect() -> Store:
                    return SqliteStore.open(Path(place) / "sunwire.db", readers=2)

                yield connect

        yield new


@context
def _sqlite_in_memory() -> Iterator[NewDatabase]:
    @asynccontextmanager
    async def new() -> AsyncIterator[Database]:
        async def connect() -> Store:
            return SqliteStore.in_memory()

        yield connect

    yield new


BACKENDS = {
    "sqlite": Backend(_sqlite, lasting=True),
    "sqlite-in-memory": Backend(_sqlite_in_memory, lasting=False),
}


def opener(new_database: NewDatabase) -> OpenStore:
    """Opens migrated stores on new databases of a backend."""

    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        async with new_database() as connect, connected(connect) as store:
            await store.migrate()
            yield store

    return open_store


@asynccontextmanager
async def connected(connect: Database) -> AsyncIterator[Store]:
    """A store on a database, closed when the context ends."""
    store = await connect()
    try:
        yield store
    finally:
        await store.aclose()
