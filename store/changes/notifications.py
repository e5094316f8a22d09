"""How far a user has seen his notifications, and of which kinds he wants none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from store.changes.base import Key, SingleChange
from store.log import Kind, Stream, WriteTransaction
from store.queries.notifications import bits_of, kinds_of, notification_settings, seen_by
from store.records import NotificationKind, NotificationSettingsRecord, SeenRecord


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


class MuteKind(SingleChange[NotificationSettingsRecord], frozen=True, kw_only=True):
    """Notifications of one kind are made no more, or again; what was told already stays. The
    entry holds the kinds that are muted by then, so that notifications go by its place in the
    log. What is so already leaves no entry."""

    RESULT: ClassVar[type[NotificationSettingsRecord]] = NotificationSettingsRecord

    user_id: int
    kind: NotificationKind
    muted: bool

    def excludes(self) -> Sequence[Key]:
        return (("notification.settings", self.user_id),)

    async def apply_one(self, tx: WriteTransaction) -> NotificationSettingsRecord:
        before = await notification_settings(tx, self.user_id)
        if self.muted == (self.kind in before.muted):
            return before
        kinds = {*before.muted, self.kind} if self.muted else {*before.muted} - {self.kind}
        muted = bits_of(kinds)
        entry = await tx.append(
            Kind.NOTIFICATION_SETTINGS,
            Stream.user(self.user_id),
            actor_id=self.user_id,
            subject_id=self.user_id,
            other_id=muted,
        )
        entry.record = settings = NotificationSettingsRecord(
            user_id=self.user_id, muted=kinds_of(muted), changed=entry.position
        )
        await tx.run(
            tx.dialect.upsert("notification_settings", ("user_id",), ("muted", "changed")),
            (self.user_id, muted, entry.position),
        )
        return settings


_NOTHING = SeenRecord(up_to=0, changed=0)
