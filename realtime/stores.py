"""The store that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import structlog
import trio

from realtime.seen import last_seen
from realtime.settings import Settings
from realtime.startup import StartError
from store.epoch import Beyond, beyond_the_head
from store.errors import StoreError
from store.interface import Reads, Store
from store.log import read_head
from store.mysql import address as mysql
from store.sqlite import SqliteReads, SqliteStore

log = structlog.get_logger("app")

SQLITE = "sqlite"


def name_of(settings: Settings) -> str:
    """The store for people, without its password."""
    return SQLITE if settings.store == SQLITE else str(mysql.parse(settings.store))


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store, closed at the end. Raises `StartError`."""
    with store_starts(settings):
        store = await _open(settings)
    try:
        yield store
    finally:
        with trio.CancelScope(shield=True):
            await store.aclose()


@asynccontextmanager
async def open_reads(settings: Settings) -> AsyncIterator[Reads]:
    """The store for a process that only reads it; migrated already. Raises `StartError`."""
    reads: SqliteReads | Store
    with store_starts(settings):
        if settings.store == SQLITE:
            reads = SqliteReads.open(settings.database, readers=settings.readers)
        else:
            reads = await _open(settings)
    try:
        yield reads
    finally:
        with trio.CancelScope(shield=True):
            await reads.aclose()


def address_of(settings: Settings) -> mysql.Address:
    """Of a store that is not the embedded one. Raises `StartError`."""
    # Never repeat it: there is a password in it.
    if not mysql.is_mysql(settings.store):
        raise StartError("--store must be sqlite, or mysql://USER:PASSWORD@HOST:PORT/DATABASE")
    try:
        return mysql.parse(settings.store)
    except ValueError as error:
        raise StartError(f"--store is not the URL of a database: {error}") from None


@contextmanager
def driver_needed() -> Iterator[None]:
    """Around the import of what imports the driver. Raises `StartError` where it is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "asyncmy":
            raise
        raise StartError(
            "the store mysql:// needs the package asyncmy: install requirements/full.txt, or "
            "sunwire[mysql]"
        ) from error


async def _open(settings: Settings) -> Store:
    if settings.store == SQLITE:
        return SqliteStore.open(settings.database, readers=settings.readers)
    address = address_of(settings)
    with driver_needed():
        from store.mysql.store import MysqlStore
    store = await MysqlStore.open(address, readers=settings.readers)
    for remark in store.remarks:
        log.warning("database is not set up well", database=str(address), remark=remark)
    return store


async def bring_up_to_date(store: Store, *, check: bool = False) -> None:
    """Migrates the store; with `check` raises `StartError` instead where there is need to.
    Raises `StoreError` as `Store.migrate`."""
    if check:
        if pending := await store.pending():
            raise StartError(
                f"the database is older than this version, and --migrate is check: "
                f"{', '.join(pending)} would be applied; run python -m realtime migrate"
            )
    elif applied := await store.migrate():
        log.info("migrated", applied=applied)


async def refuse_old_backup(store: Store, folder: Path) -> None:
    """Raises `StartError` where somebody has seen more of the log than there is: consumers or
    nodes by their rows, or this server itself by its data folder."""
    head = await store.read(read_head)
    beyond = await store.read(beyond_the_head)
    seen = last_seen(folder)
    if seen is not None and seen.epoch == head.epoch and seen.position > head.position:
        beyond.append(Beyond("this server", seen.position))
    if beyond:
        who, position = max(beyond, key=lambda one: one.position)
        raise StartError(
            f"the database is older than what was seen of it: {who} was at position {position} of "
            f"the log, which ends at {head.position}; if a backup was restored, run python -m "
            "realtime log new-epoch"
        )


@contextmanager
def store_starts(settings: Settings) -> Iterator[None]:
    """Around what opens the store: says what is wrong with it."""
    try:
        yield
    except StoreError as error:
        where = f" (in the data folder {settings.data})" if settings.store == SQLITE else ""
        raise StartError(f"{error}{where}") from error
