"""What is sent once, and what becomes of the answers that the driver has no exception for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra import ConsistencyLevel
from cassandra.policies import FallthroughRetryPolicy
from cassandra.protocol import ErrorMessage, ServerError

from store.blobs.cassandra.address import parse
from store.blobs.cassandra.session import Cassandra
from store.errors import Unavailable


class Driver:
    """A session that answers each request with an error, and keeps what it was asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked: list[Any] = []

    def execute_async(self, bound: Any, host: Any = None) -> Any:
        self.asked.append(bound)
        return self

    def add_callbacks(self, _: Callable[[Any], None], fail: Callable[[Exception], None]) -> None:
        fail(self.error)


class Statement:
    """As much of a prepared statement as `execute` looks at."""

    def __init__(self, *, repeatable: bool) -> None:
        self.repeatable = repeatable

    def bind(self, values: Any) -> Any:
        return SimpleNamespace(
            is_idempotent=self.repeatable,
            retry_policy=None,
            values=list(values),
            raw_values=values,
        )


@asynccontextmanager
async def cluster(error: Exception) -> AsyncIterator[tuple[Cassandra, Driver]]:
    found = Cassandra(parse("cassandra://127.0.0.1/keyspace"))
    found._session = driver = Driver(error)
    try:
        yield found, driver
    finally:
        await found.aclose()


@pytest.mark.parametrize(
    "error",
    [
        ErrorMessage(0x1700, "CAS operation result is unknown", None),
        ServerError(0x0000, "out of luck", None),
    ],
)
async def test_an_answer_in_doubt_may_pass(error: Exception) -> None:
    async with cluster(error) as (cassandra, _):
        with pytest.raises(Unavailable):
            await cassandra.execute(Statement(repeatable=True), (), ConsistencyLevel.ONE)


@pytest.mark.parametrize("repeatable", [False, True])
async def test_what_is_not_repeatable_is_sent_once(repeatable: bool) -> None:
    async with cluster(ServerError(0x0000, "out of luck", None)) as (cassandra, driver):
        with pytest.raises(Unavailable):
            await cassandra.execute(Statement(repeatable=repeatable), (), ConsistencyLevel.ONE)
    policy = driver.asked[0].retry_policy
    assert isinstance(policy, FallthroughRetryPolicy) is not repeatable
