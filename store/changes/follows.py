"""Follows. Their entries are in the follower's own stream; the followed one hears of them
through notifications and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from store import rules
from store.changes.base import Change, Key
from store.errors import DomainError, NotFound
from store.log import Kind, Stream, WriteTransaction
from store.queries.follows import followed_since
from store.queries.users import users_by_id
from store.records import FollowRecord


class SetFollow(Change[FollowRecord], frozen=True, kw_only=True):
    """Follows a user, or no longer. What is so already changes nothing and leaves no entry;
    its answer's `changed` is then the follow's own, or where the log stood when there was
    none."""

    RESULT: ClassVar[type[FollowRecord]] = FollowRecord

    follower_id: int
    followee_id: int
    following: bool

    def excludes(self) -> Sequence[Key]:
        return ((f"follow:{self.follower_id}", self.followee_id),)

    @classmethod
    async def apply(
        cls, tx: WriteTransaction, changes: Sequence[Self]
    ) -> list[FollowRecord | DomainError]:
        users = await users_by_id(tx, (c.followee_id for c in changes))
        since = await followed_since(tx, ((c.follower_id, c.followee_id) for c in changes))
        await tx.open_streams(Stream.user(c.follower_id) for c in changes)
        outcomes: list[FollowRecord | DomainError] = []
        set_: list[FollowRecord] = []
        for change in changes:
            refusal = rules.follow(self_=change.follower_id == change.followee_id)
            if refusal is None and change.followee_id not in users:
                refusal = NotFound("no such user")
            if refusal is not None:
                outcomes.append(refusal)
                continue
            position = since.get((change.follower_id, change.followee_id))
            if change.following == (position is not None):
                outcomes.append(_follow(change, tx.position if position is None else position))
                continue
            entry = await tx.append(
                Kind.FOLLOWED if change.following else Kind.UNFOLLOWED,
                Stream.user(change.follower_id),
                actor_id=change.follower_id,
                subject_id=change.followee_id,
            )
            entry.record = follow = _follow(change, entry.position)
            outcomes.append(follow)
            set_.append(follow)
        await tx.run_many(
            "INSERT INTO follows (follower_id, followee_id, changed) VALUES (?, ?, ?)",
            [(one.follower_id, one.followee_id, one.changed) for one in set_ if one.following],
        )
        await tx.run_many(
            "DELETE FROM follows WHERE follower_id = ? AND followee_id = ?",
            [(one.follower_id, one.followee_id) for one in set_ if not one.following],
        )
        return outcomes


def _follow(change: SetFollow, changed: int) -> FollowRecord:
    return FollowRecord(
        follower_id=change.follower_id,
        followee_id=change.followee_id,
        following=change.following,
        changed=changed,
    )
