"""Worlds for the tests of changes and queries, on every backend (`tests/contracts/backends.py`)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest

from tests.contracts.backends import OpenStore
from tests.contracts.fixtures import new_database, new_lasting_database, open_store, store
from tests.store.social import Social, social

__all__ = [
    "empty_world",
    "new_database",
    "new_lasting_database",
    "open_store",
    "store",
    "world",
]


@pytest.fixture
def world(open_store: OpenStore) -> AbstractAsyncContextManager[Social]:
    """A small network with its users; a test takes it as `world: Social`."""
    return social(open_store)


@pytest.fixture
def empty_world(open_store: OpenStore) -> AbstractAsyncContextManager[Social]:
    """The same without users."""
    return social(open_store, ())
