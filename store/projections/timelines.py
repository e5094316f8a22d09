"""One user's home timeline: begun, filled, kept short, and given up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from store.queries.timelines import (
    ALL_POSTS,
    State,
    Timeline,
    begin,
    pull_posts,
    timelines_of,
    want,
)
from store.transaction import Transaction

Pair = tuple[int, int]  # (follower, author)

DAY_MS = 24 * 3600 * 1000
FILLED_AT_ONCE = 100  # posts of one timeline
ENDED_AT_ONCE = 20


class TimelineLimits(NamedTuple):
    """How home timelines are kept."""

    posts: int = 1000
    """That a timeline keeps at least, of more that there are."""

    slack: int = 200
    """About how many more it may come to have before they are taken out, together."""

    pushed_below: int = 10_000
    """Followers of an author up to whom his posts are pushed into their timelines."""

    rows: int = 5_000
    """That a transaction pushes, or takes out, about."""

    idle_ms: int = 30 * DAY_MS
    """After how long without his user a timeline is given up."""


class Timelines:
    """The timelines of one generation, within a transaction.

    Each holds every post above its floor of those whom its user follows, and his own, that was
    pushed and is not deleted; the floor is 0 unless there were more than `limits.posts`.
    """

    def __init__(self, tx: Transaction, generation: int, limits: TimelineLimits) -> None:
        self._tx = tx
        self._generation = generation
        self._limits = limits

    async def begin(self, seen: Mapping[int, int]) -> None:
        """Keeps timelines of users who are new, each with when he was here: there is nothing
        that would have to be filled in."""
        await begin(self._tx, self._generation, State.KEPT, seen)

    async def want(self, seen: Mapping[int, int]) -> None:
        """Users are here, each since when: who has no timeline is to get one."""
        await want(self._tx, self._generation, seen)

    async def seed(self, after: int, up_to: int, now_ms: int) -> None:
        """Users with ids after that, up to that, who were here lately are to get timelines, by
        what is known of their sessions; what there is of those that they have goes."""
        for table in ("timeline_posts", "timelines"):
            await self._tx.run(
                f"DELETE FROM {table} WHERE generation = ? AND user_id > ? AND user_id <= ?",
                (self._generation, after, up_to),
            )
        found = await self._tx.rows(
            "SELECT s.user_id, MAX(COALESCE(u.at_ms, s.created_ms)) FROM sessions s "
            "LEFT JOIN session_uses u ON u.session_id = s.id "
            "WHERE s.user_id > ? AND s.user_id <= ? AND s.revoked_ms = 0 GROUP BY s.user_id",
            (after, up_to),
        )
        await self.want(
            {user: at_ms for user, at_ms in found if at_ms >= now_ms - self._limits.idle_ms}
        )

    async def join(self, follows: Mapping[Pair, int]) -> None:
        """Puts the latest posts of authors into the timelines of those who have begun to follow
        them, each with the position of that."""
        found = await timelines_of(
            self._tx, self._generation, list({follower for follower, _ in follows})
        )
        joined = {
            pair: before
            for pair, before in follows.items()
            if pair[0] in found and found[pair[0]].state is not State.WANTED
        }
        await self._tx.run_many(
            self._tx.dialect.insert_new_from("timeline_posts", COLUMNS, _LATEST),
            [
                (
                    *(self._generation, follower, self._generation, author, before),
                    # One more than are kept: then it is known that there are more.
                    *(found[follower].floor, self._limits.posts + 1),
                )
                for (follower, author), before in joined.items()
            ],
        )
        await self.trim({follower for follower, _ in joined})

    async def leave(self, pairs: Iterable[Pair]) -> None:
        """Takes the posts of authors out of the timelines of those who follow them no more. A
        timeline that has been trimmed, and is short now, is filled anew."""
        left = dict.fromkeys(pairs)
        await self._tx.run_many(
            "DELETE FROM timeline_posts WHERE generation = ? AND user_id = ? AND author_id = ?",
            [(self._generation, *pair) for pair in left],
        )
        found = await timelines_of(self._tx, self._generation, list({user for user, _ in left}))
        trimmed = [
            user for user, one in found.items() if one.floor and one.state is not State.WANTED
        ]
        short = await self._with_at_most(trimmed, self._limits.posts // 2)
        await self._tx.run_many(
            "UPDATE timelines SET state = ?, floor = 0 WHERE generation = ? AND user_id = ?",
            [(int(State.WANTED), self._generation, user_id) for user_id in short],
        )

    async def trim(self, user_ids: Iterable[int]) -> None:
        """Takes the oldest posts out of timelines that have too many."""
        floors = await self._nth(user_ids, self._limits.posts)
        await self._tx.run_many(
            "DELETE FROM timeline_posts WHERE generation = ? AND user_id = ? AND post_id <= ?",
            [(self._generation, user_id, floor) for user_id, floor in floors.items()],
        )
        await self._tx.run_many(
            "UPDATE timelines SET floor = ? WHERE generation = ? AND user_id = ?",
            [(floor, self._generation, user_id) for user_id, floor in floors.items()],
        )

    async def _nth(self, user_ids: Iterable[int], number: int) -> dict[int, int]:
        """Of each timeline the post before which there are `number` later ones; timelines that
        have none are left out."""
        users = list(dict.fromkeys(user_ids))
        found = await self._tx.rows_many(
            [
                (
                    "SELECT post_id FROM timeline_posts WHERE generation = ? AND user_id = ? "
                    "ORDER BY post_id DESC LIMIT 1 OFFSET ?",
                    (self._generation, user_id, number),
                )
                for user_id in users
            ]
        )
        return {user: rows[0][0] for user, rows in zip(users, found, strict=True) if rows}

    async def _with_at_most(self, user_ids: Sequence[int], number: int) -> list[int]:
        longer = await self._nth(user_ids, number)
        return [user_id for user_id in user_ids if user_id not in longer]

    async def end_idle(self, now_ms: int) -> None:
        """Gives up some of the timelines whose users have not been here for long."""
        found = await self._tx.rows(
            "SELECT user_id FROM timelines WHERE generation = ? AND state = ? AND seen_ms < ? "
            "ORDER BY seen_ms LIMIT ?",
            (
                *(self._generation, int(State.KEPT), now_ms - self._limits.idle_ms),
                ENDED_AT_ONCE,
            ),
        )
        await self.end(row[0] for row in found)

    async def end(self, user_ids: Iterable[int]) -> None:
        """Gives timelines up: from now on they are read by pull."""
        users = list(user_ids)
        for table in ("timeline_posts", "timelines"):
            await self._tx.run_many(
                f"DELETE FROM {table} WHERE generation = ? AND user_id = ?",
                [(self._generation, user_id) for user_id in users],
            )

    async def unfilled(self, limit: int) -> list[int]:
        """Users whose timelines are still to be filled; first those that have been begun."""
        found = await self._tx.rows(
            "SELECT user_id FROM timelines WHERE generation = ? AND state IN (?, ?) "
            "ORDER BY state DESC LIMIT ?",
            (self._generation, int(State.FILLING), int(State.WANTED), limit),
        )
        return [row[0] for row in found]

    async def fill(self, user_ids: Sequence[int], position: int) -> None:
        """Fills a part of each of these timelines. `position`: what was published up to there has
        been pushed, or is on its way; what comes later will be."""
        if not user_ids:
            return
        found = await self._tx.rows(
            "SELECT user_id, state, floor, fill_below, filled FROM timelines "
            "WHERE generation = ? AND user_id IN " + self._tx.dialect.in_list(len(user_ids)),
            (self._generation, *user_ids),
        )
        for user_id, state, floor, fill_below, filled in found:
            if state == State.WANTED:
                fill_below, filled = position + 1, 0
            await self._fill(user_id, Timeline(State.FILLING, floor), fill_below, filled)

    async def _fill(self, user_id: int, timeline: Timeline, below: int, filled: int) -> None:
        ids = await pull_posts(self._tx, ALL_POSTS, user_id, below, FILLED_AT_ONCE, timeline.floor)
        if ids:
            pushed = _PUSHED.format(ids=self._tx.dialect.in_list(len(ids)))
            await self._tx.run(
                self._tx.dialect.insert_new_from("timeline_posts", COLUMNS, pushed),
                (self._generation, user_id, self._generation, *ids),
            )
        filled += len(ids)
        enough = len(ids) == FILLED_AT_ONCE and filled >= self._limits.posts
        state = State.KEPT if enough or len(ids) < FILLED_AT_ONCE else State.FILLING
        floor = max(timeline.floor, ids[-1] - 1) if enough else timeline.floor
        await self._tx.run(
            "UPDATE timelines SET state = ?, floor = ?, fill_below = ?, filled = ? "
            "WHERE generation = ? AND user_id = ?",
            (
                *(int(state), floor, ids[-1] if ids else below, filled),
                *(self._generation, user_id),
            ),
        )
        if enough:
            await self._tx.run(
                "DELETE FROM timeline_posts WHERE generation = ? AND user_id = ? AND post_id <= ?",
                (self._generation, user_id, floor),
            )


COLUMNS = ("generation", "user_id", "post_id", "author_id")

# What an author has published that is pushed.
_LATEST = (
    "SELECT ?, ?, p.id, p.author_id FROM posts p LEFT JOIN pulled_posts q "
    "ON q.generation = ? AND q.author_id = p.author_id AND q.post_id = p.id "
    "WHERE p.author_id = ? AND p.deleted = 0 AND p.id < ? AND p.id > ? AND q.post_id IS NULL "
    "ORDER BY p.id DESC LIMIT ?"
)
_PUSHED = (
    "SELECT ?, ?, p.id, p.author_id FROM posts p LEFT JOIN pulled_posts q "
    "ON q.generation = ? AND q.author_id = p.author_id AND q.post_id = p.id "
    "WHERE p.id IN {ids} AND q.post_id IS NULL"
)
