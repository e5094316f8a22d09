"""The relational backends that every test of the store runs on.

Tests of the store name no backend: they take the fixture `open_store` (empty stores, one after
the other), `store` (one of them, for a test of one), or what is built upon these
(`tests/contracts/fixtures.py`). What holds for one backend alone (pragmas, query plans) is tested
in files of its own.

To add a backend, write a `Backend` and name it in `BACKENDS`; every test then runs on it too.
Where its server is not there, `start` says so with `pytest.skip`, and fails where it must be.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from contextlib import contextmanager as context
from pathlib import Path
from typing import NamedTuple

from store.interface import Store
from store.sqlite import SqliteStore
from tests.contracts import mysql
from tests.contracts.places import Database, Databases, connected, migrated

# Tests ask what a commit keeps, not what a disk does: in memory a sync costs nothing.
_MEMORY = Path("/dev/shm")
_PLACE = _MEMORY if os.access(_MEMORY, os.W_OK) else None

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens a store on an empty database, migrated; closed and dropped when the context ends."""


class Backend(NamedTuple):
    start: Callable[[], AbstractContextManager[Databases]]
    """Entered once for all tests: whatever must run beside them, runs within it."""

    lasting: bool
    """Whether a database can be opened again after its store was closed."""


@context
def _sqlite() -> Iterator[Databases]:
    with tempfile.TemporaryDirectory(prefix="sunwire-contract-", dir=_PLACE) as folder:

        @asynccontextmanager
        async def new() -> AsyncIterator[Database]:
            with tempfile.TemporaryDirectory(dir=folder) as place:

                async def connect() -> Store:
                    return SqliteStore.open(Path(place) / "sunwire.db", readers=2)

                yield connect

        yield Databases(new, migrated(new))


@context
def _sqlite_in_memory() -> Iterator[Databases]:
    @asynccontextmanager
    async def new() -> AsyncIterator[Database]:
        async def connect() -> Store:
            return SqliteStore.in_memory()

        yield connect

    yield Databases(new, migrated(new))


BACKENDS = {
    "sqlite": Backend(_sqlite, lasting=True),
    "sqlite-in-memory": Backend(_sqlite_in_memory, lasting=False),
    "mysql": Backend(mysql.start, lasting=True),
}


def opener(databases: Databases) -> OpenStore:
    """Opens migrated stores on empty databases of a backend."""

    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        async with databases.migrated() as connect, connected(connect) as store:
            yield store

    return open_store
