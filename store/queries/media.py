"""Media rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from store.queries.upload_partials import forget_joins
from store.queries.upload_parts import drop_parts
from store.records import MediaRecord, MotionRecord, Purpose
from store.transaction import Row, Transaction

COLUMNS = (
    "id, owner_id, purpose, state, blob_hash, size, mime, width, height, color, name, "
    "created_ms, changed, motion, thumbhash"
)


def media_of(row: Row) -> MediaRecord:
    return MediaRecord(
        id=row[0],
        owner_id=row[1],
        purpose=Purpose(row[2]),
        stored=bool(row[3]),
        blob_hash=row[4],
        size=row[5],
        mime=row[6],
        width=row[7],
        height=row[8],
        color=row[9],
        name=row[10],
        created_ms=row[11],
        changed=row[12],
        motion=msgspec.json.decode(row[13], type=MotionRecord) if row[13] else None,
        thumbhash=row[14],
    )


def encoded_motion(motion: MotionRecord | None) -> str:
    """As the column keeps it."""
    return "" if motion is None else msgspec.json.encode(motion).decode()


async def media_by_id(tx: Transaction, ids: Iterable[str]) -> dict[str, MediaRecord]:
    """The media objects that exist among `ids`."""
    wanted = [media_id for media_id in dict.fromkeys(ids) if media_id]
    if not wanted:
        return {}
    found = await tx.rows(
        f"SELECT {COLUMNS} FROM media WHERE id IN " + tx.dialect.in_list(len(wanted)), wanted
    )
    return {row[0]: media_of(row) for row in found}


async def media_of_owner_by_hash(
    tx: Transaction, owner_id: int, blob_hash: bytes
) -> MediaRecord | None:
    """A stored object of this owner with these bytes, the latest where there are several."""
    if not blob_hash:
        return None
    found = await tx.rows(
        f"SELECT {COLUMNS} FROM media WHERE owner_id = ? AND blob_hash = ? AND state = 1 "
        "ORDER BY changed DESC LIMIT 1",
        (owner_id, blob_hash),
    )
    return media_of(found[0]) if found else None


async def media_by_position(tx: Transaction, positions: Iterable[int]) -> dict[int, MediaRecord]:
    """Objects by the position of the entry that says they were stored: an object changes once."""
    wanted = list(dict.fromkeys(positions))
    if not wanted:
        return {}
    found = await tx.rows(
        f"SELECT {COLUMNS} FROM media WHERE changed IN " + tx.dialect.in_list(len(wanted)), wanted
    )
    return {row[12]: media_of(row) for row in found}


async def referenced_blobs(tx: Transaction, digests: Iterable[bytes]) -> set[bytes]:
    """Those of the digests that a stored object, a file made of one, or a part of an upload
    refers to."""
    wanted = list(dict.fromkeys(digests))
    if not wanted:
        return set()
    among = tx.dialect.in_list(len(wanted))
    found = await tx.rows_many(
        [
            (f"SELECT blob_hash FROM media WHERE state = 1 AND blob_hash IN {among}", wanted),
            (f"SELECT digest FROM media_files WHERE digest IN {among}", wanted),
            (f"SELECT digest FROM upload_parts WHERE digest IN {among}", wanted),
        ]
    )
    return {row[0] for rows in found for row in rows}


async def forget_old_tickets(tx: Transaction, before_ms: int, limit: int) -> int:
    """Drops up to `limit` reserved objects, made before that time, whose bytes never came."""
    old = await tx.rows(
        "SELECT id, owner_id, size FROM media WHERE state = 0 AND created_ms < ? "
        "ORDER BY created_ms LIMIT ?" + tx.dialect.for_update(),
        (before_ms, limit),
    )
    return await drop_media(tx, old)


async def drop_media(tx: Transaction, found: Sequence[Row]) -> int:
    """Drops objects given as (id, owner's id, size), what has come of their
    bytes, and what they come to for their owners."""
    if not found:
        return 0
    gone: dict[int, Usage] = {}
    for _, owner_id, size in found:
        before = gone.get(owner_id, Usage(0, 0))
        gone[owner_id] = Usage(before.objects + 1, before.bytes + size)
    await tx.run_many(
        "UPDATE media_usage SET objects = objects - ?, bytes = bytes - ? WHERE owner_id = ?",
        [(one.objects, one.bytes, owner_id) for owner_id, one in sorted(gone.items())],
    )
    ids = [row[0] for row in found]
    among = tx.dialect.in_list(len(ids))
    sources = await tx.rows(
        f"SELECT DISTINCT blob_hash FROM media WHERE motion <> '' AND id IN {among}", ids
    )
    gone_now = await tx.run(f"DELETE FROM media WHERE id IN {among}", ids)
    await _drop_files(tx, [row[0] for row in sources])
    await drop_parts(tx, ids)
    await forget_joins(tx, ids)
    return gone_now


async def _drop_files(tx: Transaction, sources: Sequence[bytes]) -> None:
    """What was made of originals goes with the last object that has their bytes."""
    if not sources:
        return
    found = await tx.rows(
        "SELECT DISTINCT blob_hash FROM media WHERE state = 1 AND blob_hash IN "
        + tx.dialect.in_list(len(sources)),
        sources,
    )
    kept = {row[0] for row in found}
    gone = [(source,) for source in sources if source not in kept]
    await tx.run_many("DELETE FROM media_files WHERE source = ?", gone)
    await tx.run_many("DELETE FROM media_work WHERE source = ?", gone)


class Usage(NamedTuple):
    objects: int
    bytes: int


async def usage(tx: Transaction, owner_id: int) -> Usage:
    """What a user's objects come to, those that await their bytes included."""
    found = await tx.rows("SELECT objects, bytes FROM media_usage WHERE owner_id = ?", (owner_id,))
    return Usage(*found[0]) if found else Usage(0, 0)


def split_ids(stored: str) -> list[str]:
    """Media ids as a message or post row keeps them."""
    return stored.split()


async def usage_by_purpose(tx: Transaction) -> list[tuple[Purpose, int, int]]:
    """Objects and bytes stored, by purpose. Reads the whole table."""
    found = await tx.rows(
        "SELECT purpose, COUNT(*), SUM(size) FROM media WHERE state = 1 "
        "GROUP BY purpose ORDER BY purpose"
    )
    return [(Purpose(row[0]), row[1], int(row[2])) for row in found]


async def usage_by_user(tx: Transaction, limit: int) -> list[tuple[int, int, int]]:
    """Those with the most bytes: user's id, objects, bytes. Reads the whole table."""
    return [
        (row[0], row[1], row[2])
        for row in await tx.rows(
            "SELECT owner_id, objects, bytes FROM media_usage WHERE objects > 0 "
            "ORDER BY bytes DESC, owner_id LIMIT ?",
            (limit,),
        )
    ]
