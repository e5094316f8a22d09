"""The blob store that the settings name."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import structlog
import trio

from realtime.settings import Settings
from realtime.startup import StartError
from rpc.context import Clock
from store.blobs import BlobStore, LocalBlobs, MovingBlobs
from store.blobs.cassandra import address as cassandra
from store.errors import NoTables, StoreError
from store.interface import Store
from store.queries.leases import release_leases, take_leases

if TYPE_CHECKING:
    from store.blobs.cassandra.blobs import CassandraBlobs

log = structlog.get_logger("app")

FOLDER = "folder"
_LEASE = "blobs.tables"
_MAKING_MS = 60_000


@asynccontextmanager
async def open_blobs(settings: Settings, clock: Clock) -> AsyncIterator[BlobStore]:
    """The blob store, closed at the end; with one to move from, both as one. Raises
    `StartError`."""
    async with open_named(settings, settings.blobs, clock) as blobs:
        if not settings.old_blobs:
            yield blobs
        else:
            async with open_named(settings, settings.old_blobs, clock, "--old-blobs") as old:
                yield MovingBlobs(blobs, old)


@asynccontextmanager
async def open_named(
    settings: Settings, name: str, clock: Clock, flag: str = "--blobs"
) -> AsyncIterator[BlobStore]:
    """One blob store, as `--blobs` would name it, closed at the end. Raises `StartError`."""
    with _starts(flag):
        blobs = (
            LocalBlobs(settings.blob_folder, now_ms=clock.now_ms)
            if name == FOLDER
            else await _connect(name, clock, flag=flag)
        )
    try:
        yield blobs
    finally:
        if not isinstance(blobs, LocalBlobs):
            with trio.CancelScope(shield=True):
                await blobs.aclose()


async def make_tables(settings: Settings, store: Store, *, check: bool = False) -> None:
    """Makes the tables of the blob store where it wants some and has none, unless `check`. Of
    several servers that want to one does it at a time, by a lease in the migrated `store`.
    Raises `StartError`."""
    if settings.blobs == FOLDER:
        return
    owner = secrets.token_bytes(16)
    with _starts("--blobs"):
        if check or await _has_tables(settings.blobs):
            return
        while True:
            lease = (await store.write(take_leases, [_LEASE], owner, _MAKING_MS))[_LEASE]
            if lease.fence:
                break
            await trio.sleep(min(lease.wait_ms, 500) / 1000)
        try:
            await (await _connect(settings.blobs, create=True)).aclose()
            log.info("tables for blobs made")
        finally:
            await store.write(release_leases, owner)


@contextmanager
def _starts(flag: str) -> Iterator[None]:
    """Says that it is the blob store that is wrong."""
    try:
        yield
    except StoreError as error:
        raise StartError(f"{flag}: {error}") from error


async def _has_tables(url: str) -> bool:
    try:
        await (await _connect(url)).aclose()
    except NoTables:
        return False
    return True


async def _connect(
    url: str, clock: Clock | None = None, *, create: bool = False, flag: str = "--blobs"
) -> CassandraBlobs:
    try:
        address = cassandra.parse(url)
    except ValueError as error:
        raise StartError(f"{flag} must be {FOLDER}, or the URL of a cluster: {error}") from None
    try:
        from store.blobs.cassandra.blobs import CassandraBlobs
    except ModuleNotFoundError as error:
        if error.name != "cassandra":
            raise
        raise StartError(
            "the blobs cassandra:// need the package cassandra-driver: install "
            "requirements/full.txt, or sunwire[cassandra]"
        ) from error
    return await CassandraBlobs.connect(
        address, create=create, now_ms=None if clock is None else clock.now_ms
    )
