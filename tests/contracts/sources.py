"""What the entries of a log are read from, over any store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from store.interface import Store
from store.sources import DatabaseSource, Source
from tests.contracts import kafka

OpenSource = Callable[[Store], AbstractAsyncContextManager[Source]]


@asynccontextmanager
async def _database(store: Store) -> AsyncIterator[Source]:
    yield DatabaseSource(store)


SOURCES: dict[str, OpenSource] = {
    "database": _database,
    "kafka": kafka.copied,
    "no-kafka": kafka.away,
}
