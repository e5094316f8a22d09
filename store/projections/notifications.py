"""Notifications: grouped, and taken back when what they tell of is undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from store.log import Entry, Kind, WriteTransaction
from store.projections.base import Hint, VisibleProjection
from store.projections.causes import (
    COMMENT_KINDS,
    POST_KINDS,
    Cause,
    State,
    Telling,
    read_state,
    tellings,
    text_of,
)
from store.projections.grouping import Grouping
from store.projections.notification_tables import load, save
from store.records import NotificationKind


class NotificationsProjection(VisibleProjection):
    """Of likes, comments, replies, mentions and follows their receiver is told, unless he has
    muted their kind, and in groups (see `store.projections.grouping`). An unlike, an unfollow,
    a deletion, a block between the two and an edit that mentions somebody no more take out of a
    group again, and the last one takes the group back. A step tells of a group once, however
    many of its entries concern it: by an entry `NOTIFIED`, whose subject is the notification,
    when it is new or looks otherwise than before, and by `UNNOTIFIED` when it is gone.

    The state that it reads may be newer than its entries, so it tells only of what still
    holds. Of what has ended meanwhile, or ended and begun again, a later entry tells. So it
    comes to the same groups whatever the lag and the size of its steps.
    """

    name: ClassVar[str] = "notifications"
    kinds: ClassVar[frozenset[Kind]] = frozenset(
        {
            *COMMENT_KINDS,
            *POST_KINDS,
            Kind.POST_DELETED,
            Kind.POST_LIKED,
            Kind.POST_UNLIKED,
            Kind.FOLLOWED,
            Kind.UNFOLLOWED,
            Kind.BLOCKED,
            Kind.NOTIFICATIONS_SEEN,
            Kind.NOTIFICATION_SETTINGS,
        }
    )

    replayable: ClassVar[bool] = True

    @staticmethod
    def key(entry: Entry) -> str:
        """Two people, a like, a comment, a post, or who has looked or set something."""
        match entry.kind:
            case Kind.FOLLOWED | Kind.UNFOLLOWED | Kind.BLOCKED:
                return f"{entry.actor_id}>{entry.subject_id}"
            case Kind.POST_LIKED | Kind.POST_UNLIKED:
                return f"p{entry.subject_id}<{entry.actor_id}"
            case kind if kind in COMMENT_KINDS:
                return f"c{entry.subject_id}"
            case Kind.NOTIFICATIONS_SEEN | Kind.NOTIFICATION_SETTINGS:
                return f"u{entry.stream.id}"
            case _:
                return f"p{entry.subject_id}"

    async def project(self, tx: WriteTransaction, entries: Sequence[Entry]) -> list[Hint]:
        state = await read_state(tx, entries)
        told = [(entry, tellings(entry, state)) for entry in entries]
        grouping = await load(tx, told)
        for entry, those in told:
            _take(grouping, entry, state, those)
        await save(tx, grouping)
        return []


def _take(grouping: Grouping, entry: Entry, state: State, told: Sequence[Telling]) -> None:
    text = text_of(entry)
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
        case Kind.COMMENT_EDITED | Kind.POST_EDITED if text is not None:
            grouping.edit(text, entry, state.mentioned.get(text, {}))
        case Kind.COMMENT_DELETED if text is not None:
            grouping.take_back_text(text, entry)
        case Kind.POST_DELETED:
            grouping.take_back_post(entry.subject_id, entry)
        case Kind.NOTIFICATIONS_SEEN:
            grouping.look(entry.stream.id, entry)
        case Kind.NOTIFICATION_SETTINGS:
            grouping.receivers[entry.stream.id].muted = entry.other_id
        case _:
            pass
    for one in told:
        grouping.tell(one, entry)
