"""The fixtures of the contract tests: stores of each backend in turn.

A conftest.py imports them by name, all of them, since they depend on each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager

import pytest

from store.interface import Store
from tests.contracts.backends import BACKENDS, OpenStore, opener
from tests.contracts.places import Databases, NewDatabase
from tests.store.social import Social, social

__all__ = [
    "databases",
    "empty_world",
    "new_database",
    "new_lasting_database",
    "open_store",
    "store",
    "world",
]


@pytest.fixture(scope="session", params=BACKENDS)
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """The databases of a backend."""
    with BACKENDS[request.param].start() as places:
        yield places


@pytest.fixture(scope="session")
def new_database(databases: Databases) -> NewDatabase:
    """Makes databases without a schema."""
    return databases.new


@pytest.fixture(scope="session", params=[name for name in BACKENDS if BACKENDS[name].lasting])
def new_lasting_database(request: pytest.FixtureRequest) -> Iterator[NewDatabase]:
    """The same, of those backends alone whose databases can be opened again."""
    with BACKENDS[request.param].start() as places:
        yield places.new


@pytest.fixture(scope="session")
def open_store(databases: Databases) -> OpenStore:
    """`async with open_store() as store`: an empty, migrated store. For tests that need several,
    or run Trio themselves."""
    return opener(databases)


@pytest.fixture
def store(open_store: OpenStore) -> AbstractAsyncContextManager[Store]:
    """An empty, migrated store; a test takes it as `store: Store`."""
    return open_store()


@pytest.fixture
def world(open_store: OpenStore) -> AbstractAsyncContextManager[Social]:
    """A small network with its users over such a store; a test takes it as `world: Social`."""
    return social(open_store)


@pytest.fixture
def empty_world(open_store: OpenStore) -> AbstractAsyncContextManager[Social]:
    """The same without users."""
    return social(open_store, ())
