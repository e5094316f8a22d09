"""The embedded backend: one file, one writer, readers beside it."""

from store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
