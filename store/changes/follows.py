"""Follows. Their entries are in the follower's own stream; the followed one hears of them
through notifications and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from store import rules
from store.changes.base import Change, Key
from store.errors import DomainError, NotFound
from store.log import Kind, Stream, WriteTransaction
from store.queries.blocks import NOTHING, between
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
        pairs = [(c.follower_id, c.followee_id) for c in changes]
        since = await followed_since(tx, pairs)
        stands = await between(tx, pairs)
        await tx.open_streams(Stream.user(c.follower_id) for c in changes)
        outcomes: list[FollowRecord | DomainError] = []
        set_: list[FollowRecord] = []
        for change in changes:
            pair = (change.follower_id, change.followee_id)
            stand = stands.get(pair, NOTHING)
            refusal = rules.follow(
                self_=change.follower_id == change.followee_id,
                blocks=stand.blocks,
                blocked=stand.blocked,
            )
            if refusal is None and change.followee_id not in users:
                refusal = NotFound("no such user")
            if refusal is not None:
                outcomes.append(refusal)
                continue
            position = since.get(pair)
            if change.following == (position is not None):
                at = tx.position if position is None else position
                outcomes.append(_follow(pair, change.following, at))
                continue
            follow = await _append(tx, pair, change.following)
            outcomes.append(follow)
            set_.append(follow)
        await tx.run_many(
            "INSERT INTO follows (follower_id, followee_id, changed, at_ms) VALUES (?, ?, ?, ?)",
            [
                (one.follower_id, one.followee_id, one.changed, tx.now_ms)
                for one in set_
                if one.following
            ],
        )
        await _delete(tx, [one for one in set_ if not one.following])
        return outcomes


async def end_follows(tx: WriteTransaction, pairs: Sequence[tuple[int, int]]) -> None:
    """Ends those of the (follower, followee) that there are, each as its follower would."""
    found = await followed_since(tx, pairs)
    await _delete(tx, [await _append(tx, pair, False) for pair in pairs if pair in found])


async def _append(tx: WriteTransaction, pair: tuple[int, int], following: bool) -> FollowRecord:
    follower_id, followee_id = pair
    entry = await tx.append(
        Kind.FOLLOWED if following else Kind.UNFOLLOWED,
        Stream.user(follower_id),
        actor_id=follower_id,
        subject_id=followee_id,
    )
    entry.record = follow = _follow(pair, following, entry.position)
    return follow


async def _delete(tx: WriteTransaction, ended: Sequence[FollowRecord]) -> None:
    await tx.run_many(
        "DELETE FROM follows WHERE follower_id = ? AND followee_id = ?",
        [(one.follower_id, one.followee_id) for one in ended],
    )


def _follow(pair: tuple[int, int], following: bool, changed: int) -> FollowRecord:
    return FollowRecord(
        follower_id=pair[0], followee_id=pair[1], following=following, changed=changed
    )
