"""What makes a commit durable is asked for, on the writer and on every reader; and a disk that
is full is a fault that passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.errors import Unavailable
from store.sqlite import SqliteStore
from store.transaction import Transaction
from tests.contracts.statements import get_numbers, rows, set_number


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


async def test_a_full_disk_keeps_nothing_and_passes(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "sunwire.db", readers=1)
    try:
        await store.migrate()
        (pages,) = (await store.write(rows, "PRAGMA page_count"))[0]
        await store.write(rows, f"PRAGMA max_page_count = {pages + 2}")
        await store.write(set_number, 1, 10)
        fat = "INSERT INTO set_aside VALUES ('c', 0, 1, '', 0, ?, 0)"

        async def fill(tx: Transaction) -> None:
            await set_number(tx, 1, 11)
            await tx.run(fat, ("x" * 100_000,))

        with pytest.raises(Unavailable, match="full"):
            await store.write(fill)
        assert await store.read(get_numbers) == {1: 10}
        await store.write(rows, f"PRAGMA max_page_count = {pages + 200}")
        await store.write(fill)
        assert await store.read(get_numbers) == {1: 11}
    finally:
        await store.aclose()
