"""How many likes and comments a post has, answers a comment, and posts, followers and followings
a user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from store.log import Entry, Kind
from store.projections.base import CountsHint, Hint, Projection
from store.queries.posts import heads
from store.transaction import Transaction

LIKES, COMMENTS = range(2)
REPLIES = 0
POSTS, FOLLOWERS, FOLLOWINGS = range(3)


class _Deltas:
    """What a step adds to the counters of rows, each with `width` of them."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._rows: dict[int, list[int]] = {}

    def add(self, row_id: int, counter: int, delta: int) -> None:
        self._rows.setdefault(row_id, [0] * self._width)[counter] += delta

    def drop(self, row_id: int) -> None:
        self._rows.pop(row_id, None)

    def changed(self) -> dict[int, list[int]]:
        return {row_id: deltas for row_id, deltas in self._rows.items() if any(deltas)}


class CountersProjection(Projection):
    """Counts by the log alone: changes that change nothing leave no entry, so each entry is
    one up or down. A step writes each row once. The counts of a deleted post are gone. What a
    comment answers the log does not say: its row does, which keeps that for ever."""

    name: ClassVar[str] = "counters"
    kinds: ClassVar[frozenset[Kind]] = frozenset(
        {
            Kind.POST_CREATED,
            Kind.POST_DELETED,
            Kind.POST_LIKED,
            Kind.POST_UNLIKED,
            Kind.COMMENT_ADDED,
            Kind.COMMENT_DELETED,
            Kind.FOLLOWED,
            Kind.UNFOLLOWED,
        }
    )

    step: ClassVar[int] = 5_000
    tables: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "post_counts": ("generation", "post_id"),
        "comment_counts": ("generation", "comment_id"),
        "user_counts": ("generation", "user_id"),
    }

    @staticmethod
    def key(entry: Entry) -> str:
        """Only what ups and downs have in common needs its order: a post, or two people. The
        sums of a user are the same in any order."""
        if entry.kind in (Kind.FOLLOWED, Kind.UNFOLLOWED):
            return f"{entry.actor_id}>{entry.subject_id}"
        of_comment = entry.kind in (Kind.COMMENT_ADDED, Kind.COMMENT_DELETED)
        return f"p{entry.other_id if of_comment else entry.subject_id}"

    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        posts, users, answered = _Deltas(2), _Deltas(3), _Deltas(1)
        answers = await _answers(tx, entries)
        gone: set[int] = set()
        for entry in entries:
            match entry.kind:
                case Kind.POST_LIKED:
                    posts.add(entry.subject_id, LIKES, 1)
                case Kind.POST_UNLIKED:
                    posts.add(entry.subject_id, LIKES, -1)
                case Kind.COMMENT_ADDED:
                    posts.add(entry.other_id, COMMENTS, 1)
                    answered.add(answers.get(entry.subject_id, 0), REPLIES, 1)
                case Kind.COMMENT_DELETED if entry.other_id:  # not the deleter's copy
                    posts.add(entry.other_id, COMMENTS, -1)
                    answered.add(answers.get(entry.subject_id, 0), REPLIES, -1)
                case Kind.POST_CREATED:
                    users.add(entry.actor_id, POSTS, 1)
                case Kind.POST_DELETED:
                    users.add(entry.stream.id, POSTS, -1)
                    gone.add(entry.subject_id)
                case Kind.FOLLOWED:
                    users.add(entry.subject_id, FOLLOWERS, 1)
                    users.add(entry.actor_id, FOLLOWINGS, 1)
                case Kind.UNFOLLOWED:
                    users.add(entry.subject_id, FOLLOWERS, -1)
                    users.add(entry.actor_id, FOLLOWINGS, -1)
                case _:
                    pass
        answered.drop(0)  # those that answer none
        for post_id in gone:
            posts.drop(post_id)
        await tx.run_many(
            "DELETE FROM post_counts WHERE generation = ? AND post_id = ?",
            [(generation, post_id) for post_id in gone],
        )
        await _add(tx, generation, "user_counts", "user_id", _OF_USERS, users)
        await _add(tx, generation, "comment_counts", "comment_id", _OF_COMMENTS, answered)
        counted = await _add(tx, generation, "post_counts", "post_id", _OF_POSTS, posts)
        return await _hints(tx, counted)

    async def seed(
        self, tx: Transaction, generation: int, after: int, up_to: int, now_ms: int
    ) -> None:
        """Counts of a comment are those of its post's id: there they are found."""
        ids = (generation, after, up_to)
        for table, of in (("user_counts", "user_id"), ("post_counts", "post_id")):
            await tx.run(
                f"DELETE FROM {table} WHERE generation = ? AND {of} > ? AND {of} <= ?", ids
            )
        for insert in (_USERS, _POSTS):
            await tx.run(insert, ids)
        # Of what had an answer once there is a row: it is written anew, and none is left over.
        answers = await tx.rows(_ANSWERS, (after, up_to))
        await tx.run_many(
            tx.dialect.upsert("comment_counts", ("generation", "comment_id"), _OF_COMMENTS),
            [(generation, comment_id, replies) for comment_id, replies in answers],
        )


