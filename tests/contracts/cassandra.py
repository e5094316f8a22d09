"""Cassandra under the contract tests of the blob stores.

The node is the one that SUNWIRE_TEST_CASSANDRA names as HOST:PORT; `scripts/backends/cassandra
run COMMAND…` starts one for a command.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from cassandra import ConsistencyLevel

from store.blobs.cassandra.address import Address, parse
from store.blobs.cassandra.blobs import CassandraBlobs
from store.blobs.interface import CHUNK, BlobStore

VARIABLE = "SUNWIRE_TEST_CASSANDRA"

_made: list[str] = []
_free: list[str] = []


def node() -> str:
    """HOST:PORT of the node for tests. Skips the test where there is none, unless there must be
    one."""
    found = os.environ.get(VARIABLE, "")
    if found:
        return found
    sentence = f"no Cassandra: {VARIABLE} is not set (scripts/backends/cassandra run …)"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


def new_address() -> Address:
    """A keyspace that is not there."""
    return parse(f"cassandra://{node()}/nowhere_{secrets.token_hex(6)}")


@asynccontextmanager
async def open_blobs(now_ms: Callable[[], int] | None = None) -> AsyncIterator[CassandraBlobs]:
    """An empty store. A keyspace takes a second to make and to drop, so those that were made
    are emptied and used again; their names begin with `sunwire_test_`."""
    if not _free:
        _made.append(f"sunwire_test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{len(_made)}")
        _free.append(_made[-1])
    keyspace = _free.pop()
    blobs = await CassandraBlobs.connect(
        parse(f"cassandra://{node()}/{keyspace}"), create=True, now_ms=now_ms
    )
    try:
        for table in ("chunks", "blobs", "loose"):
            await ask(blobs, f"TRUNCATE {{k}}.{table}")
        yield blobs
    finally:
        _free.append(keyspace)
        with trio.CancelScope(shield=True):
            await blobs.aclose()


async def ask(blobs: CassandraBlobs, cql: str) -> list[Any]:
    """The rows of a statement; `{k}` is the keyspace."""
    cluster = blobs._cluster
    return await cluster.run(cql.format(k=cluster.address.keyspace))


async def damage(store: BlobStore, digest: bytes, index: int) -> None:
    """Changes a byte of a stored chunk, and leaves its digest."""
    assert isinstance(store, CassandraBlobs)
    cluster = store._cluster
    keyspace = cluster.address.keyspace
    generation = (
        await ask(store, f"SELECT generation FROM {{k}}.blobs WHERE digest = 0x{digest.hex()}")
    )[0][0]
    chunk = index // CHUNK
    where = f"WHERE generation = {generation} AND part = {chunk // 64} AND chunk = {chunk}"
    data = bytearray((await ask(store, f"SELECT data FROM {{k}}.chunks {where}"))[0][0])
    data[index % CHUNK] ^= 1
    change = await cluster.prepare(f"UPDATE {keyspace}.chunks SET data = ? {where}")
    await cluster.execute(change, [bytes(data)], ConsistencyLevel.ALL)
