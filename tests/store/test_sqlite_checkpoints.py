"""The write-ahead log is carried over beside the writer, and begins anew while it writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from store.sqlite import SqliteStore, checkpoints
from store.transaction import Transaction
from tests.contracts.statements import get_numbers, rows

PUT = "INSERT INTO last_seen (user_id, at_ms) VALUES (?, 0) ON CONFLICT DO NOTHING"


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[SqliteStore]:
    """SQLite itself carries nothing over here."""
    store = SqliteStore.open(path, readers=1)
    try:
        await store.migrate()
        await store.write(rows, "PRAGMA wal_autocheckpoint = 0")
        yield store
    finally:
        await store.aclose()


def beginnings(path: Path) -> int:
    """How often the log has begun anew: its header says so."""
    with path.with_name(path.name + "-wal").open("rb") as file:
        return int.from_bytes(file.read(16)[12:], "big")


async def put(tx: Transaction, start: int) -> None:
    await tx.run_many(PUT, [(number,) for number in range(start, start + 50)])


async def test_the_log_begins_anew_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "ROWS", 100)
    path = tmp_path / "sunwire.db"
    async with open_store(path) as store:
        first, written = beginnings(path), 0
        with trio.fail_after(30):
            while beginnings(path) < first + 3:
                await store.write(put, written)
                written += 50
        assert len(await store.read(get_numbers)) == written
    async with open_store(path) as store:
        assert len(await store.read(get_numbers)) == written


async def test_one_that_fails_harms_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "ROWS", 10)
    monkeypatch.setattr(checkpoints, "CHECKPOINT", "SELECT nothing")
    path = tmp_path / "sunwire.db"
    async with open_store(path) as store:
        for start in range(0, 500, 50):
            await store.write(put, start)
        assert len(await store.read(get_numbers)) == 500