_USERS = (
    "INSERT INTO user_counts (generation, user_id, posts, followers, followings) SELECT ?, u.id, "
    "(SELECT COUNT(*) FROM posts p WHERE p.author_id = u.id AND p.deleted = 0), "
    "(SELECT COUNT(*) FROM follows f WHERE f.followee_id = u.id), "
    "(SELECT COUNT(*) FROM follows f WHERE f.follower_id = u.id) "
    "FROM users u WHERE u.id > ? AND u.id <= ?"
)
_POSTS = (
    "INSERT INTO post_counts (generation, post_id, likes, comments) SELECT ?, p.id, "
    "(SELECT COUNT(*) FROM likes l WHERE l.post_id = p.id), "
    "(SELECT COUNT(*) FROM comments c WHERE c.post_id = p.id AND c.deleted = 0) "
    "FROM posts p WHERE p.deleted = 0 AND p.id > ? AND p.id <= ?"
)
_ANSWERS = (
    "SELECT reply_to, COUNT(CASE WHEN deleted = 0 THEN 1 END) FROM comments "
    "WHERE post_id > ? AND post_id <= ? AND reply_to > 0 GROUP BY reply_to"
)


async def _answers(tx: Transaction, entries: Sequence[Entry]) -> dict[int, int]:
    """Which comment each of the comments that the entries are about answers."""
    kinds = (Kind.COMMENT_ADDED, Kind.COMMENT_DELETED)
    ids = list(dict.fromkeys(e.subject_id for e in entries if e.kind in kinds))
    if not ids:
        return {}
    return dict(
        await tx.rows(
            "SELECT id, reply_to FROM comments WHERE reply_to > 0 AND id IN "
            + tx.dialect.in_list(len(ids)),
            ids,
        )
    )


_OF_POSTS = ("likes", "comments")
_OF_COMMENTS = ("replies",)
_OF_USERS = ("posts", "followers", "followings")


async def _add(
    tx: Transaction,
    generation: int,
    table: str,
    key: str,
    columns: tuple[str, ...],
    deltas: _Deltas,
) -> dict[int, list[int]]:
    """Adds the deltas to the rows and returns the counts that have resulted."""
    changed = deltas.changed()
    if not changed:
        return {}
    found = await tx.rows(
        f"SELECT {key}, {', '.join(columns)} FROM {table} WHERE generation = ? AND {key} IN "
        + tx.dialect.in_list(len(changed)),
        [generation, *changed],
    )
    before = {row[0]: row[1:] for row in found}
    nothing = (0,) * len(columns)
    result = {
        row_id: _sums(before.get(row_id, nothing), counts) for row_id, counts in changed.items()
    }
    await tx.run_many(
        tx.dialect.upsert(table, ("generation", key), columns),
        [(generation, row_id, *counts) for row_id, counts in result.items()],
    )
    return result


def _sums(before: Iterable[int], deltas: Iterable[int]) -> list[int]:
    return [max(0, count + delta) for count, delta in zip(before, deltas, strict=True)]


async def _hints(tx: Transaction, counted: dict[int, list[int]]) -> list[Hint]:
    posts = await heads(tx, counted)
    return [
        CountsHint(
            post_id=post_id,
            author_id=posts[post_id].author_id,
            likes=counts[LIKES],
            comments=counts[COMMENTS],
        )
        for post_id, counts in counted.items()
        if post_id in posts and not posts[post_id].deleted
    ]
