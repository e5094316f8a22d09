"""Databases of the server for tests, by their addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager

import pytest

from store.mysql.address import Address
from tests.contracts.mysql import Admin, open_admin


@pytest.fixture(scope="session")
def admin() -> Iterator[Admin]:
    """A connection to the server with all rights. Skips where there is none."""
    with open_admin() as opened:
        yield opened


@pytest.fixture
def address(admin: Admin) -> AbstractAsyncContextManager[Address]:
    """A database with the schema and nothing in it; a test takes it as `address: Address`."""
    return admin.migrated()
