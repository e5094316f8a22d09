"""How far a user has seen his notifications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from store.changes.base import Key, SingleChange
from store.log import Kind, Stream, WriteTransaction
from store.queries.notifications import seen_by
from store.records import SeenRecord


class MarkSeen(SingleChange[SeenRecord], frozen=True, kw_only=True):
    """Every notification whose latest deed is up to a position is seen, on all devices, and
    what comes later begins new ones. The pointer never moves back nor past the latest there is;
    one that does not move leaves no entry."""

    RESULT: ClassVar[type[SeenRecord]] = SeenRecord

    user_id: int
    up_to: int

    def excludes(self) -> Sequence[Key]:
        return (("seen", self.user_id),)

    async def apply_one(self, tx: WriteTransaction) -> SeenRecord:
        before = (await seen_by(tx, [self.user_id])).get(self.user_id, _NOTHING)
        found = await tx.rows(
            "SELECT MAX(latest) FROM notification_groups WHERE user_id = ?", (self.user_id,)
        )
        up_to = min(self.up_to, found[0][0] or 0)
        if up_to <= before.up_to:
            return before
        entry = await tx.append(
            Kind.NOTIFICATIONS_SEEN,
            Stream.user(self.user_id),
            actor_id=self.user_id,
            subject_id=up_to,
        )
        entry.record = seen = SeenRecord(up_to=up_to, changed=entry.position)
        await tx.run(
            tx.dialect.upsert("notifications_seen", ("user_id",), ("up_to", "changed")),
            (self.user_id, up_to, entry.position),
        )
        return seen


_NOTHING = SeenRecord(up_to=0, changed=0)
