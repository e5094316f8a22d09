"""Media objects: reserved by a ticket, stored when their bytes have arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from store.changes.base import Key, SingleChange
from store.changes.uses import add_usage
from store.errors import Conflict, Invalid, NotFound, OverQuota
from store.log import Kind, Stream, WriteTransaction
from store.queries.media import (
    COLUMNS,
    drop_media,
    encoded_motion,
    media_by_id,
    media_of_owner_by_hash,
    usage,
)
from store.queries.motion import add_files, add_work, index_of
from store.queries.upload_parts import drop_parts
from store.records import MediaFile, MediaRecord, MotionRecord, MotionState, Purpose
from store.transaction import Value


class ReserveMedia(SingleChange[MediaRecord], frozen=True, kw_only=True):
    """A media object that awaits its bytes; or a finished one at once, when its owner has
    stored the same bytes before. `sha256` may be empty: then any bytes of the size will do.

    Answers with the object. A pending one leaves no entry in the log: nobody sees it yet.
    """

    RESULT: ClassVar[type[MediaRecord]] = MediaRecord

    owner_id: int
    media_id: str  # random, chosen by the caller
    purpose: Purpose
    size: int
    sha256: bytes = b""
    name: str = ""
    quota: int = 0  # bytes that the owner's objects may come to; 0: any number

    def excludes(self) -> Sequence[Key]:
        return (("media", self.media_id),)

    async def apply_one(self, tx: WriteTransaction) -> MediaRecord:
        if self.size <= 0 or len(self.sha256) not in (0, 32):
            raise Invalid("not a size and a SHA-256 digest")
        if self.media_id in await media_by_id(tx, [self.media_id]):
            raise Conflict("the media id is taken")
        used = await usage(tx, self.owner_id)
        if self.quota and used.bytes + self.size > self.quota:
            raise OverQuota("there is no room left", quota=str(self.quota), used=str(used.bytes))
        known = await media_of_owner_by_hash(tx, self.owner_id, self.sha256)
        if known is not None and known.size != self.size:
            raise Invalid("the digest belongs to bytes of another size")
        await add_usage(tx, self.owner_id, self.size)
        pending = MediaRecord(
            id=self.media_id,
            owner_id=self.owner_id,
            purpose=self.purpose,
            stored=False,
            blob_hash=self.sha256,
            size=self.size,
            mime="",
            width=0,
            height=0,
            color="",
            name=self.name,
            created_ms=tx.now_ms,
            changed=0,
        )
        if known is None:
            await _insert(tx, pending)
            return pending
        return await _stored(
            tx,
            pending,
            known.blob_hash,
            known.mime,
            known.width,
            known.height,
            known.color,
            known.thumbhash,
            known.motion,
        )


class StoreMedia(SingleChange[MediaRecord], frozen=True, kw_only=True):
    """The bytes of a reserved object are in the blob store. The same bytes again change
    nothing and are answered the same; other bytes are a `Conflict`."""

    RESULT: ClassVar[type[MediaRecord]] = MediaRecord

    media_id: str
    blob_hash: bytes
    size: int
    mime: str
    width: int
    height: int
    color: str
    thumbhash: bytes = b""
    motion: MotionRecord | None = None
    """What is known of a video or of sound. One that says `PREPARING` makes work for whoever
    prepares it, unless the same bytes are prepared already."""
    files: tuple[MediaFile, ...] = ()
    """What was made of the bytes; in the blob store as they are."""

    def excludes(self) -> Sequence[Key]:
        return (("media", self.media_id),)

    async def apply_one(self, tx: WriteTransaction) -> MediaRecord:
        found = (await media_by_id(tx, [self.media_id])).get(self.media_id)
        if found is None:
            raise NotFound("no such media")
        if found.stored:
            if found.blob_hash != self.blob_hash:
                raise Conflict("other bytes were stored under this ticket")
            return found
        if found.size != self.size:
            raise Invalid("the size is not the announced one")
        if found.blob_hash not in (b"", self.blob_hash):
            raise Invalid("the bytes do not have the announced digest")
        await add_files(tx, self.blob_hash, self.files)
        stored = await _stored(
            tx,
            found,
            self.blob_hash,
            self.mime,
            self.width,
            self.height,
            self.color,
            self.thumbhash,
            await _to_prepare(tx, self.blob_hash, self.motion),
        )
        await drop_parts(tx, [self.media_id])
        return stored


async def _to_prepare(
    tx: WriteTransaction, source: bytes, motion: MotionRecord | None
) -> MotionRecord | None:
    """Sees to it that what is to be prepared will be."""
    if motion is None or motion.state is not MotionState.PREPARING:
        return motion
    if await index_of(tx, source) is not None:
        return msgspec.structs.replace(motion, state=MotionState.READY)
    await add_work(tx, source)
    return motion


async def _stored(
    tx: WriteTransaction,
    pending: MediaRecord,
    blob_hash: bytes,
    mime: str,
    width: int,
    height: int,
    color: str,
    thumbhash: bytes,
    motion: MotionRecord | None,
) -> MediaRecord:
    """Writes the row as stored, with its entry in the owner's stream."""
    entry = await tx.append(
        Kind.MEDIA_STORED, Stream.user(pending.owner_id), actor_id=pending.owner_id
    )
    entry.record = stored = MediaRecord(
        id=pending.id,
        owner_id=pending.owner_id,
        purpose=pending.purpose,
        stored=True,
        blob_hash=blob_hash,
        size=pending.size,
        mime=mime,
        width=width,
        height=height,
        color=color,
        name=pending.name,
        created_ms=pending.created_ms,
        changed=entry.position,  # also how a reader of the log finds the row
        motion=motion,
        thumbhash=thumbhash,
    )
    await _insert(tx, stored)
    return stored


class DropTicket(SingleChange[int], frozen=True, kw_only=True):
    """Removes a reserved object whose bytes have not come, with the parts that have; answers
    how many objects that were. A stored one stays. A change, so that the bytes are not stored
    at the same moment; not in the log, for nobody has seen the object."""

    RESULT: ClassVar[type[int]] = int

    media_id: str

    def excludes(self) -> Sequence[Key]:
        return (("media", self.media_id),)

    async def apply_one(self, tx: WriteTransaction) -> int:
        found = await tx.rows(
            "SELECT id, owner_id, size FROM media WHERE id = ? AND state = 0", (self.media_id,)
        )
        return await drop_media(tx, found)


async def _insert(tx: WriteTransaction, media: MediaRecord) -> None:
    names = (*(name.strip() for name in COLUMNS.split(",")), "unused_ms")
    row: list[Value] = [
        media.id,
        media.owner_id,
        int(media.purpose),
        int(media.stored),
        media.blob_hash,
        media.size,
        media.mime,
        media.width,
        media.height,
        media.color,
        media.name,
        media.created_ms,
        media.changed,
        encoded_motion(media.motion),
        media.thumbhash,
        tx.now_ms,  # nothing shows it yet
    ]
    await tx.run(tx.dialect.upsert("media", names[:1], names[1:]), row)
