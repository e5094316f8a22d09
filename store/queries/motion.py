"""What is made of originals: the files there are, and the work there is. Not through the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from store.procedures import procedure
from store.queries.media import COLUMNS, media_of
from store.records import FileKind, MediaFile, MediaRecord
from store.transaction import Row, Transaction, Value

NOBODY = b""


class Work(NamedTuple):
    """An original that this worker has until its lease ends."""

    source: bytes
    attempts: int  # this one included


class Due(NamedTuple):
    """Work that somebody may take."""

    source: bytes
    until_ms: int


FIRST = Due(b"", -1)
"""Before all of it."""


async def add_files(tx: Transaction, source: bytes, files: Iterable[MediaFile]) -> None:
    """What is there already stays as it is."""
    rows: list[Sequence[Value]] = [(source, one.digest, int(one.kind), one.size) for one in files]
    if rows:
        await tx.run_many(
            tx.dialect.insert_new("media_files", ("source", "digest", "kind", "size")), rows
        )


async def file_of(tx: Transaction, source: bytes, digest: bytes) -> MediaFile | None:
    """A file that was made of this original."""
    found = await tx.rows(
        "SELECT digest, kind, size FROM media_files WHERE source = ? AND digest = ?",
        (source, digest),
    )
    return _file_of(found)


async def index_of(tx: Transaction, source: bytes) -> MediaFile | None:
    """The multivariant playlist of this original, if it is prepared."""
    found = await tx.rows(
        "SELECT digest, kind, size FROM media_files WHERE source = ? AND kind = ? LIMIT 1",
        (source, int(FileKind.INDEX)),
    )
    return _file_of(found)


def _file_of(found: Sequence[Row]) -> MediaFile | None:
    for digest, kind, size in found:
        return MediaFile(digest=digest, kind=FileKind(kind), size=size)
    return None


async def media_of_blob(tx: Transaction, source: bytes) -> list[MediaRecord]:
    """Every stored object with these bytes."""
    found = await tx.rows(
        f"SELECT {COLUMNS} FROM media WHERE blob_hash = ? AND state = 1 ORDER BY id", (source,)
    )
    return [media_of(row) for row in found]


async def add_work(tx: Transaction, source: bytes) -> None:
    """There is something to be made of this original; nothing changes where that is known."""
    await tx.run(
        tx.dialect.insert_new("media_work", ("source", "attempts", "owner", "until_ms")),
        (source, 0, NOBODY, 0),
    )


async def due_work(tx: Transaction, after: Due, limit: int) -> list[Due]:
    """Work that nobody is at, by the database's clock. What its last owner has not finished in
    his time, because he died of it perhaps, comes after what was never tried."""
    found = await tx.rows(
        f"SELECT source, until_ms FROM media_work WHERE until_ms <= {tx.dialect.now_ms()} "
        "AND (until_ms > ? OR (until_ms = ? AND source > ?)) ORDER BY until_ms, source LIMIT ?",
        (after.until_ms, after.until_ms, after.source, limit),
    )
    return [Due(*row) for row in found]


@procedure
async def claim_work(tx: Transaction, source: bytes, owner: bytes, lifetime_ms: int) -> Work | None:
    """Takes work that nobody is at, for so long by the database's clock. None where somebody else
    was first, or it is done."""
    found = await tx.rows(
        f"SELECT attempts, {tx.dialect.now_ms()} FROM media_work "
        f"WHERE source = ? AND until_ms <= {tx.dialect.now_ms()}" + tx.dialect.for_update(),
        (source,),
    )
    if not found:
        return None
    attempts, now_ms = found[0]
    await tx.run(
        "UPDATE media_work SET owner = ?, until_ms = ?, attempts = ? WHERE source = ?",
        (owner, now_ms + lifetime_ms, attempts + 1, source),
    )
    return Work(source, attempts + 1)


@procedure
async def keep_work(tx: Transaction, source: bytes, owner: bytes, lifetime_ms: int) -> bool:
    """Makes the lease as long again. False where somebody else has the work, or it is done."""
    return bool(
        await tx.run(
            f"UPDATE media_work SET until_ms = {tx.dialect.now_ms()} + ? "
            "WHERE source = ? AND owner = ?",
            (lifetime_ms, source, owner),
        )
    )


@procedure
async def leave_work(
    tx: Transaction, source: bytes, owner: bytes, wait_ms: int, tried: bool
) -> None:
    """Lets others take it after so long. Not `tried`: it does not count as an attempt."""
    await tx.run(
        f"UPDATE media_work SET owner = ?, until_ms = {tx.dialect.now_ms()} + ?, "
        "attempts = attempts - ? WHERE source = ? AND owner = ?",
        (NOBODY, wait_ms, 0 if tried else 1, source, owner),
    )


async def has_work(tx: Transaction, source: bytes) -> bool:
    return bool(await tx.rows("SELECT 1 FROM media_work WHERE source = ?", (source,)))


async def drop_work(tx: Transaction, source: bytes) -> None:
    await tx.run("DELETE FROM media_work WHERE source = ?", (source,))
