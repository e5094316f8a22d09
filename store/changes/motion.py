"""What becomes of a video that is prepared: known to its owner, and wherever it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from store.changes.base import Key, SingleChange
from store.log import Kind, Stream, WriteTransaction
from store.queries.media import encoded_motion
from store.queries.motion import add_files, drop_work, has_work, media_of_blob
from store.records import MediaFile, MediaRecord, MotionState


class SettlePreparation(SingleChange[int], frozen=True, kw_only=True):
    """The files made of an original are in the blob store; or with none of them, nothing can be
    made of it. Every object with these bytes says so from then on, and each message and post that
    shows one.

    Answers how many objects that were: 0 where it was settled before, by another node perhaps, or
    where they are gone. Then the files are nobody's.
    """

    RESULT: ClassVar[type[int]] = int

    source: bytes
    files: tuple[MediaFile, ...] = ()

    def excludes(self) -> Sequence[Key]:
        return (("media.source", self.source),)

    async def apply_one(self, tx: WriteTransaction) -> int:
        if not await has_work(tx, self.source):
            return 0
        await drop_work(tx, self.source)
        found = [
            one
            for one in await media_of_blob(tx, self.source)
            if one.motion is not None and one.motion.state is MotionState.PREPARING
        ]
        if not found:
            return 0
        await add_files(tx, self.source, self.files)
        for media in found:
            await _tell(tx, media, MotionState.READY if self.files else MotionState.FAILED)
        return len(found)


async def _tell(tx: WriteTransaction, media: MediaRecord, state: MotionState) -> None:
    assert media.motion is not None
    motion = msgspec.structs.replace(media.motion, state=state)
    entry = await tx.append(
        Kind.MEDIA_PREPARED, Stream.user(media.owner_id), actor_id=media.owner_id
    )
    entry.record = msgspec.structs.replace(media, motion=motion, changed=entry.position)
    await tx.run(
        "UPDATE media SET motion = ?, changed = ? WHERE id = ?",
        (encoded_motion(motion), entry.position, media.id),
    )
    for message_id, room_id in await tx.rows(
        "SELECT message_id, room_id FROM message_media WHERE media_id = ? ORDER BY message_id",
        (media.id,),
    ):
        entry = await tx.append(
            Kind.MESSAGE_PREPARED,
            Stream.room(room_id),
            actor_id=media.owner_id,
            subject_id=message_id,
        )
        await tx.run("UPDATE messages SET changed = ? WHERE id = ?", (entry.position, message_id))
    for (post_id,) in await tx.rows(
        # Only posts made since it was stored can show it.
        "SELECT id FROM posts WHERE author_id = ? AND id > ? AND deleted = 0 AND media LIKE ? "
        "ORDER BY id",
        (media.owner_id, media.changed, f"%{media.id}%"),
    ):
        entry = await tx.append(
            Kind.POST_PREPARED,
            Stream.user(media.owner_id),
            actor_id=media.owner_id,
            subject_id=post_id,
        )
        await tx.run("UPDATE posts SET changed = ? WHERE id = ?", (entry.position, post_id))
