"""What makes a commit durable is asked for, on the writer and on every reader."""

from __future__ import annotations

from pathlib import Path

from store.sqlite import SqliteStore
from store.transaction import Transaction


async def _pragmas(tx: Transaction) -> tuple[str, int]:
    mode = (await tx.rows("PRAGMA journal_mode"))[0][0]
    return mode, (await tx.rows("PRAGMA synchronous"))[0][0]


async def test_the_log_is_synced_at_each_commit(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "sunwire.db", readers=2)
    try:
        await store.migrate()
        full = 2
        assert await store.write(_pragmas) == ("wal", full)
        assert await store.read(_pragmas) == ("wal", full)
    finally:
        await store.aclose()
