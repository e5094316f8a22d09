"""Who follows whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from store.log import Entry, Kind
from store.queries.paging import UserList, users_page
from store.records import FollowRecord, UserRecord
from store.transaction import Transaction


async def followed_since(
    tx: Transaction, pairs: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], int]:
    """The position since which each (follower, followee) holds; others are left out."""
    wanted = list(dict.fromkeys(pairs))
    if not wanted:
        return {}
    found = await tx.rows(
        "SELECT follower_id, followee_id, changed FROM follows "
        "WHERE (follower_id, followee_id) IN " + tx.dialect.in_pairs(len(wanted)),
        [value for pair in wanted for value in pair],
    )
    return {(row[0], row[1]): row[2] for row in found}


async def followers(
    tx: Transaction, user_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[UserRecord], int]:
    """Who follows a user (see `users_page`)."""
    return await users_page(tx, _FOLLOWERS, user_id, viewer_id, before, limit)


async def followings(
    tx: Transaction, user_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[UserRecord], int]:
    """Whom a user follows (see `users_page`)."""
    return await users_page(tx, _FOLLOWINGS, user_id, viewer_id, before, limit)


_FOLLOWERS = UserList("follows", "followee_id", "follower_id")
_FOLLOWINGS = UserList("follows", "follower_id", "followee_id")


async def load_follows(_: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: an entry says all there is to say of a follow."""
    for entry in entries:
        entry.record = FollowRecord(
            follower_id=entry.actor_id,
            followee_id=entry.subject_id,
            following=entry.kind is Kind.FOLLOWED,
            changed=entry.position,
        )
