"""Notifications: grouped, and taken back when what they tell of is undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from store.log import Entry, Kind, WriteTransaction
from store.projections.base import Hint, VisibleProjection
from store.projections.causes import COMMENT_KINDS, Cause, Telling, read_state, tellings
from store.projections.grouping import Grouping
from store.projections.notification_tables import load, save
from store.records import NotificationKind


class NotificationsProjection(VisibleProjection):
    """Of likes, comments, replies and follows their receiver is told, in groups (see
    `store.projections.grouping`); an unlike, an unfollow, a deletion and a block between the two
    take somebody out of a group again, and the last one takes the group back. A step tells of a
    group once, however many of its entries concern it: by an entry `NOTIFIED`, whose subject is
    the notification, when it is new or looks otherwise than before, and by `UNNOTIFIED` when it
    is gone.

    The state that it reads may be newer than its entries, so it tells only of what still
    holds. Of what has ended meanwhile, or ended and begun again, a later entry tells. So it
    comes to the same groups whatever the lag and the size of its steps.
    """

    name: ClassVar[str] = "notifications"
    kinds: ClassVar[frozenset[Kind]] = COMMENT_KINDS | {
        Kind.POST_LIKED,
        Kind.POST_UNLIKED,
        Kind.POST_DELETED,
        Kind.FOLLOWED,
        Kind.UNFOLLOWED,
        Kind.BLOCKED,
        Kind.NOTIFICATIONS_SEEN,
    }

    async def project(self, tx: WriteTransaction, entries: Sequence[Entry]) -> list[Hint]:
        state = await read_state(tx, entries)
        told = [(entry, tellings(entry, state)) for entry in entries]
        grouping = await load(tx, told)
        for entry, those in told:
            _take(grouping, entry, those)
        await save(tx, grouping)
        return []


def _take(grouping: Grouping, entry: Entry, told: Sequence[Telling]) -> None:
    match entry.kind:
        case Kind.POST_UNLIKED:
            author_id = entry.other_id
            like = Cause(author_id, NotificationKind.LIKE, entry.actor_id, entry.subject_id)
            grouping.take_back(like, entry)
        case Kind.UNFOLLOWED:
            follow = Cause(entry.subject_id, NotificationKind.FOLLOW, entry.actor_id)
            grouping.take_back(follow, entry)
        case Kind.BLOCKED:
            grouping.take_back_between(entry.actor_id, entry.subject_id, entry)
        case Kind.COMMENT_EDITED:
            grouping.edit_comment(entry.subject_id, entry)
        case Kind.COMMENT_DELETED:
            grouping.take_back_comment(entry.subject_id, entry)
        case Kind.POST_DELETED:
            grouping.take_back_post(entry.subject_id, entry)
        case Kind.NOTIFICATIONS_SEEN:
            grouping.look(entry.stream.id, entry)
        case _:
            for one in told:
                grouping.tell(one, entry)
