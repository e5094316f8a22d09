"""What a server has seen of the log tells an old backup from the database that it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog.testing
import trio
import trio.testing

from realtime.seen import EVERY, FILE, Seen, keep_noting, last_seen, note
from realtime.startup import StartError
from realtime.stores import refuse_old_backup
from store.log import read_head
from store.sqlite import SqliteStore
from tests.closing import until_the_end
from tests.contracts.statements import Put, run


def test_what_was_noted_is_found_again(tmp_path: Path) -> None:
    assert last_seen(tmp_path) is None
    for seen in (Seen(1, 2), Seen(4_000_000_000, 1 << 62)):
        note(tmp_path, seen)
        assert last_seen(tmp_path) == seen
    for broken in (b"", b"{}", b"\xff", b'{"epoch": "x", "position": 1}'):
        (tmp_path / FILE).write_bytes(broken)
        assert last_seen(tmp_path) is None


async def test_it_is_noted_now_and_then_and_at_the_end(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    position = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_noting, tmp_path, 7, lambda: position)
        await trio.sleep(1)
        assert last_seen(tmp_path) == Seen(7, 1)
        position = 2
        await trio.sleep(EVERY)
        assert last_seen(tmp_path) == Seen(7, 2)
        position = 3
        nursery.cancel_scope.cancel()
    assert last_seen(tmp_path) == Seen(7, 3)


async def test_a_folder_that_cannot_be_written_is_no_reason_to_end(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    with structlog.testing.capture_logs() as logs, trio.move_on_after(1):
        await keep_noting(tmp_path / "nowhere", 7, lambda: 1)
    assert {line["event"] for line in logs} == {"position not noted"}


async def test_a_database_older_than_what_was_seen_of_it_is_refused(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    store = until_the_end(SqliteStore.in_memory())
    await store.migrate()
    await store.commit([Put(name=1), Put(name=2)], 0)
    epoch = (await store.read(read_head)).epoch
    await refuse_old_backup(store, tmp_path)
    for harmless in (Seen(epoch, 2), Seen(epoch + 1, 9)):
        note(tmp_path, harmless)
        await refuse_old_backup(store, tmp_path)
    note(tmp_path, Seen(epoch, 3))
    with pytest.raises(StartError, match="this server was at position 3 of the log, which ends"):
        await refuse_old_backup(store, tmp_path)
    await store.write(run, "INSERT INTO offsets VALUES ('home', 0, 0, 4, 0, 0, 0)")
    with pytest.raises(StartError, match=r"consumer home was at position 4 .*log new-epoch"):
        await refuse_old_backup(store, tmp_path)
