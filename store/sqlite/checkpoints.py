"""Carries what the write-ahead log holds over into the database, beside the writer."""

from __future__ import annotations

import contextlib
import sqlite3
import threading

from store.sqlite.threads import ThreadRunner

ROWS = 4_000  # changed ones, each of which is a page or a few, since the last time
CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpointer:
    """A thread of its own. Left to SQLite, the commit that finds the log long carries it over,
    and its callers and all that queue behind them wait for some thousand pages. Here the writer
    carries over only what it has written meanwhile, so that its log can begin anew."""

    def __init__(self, connection: sqlite3.Connection, writer: ThreadRunner) -> None:
        self._connection = connection
        self._writer = writer
        self._rows = 0  # that the writer had changed the last time
        self._wanted = threading.Event()
        self._under_way = False
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="sqlite-checkpoint", daemon=True)
        self._thread.start()

    def committed(self, writer: sqlite3.Connection) -> None:
        """To be called in the writer's thread after each of its transactions."""
        if writer.total_changes - self._rows >= ROWS and not self._under_way:
            self._rows = writer.total_changes
            self._under_way = True
            self._wanted.set()

    def close(self) -> None:
        """Ends the thread; the writer must be there until then. Blocks for a checkpoint."""
        self._closing = True
        self._wanted.set()
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        while self._wanted.wait() and not self._closing:
            self._wanted.clear()
            _carry_over(self._connection)
            self._writer.post(self._finish)

    def _finish(self, writer: sqlite3.Connection) -> None:
        _carry_over(writer)
        self._under_way = False


def _carry_over(connection: sqlite3.Connection) -> None:
    # A disk that is full or fails shows in the commits, which need it too.
    with contextlib.suppress(sqlite3.Error):
        connection.execute(CHECKPOINT)
