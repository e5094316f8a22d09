"""The driver alone, doing what a batch does: how fast the database and its disk are by themselves.

Nothing is decided, looked up, or awaited by others.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncmy

from store.mysql.address import Address

ROWS = 1_000  # of one transaction


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Any]:
    connection = await asyncmy.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password,
        database=address.database,
        charset="utf8mb4",
        autocommit=False,
    )
    async with connection:
        yield connection


def inserting(address: Address, start: int, users: int, payload: bytes, seconds: float) -> float:
    """Entries a second behind the position `start`, written as `bench.loads.appending` does: per
    transaction 1,000 rows of the log and 1,000 of payloads, the numbers of the streams, the
    head. Runs an event loop of its own."""
    return asyncio.run(_inserting(address, start, users, payload, seconds))


async def _inserting(
    address: Address, start: int, users: int, payload: bytes, seconds: float
) -> float:
    begun = time.perf_counter()
    position = start
    async with connected(address) as connection, connection.cursor() as cursor:
        while time.perf_counter() < begun + seconds:
            numbers = range(position + 1, position + 1 + ROWS)
            for sql in _statements(numbers, users, payload):
                await cursor.execute(sql)
            await connection.commit()
            position = numbers[-1]
    return (position - start) / (time.perf_counter() - begun)


def _statements(numbers: range, users: int, payload: bytes) -> list[str]:
    batch, at_ms = os.urandom(16).hex(), time.time_ns() // 1_000_000
    log = [
        f"({n}, x'{batch}', {at_ms}, 'post.created', 'u', {n % users + 1}, {n // users}, "
        f"{n % users + 1}, {n}, 0)"
        for n in numbers
    ]
    payloads = [f"({n}, x'{payload.hex()}')" for n in numbers]
    streams = [f"('u', {n % users + 1}, {n // users}, {n})" for n in numbers[-users:]]
    return [
        "INSERT INTO log (position, batch, at_ms, kind, stream_kind, stream_id, sequence, "
        f"actor_id, subject_id, other_id) VALUES {', '.join(log)}",
        f"INSERT INTO bench_payloads (position, payload) VALUES {', '.join(payloads)}",
        f"INSERT INTO streams (kind, id, sequence, position) VALUES {', '.join(streams)} "
        "ON DUPLICATE KEY UPDATE sequence = VALUES(sequence), position = VALUES(position)",
        f"UPDATE log_head SET position = {numbers[-1]} WHERE log_partition = 0",
    ]


def committing(address: Address, times: int) -> list[float]:
    """Milliseconds of one small INSERT with its commit, ascending."""
    return asyncio.run(_committing(address, times))


async def _committing(address: Address, times: int) -> list[float]:
    took = []
    async with connected(address) as connection, connection.cursor() as cursor:
        for number in range(times):
            begun = time.perf_counter()
            await cursor.execute(
                f"INSERT INTO last_seen (user_id, at_ms) VALUES (7, {number}) "
                "ON DUPLICATE KEY UPDATE at_ms = VALUES(at_ms)"
            )
            await connection.commit()
            took.append((time.perf_counter() - begun) * 1000)
    return sorted(took)


def syncing(folder: str, times: int) -> list[float]:
    """Milliseconds of a sync of 8 KB in a folder, ascending."""
    path = os.path.join(folder, "sunwire-bench-sync")
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    took = []
    try:
        for number in range(times):
            os.pwrite(file, os.urandom(8192), 8192 * number)
            begun = time.perf_counter()
            os.fdatasync(file)
            took.append((time.perf_counter() - begun) * 1000)
    finally:
        os.close(file)
        os.unlink(path)
    return sorted(took)
