"""How far a user has seen his notifications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from store.changes.base import Key, SingleChange
from store.log import Kind, Stream, WriteTransaction
from store.queries.notifications import seen_by
from store.records import SeenRecord


class MarkSeen(SingleChange[SeenRecord], frozen=True, kw_only=True):
    """Every notification up to an id is seen, on all devices. The pointer never moves back
    nor past the latest notification there is; one that does not move leaves no entry."""

    RESULT: ClassVar[type[SeenRecord]] = SeenRecord

    user_id: int
    up_to_id: int

    def excludes(self) -> Sequence[Key]:
        return (("seen", self.user_id),)

    async def apply_one(self, tx: WriteTransaction) -> SeenRecord:
        before = (await seen_by(tx, [self.user_id])).get(self.user_id, _NOTHING)
        found = await tx.rows(
            "SELECT MAX(id) FROM notifications WHERE user_id = ? AND id <= ?",
            (self.user_id, self.up_to_id),
        )
        up_to_id = found[0][0] or 0
        if up_to_id <= before.up_to_id:
            return before
        entry = await tx.append(
            Kind.NOTIFICATIONS_SEEN,
            Stream.user(self.user_id),
            actor_id=self.user_id,
            subject_id=up_to_id,
        )
        entry.record = seen = SeenRecord(up_to_id=up_to_id, changed=entry.position)
        await tx.run(
            tx.dialect.upsert("notifications_seen", ("user_id",), ("up_to_id", "changed")),
            (self.user_id, up_to_id, entry.position),
        )
        return seen


_NOTHING = SeenRecord(up_to_id=0, changed=0)
