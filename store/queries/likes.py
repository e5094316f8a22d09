"""Who likes what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from store.log import Entry, Kind
from store.queries.paging import UserList, users_page
from store.records import LikeRecord, UserRecord
from store.transaction import Transaction


async def liked_since(
    tx: Transaction, pairs: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], int]:
    """The position of the like of each (post, user); those who do not like are left out."""
    wanted = list(dict.fromkeys(pairs))
    if not wanted:
        return {}
    found = await tx.rows(
        "SELECT post_id, user_id, changed FROM likes WHERE (post_id, user_id) IN "
        + tx.dialect.in_pairs(len(wanted)),
        [value for pair in wanted for value in pair],
    )
    return {(row[0], row[1]): row[2] for row in found}


async def likers(
    tx: Transaction, post_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[UserRecord], int]:
    """Who likes a post (see `users_page`)."""
    return await users_page(tx, _LIKERS, post_id, viewer_id, before, limit)


_LIKERS = UserList("likes", "post_id", "user_id")


async def load_likes(_: Transaction, entries: Sequence[Entry]) -> None:
    """For `hydrate`: an entry says all there is to say of a like."""
    for entry in entries:
        entry.record = LikeRecord(
            post_id=entry.subject_id,
            user_id=entry.actor_id,
            liked=entry.kind is Kind.POST_LIKED,
            changed=entry.position,
        )
