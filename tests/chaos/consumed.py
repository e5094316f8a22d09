"""Compares the tables with the log: the rows that changes wrote, and those of the consumers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import trio

from store.log import ENTRY_COLUMNS
from store.projections.notification_tables import KEPT
from store.projections.offsets import shown
from tests.chaos.facts import Facts, Group, Line

Rows = Callable[[str], Awaitable[list[tuple[Any, ...]]]]

CONSUMED = 30.0  # seconds for consumers to follow, another owner included
LOOK_EVERY = 0.1
MOST_SHOWN = 5  # differences of a table
LATEST = 2  # of what is seen of a group: the position of its latest deed


class Consumed:
    """Goes on in the log from check to check; tables are compared as a whole."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._facts = Facts()
        self.notifications: dict[int, set[int]] = {}  # ids by user, as last found

    async def check(self) -> None:
        """Returns once every table is what follows from the log: consumers are given some time.
        Raises `AssertionError`."""
        await self._read_log()
        differences = await self._differences()
        with trio.move_on_after(CONSUMED):
            while differences:
                await trio.sleep(LOOK_EVERY)
                await self._read_log()
                differences = await self._differences()
        assert not differences, differences
        dead = await self._rows("SELECT consumer, position, error FROM set_aside")
        assert not dead, dead

    async def _read_log(self) -> None:
        for row in await self._rows(
            f"SELECT {ENTRY_COLUMNS} FROM log WHERE position > {self._facts.position} "
            "ORDER BY position"
        ):
            self._facts.take(Line(*row))

    async def _differences(self) -> list[str]:
        facts, rows = self._facts, self._rows
        messages = await rows("SELECT id FROM messages")
        posts = await rows("SELECT id, author_id FROM posts WHERE deleted = 0")
        likes = await rows("SELECT post_id, user_id, changed FROM likes")
        comments = await rows(
            "SELECT id, post_id, author_id, reply_to FROM comments WHERE deleted = 0"
        )
        follows = await rows("SELECT follower_id, followee_id, changed FROM follows")
        live = f"WHERE generation = {shown('counters')}"
        post_counts = await rows(f"SELECT post_id, likes, comments FROM post_counts {live}")
        user_counts = await rows(
            f"SELECT user_id, posts, followers, followings FROM user_counts {live}"
        )
        comment_counts = await rows(f"SELECT comment_id, replies FROM comment_counts {live}")
        homes = f"WHERE generation = {shown('home')}"
        timelines = await rows(f"SELECT user_id, floor FROM timelines {homes} AND state = 2")
        answered = {row[0]: row[3] for row in comments if row[3]}
        pairs: dict[str, tuple[set[Any], set[Any]]] = {
            "messages": ({row[0] for row in messages}, facts.messages),
            "posts": (set(posts), set(facts.posts.items())),
            "likes": (
                set(likes),
                {(*key, done.position) for key, done in facts.likes.items()},
            ),
            "comments": (
                {row[:3] for row in comments},
                {(key, one.post_id, one.author_id) for key, one in facts.comments.items()},
            ),
            "follows": (
                set(follows),
                {(*key, done.position) for key, done in facts.follows.items()},
            ),
            "home": (
                set(await rows(f"SELECT user_id, post_id, author_id FROM timeline_posts {homes}")),
                facts.home(dict(timelines)),
            ),
            "timelines": (
                {row[0] for row in timelines},
                {row[0] for row in await rows("SELECT id FROM users")},
            ),
            "fan_outs": (set(await rows(f"SELECT post_id FROM fan_outs {homes}")), set()),
            "post_counts": (
                {row for row in post_counts if any(row[1:])},
                {(key, *counts) for key, counts in facts.post_counts().items()},
            ),
            "comment_counts": (
                {row for row in comment_counts if row[1]},
                set(Counter(answered.values()).items()),
            ),
            "user_counts": (
                {row for row in user_counts if any(row[1:])},
                {(key, *counts) for key, counts in facts.user_counts().items()},
            ),
            "notifications": await self._notifications(answered),
            "notified": (set().union(*self.notifications.values()), facts.notified),
        }
        return [line for name, (found, due) in pairs.items() for line in _unlike(name, found, due)]

    async def _notifications(self, answered: dict[int, int]) -> tuple[set[Any], set[Any]]:
        found = await self._rows(
            "SELECT id, user_id, kind, post_id, about_id, closed, actors, recent, latest, "
            "latest_ms, comment_id FROM notification_groups"
        )
        self.notifications = {}
        for row in found:
            self.notifications.setdefault(row[1], set()).add(row[0])
        groups = [(Group(*row[1:6]), row[6:]) for row in found]
        assert len(dict(groups)) == len(groups), "a group has two notifications"
        due = list(self._facts.groups(answered).items())
        crowded = self._facts.crowded
        pair = [{one for one in some if one[0].user_id not in crowded} for some in (groups, due)]
        for user_id in crowded:
            for some, newest in zip((groups, due), pair, strict=True):
                newest |= _newest([one for one in some if one[0].user_id == user_id])
        return pair[0], pair[1]


def _newest(groups: list[tuple[Group, tuple[Any, ...]]]) -> set[Any]:
    """Which they are, and their latest deed. Of whoever had too many the oldest have gone, at
    moments that the log leaves open, and what befell them later began others."""
    groups.sort(key=lambda one: one[1][LATEST], reverse=True)
    return {(one, face[LATEST]) for one, face in groups[: KEPT * 4 // 5]}


def _unlike(name: str, found: set[Any], due: set[Any]) -> Iterator[str]:
    for what, rows in (("too much", found - due), ("missing", due - found)):
        if rows:
            yield f"{name}: {len(rows)} {what}, such as {sorted(rows)[:MOST_SHOWN]}"
