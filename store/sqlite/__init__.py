"""The embedded backend: one file, one writer, readers beside it."""

from store.sqlite.store import SqliteReads, SqliteStore

__all__ = ["SqliteReads", "SqliteStore"]
