"""Home timelines as they are read: what was pushed into them, merged with what is pulled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from store.queries.paging import below
from store.queries.pull import Deeds, pull
from store.transaction import Transaction

USERS_AT_ONCE = 500
DAY_MS = 24 * 3600 * 1000


class State(IntEnum):
    """Of a timeline. The numbers are stored."""

    WANTED = 0  # its user has come back: it is to be filled
    FILLING = 1  # what is new is pushed into it, what is old is being filled in
    KEPT = 2


class Timeline(NamedTuple):
    state: State
    floor: int  # posts up to this one are not kept


ALL_POSTS = Deeds("posts", "id", "author_id", "q.deleted = 0")


def pulled_posts(generation: int) -> Deeds:
    """Those that were not pushed when they were published."""
    return Deeds(
        "pulled_posts",
        "post_id",
        "author_id",
        "q.generation = ?",
        "JOIN pulled_authors a ON a.generation = ? AND a.author_id = f.followee_id",
        (generation,),
    )


async def generations(tx: Transaction) -> list[int]:
    """Those of the rows of home timelines that are shown, or built."""
    found = await tx.rows(
        "SELECT generation FROM offsets WHERE consumer = 'home' AND role IN (0, 1)"
    )
    return [row[0] for row in found] or [0]


async def timelines_of(
    tx: Transaction, generation: int, user_ids: Sequence[int]
) -> dict[int, Timeline]:
    """Those that there are; who has none has not been here for long."""
    if not user_ids:
        return {}
    found = await tx.rows(
        "SELECT user_id, state, floor FROM timelines WHERE generation = ? AND user_id IN "
        + tx.dialect.in_list(len(user_ids)),
        (generation, *user_ids),
    )
    return {row[0]: Timeline(State(row[1]), row[2]) for row in found}


async def begin(tx: Transaction, generation: int, state: State, seen: Mapping[int, int]) -> None:
    """Makes timelines in that state of users who have none, each with when he was here."""
    await tx.run_many(
        tx.dialect.insert_new(
            "timelines",
            ("generation", "user_id", "state", "floor", "fill_below", "filled", "seen_ms"),
        ),
        [(generation, user_id, int(state), 0, 0, 0, at_ms) for user_id, at_ms in seen.items()],
    )


async def want(tx: Transaction, generation: int, seen: Mapping[int, int]) -> None:
    """Notes when users were here, to a day. Who has no timeline is to get one."""
    users = list(seen)
    known: dict[int, int] = {}
    for start in range(0, len(users), USERS_AT_ONCE):
        few = users[start : start + USERS_AT_ONCE]
        known |= dict(
            await tx.rows(
                "SELECT user_id, seen_ms FROM timelines WHERE generation = ? AND user_id IN "
                + tx.dialect.in_list(len(few)),
                (generation, *few),
            )
        )
    fresh = {user_id: at_ms for user_id, at_ms in seen.items() if user_id not in known}
    await begin(tx, generation, State.WANTED, fresh)
    await tx.run_many(
        "UPDATE timelines SET seen_ms = ? WHERE generation = ? AND user_id = ?",
        [
            (seen[user_id], generation, user_id)
            for user_id, before in known.items()
            if seen[user_id] >= before + DAY_MS
        ],
    )


async def home_ids(tx: Transaction, user_id: int, before: int, limit: int) -> list[int]:
    """The latest posts in a user's home timeline with ids below `before` (0: from the latest):
    those of the people whom he follows, and his own.

    Each post is either pushed or pulled, as was decided when it was published; so an author who
    comes to have many followers, or few, doubles and loses none.
    """
    kept = await tx.rows(
        "SELECT o.generation, t.floor FROM offsets o JOIN timelines t "
        "ON t.generation = o.generation AND t.user_id = ? AND t.state = ? "
        "WHERE o.consumer = 'home' AND o.role = 0",
        (user_id, int(State.KEPT)),
    )
    if not kept:
        return await pull_posts(tx, ALL_POSTS, user_id, before, limit)
    ((generation, floor),) = kept
    pushed = await _pushed(tx, generation, user_id, before, limit)
    pulled = await pull_posts(tx, pulled_posts(generation), user_id, before, limit, floor)
    return sorted({*pushed, *pulled}, reverse=True)[:limit]


async def pull_posts(
    tx: Transaction, posts: Deeds, user_id: int, before: int, limit: int, floor: int = 0
) -> list[int]:
    """The ids of the latest of these posts that belong in a user's timeline."""
    rows = await pull(tx, posts, user_id, before, limit, floor=floor, own=True)
    return [row[0] for row in rows]


# The projection takes out what is deleted and who is not followed any more; until it has come to
# that, it is left out here.
_PUSHED = (
    "SELECT t.post_id FROM timeline_posts t "
    "JOIN posts p ON p.id = t.post_id AND p.deleted = 0 "
    "LEFT JOIN follows f ON f.follower_id = t.user_id AND f.followee_id = t.author_id "
    "WHERE t.generation = ? AND t.user_id = ? AND t.post_id < ? "
    "AND (f.changed IS NOT NULL OR t.author_id = t.user_id) ORDER BY t.post_id DESC LIMIT ?"
)


async def _pushed(
    tx: Transaction, generation: int, user_id: int, before: int, limit: int
) -> list[int]:
    found = await tx.rows(_PUSHED, (generation, user_id, below(before), limit))
    return [row[0] for row in found]
