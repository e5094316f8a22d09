"""Posts on their way into the timelines of followers, and out of them again when they are
deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from store.projections.timelines import COLUMNS, TimelineLimits, Timelines
from store.transaction import Transaction

LISTED = 500  # ids in a statement


class FanOut(NamedTuple):
    """A row: what is left to do of a post."""

    post_id: int
    author_id: int
    erases: bool
    followers: int
    after: int


class FanOuts:
    """Those of one generation, within a transaction. What fits into one is done at once; the
    rest has a row each that says how far it has come, moved with what it has done."""

    def __init__(self, tx: Transaction, generation: int, limits: TimelineLimits) -> None:
        self._tx = tx
        self._generation = generation
        self._limits = limits
        self._room = limits.rows

    async def publish(self, posts: Mapping[int, int]) -> list[int]:
        """Begins to bring posts, each with its author, to their readers. Returns those that are
        there now: pushed into all timelines, or to be pulled from now on."""
        followers = await self._followers(posts.values())
        small: list[int] = []
        pulled: list[int] = []
        left: list[FanOut] = []
        for post_id, author_id in posts.items():
            count = followers[author_id]
            if count > self._limits.pushed_below:
                pulled.append(post_id)
            elif count <= self._room:
                self._room -= count
                small.append(post_id)
            else:
                left.append(FanOut(post_id, author_id, False, count, 0))
        await self._pull({post_id: posts[post_id] for post_id in pulled})
        await self._push(small)
        await self._keep(left)
        return [*small, *pulled]

    async def seed(self, after: int, up_to: int) -> None:
        """Lets all posts of authors with ids after that, up to that, be pulled who have so many
        followers, and no others: no timeline is filled before all have had their turn."""
        for table in ("pulled_posts", "pulled_authors"):
            await self._tx.run(
                f"DELETE FROM {table} WHERE generation = ? AND author_id > ? AND author_id <= ?",
                (self._generation, after, up_to),
            )
        found = await self._tx.rows(
            "SELECT DISTINCT followee_id FROM follows WHERE followee_id > ? AND followee_id <= ?",
            (after, up_to),
        )
        counted = await self._followers(row[0] for row in found)
        for author_id, followers in counted.items():
            if followers > self._limits.pushed_below:
                posts = await self._tx.rows(
                    "SELECT id FROM posts WHERE author_id = ? AND deleted = 0", (author_id,)
                )
                await self._pull({row[0]: author_id for row in posts})

    async def erase(self, posts: Mapping[int, int]) -> None:
        """Begins to take deleted posts out, each with its author."""
        await self._tx.run_many(
            "DELETE FROM pulled_posts WHERE generation = ? AND author_id = ? AND post_id = ?",
            [(self._generation, author_id, post_id) for post_id, author_id in posts.items()],
        )
        followers = await self._followers(posts.values())
        await self._keep(
            [
                FanOut(post_id, author_id, True, followers[author_id], 0)
                for post_id, author_id in posts.items()
            ]
        )

    async def first(self, limit: int) -> list[FanOut]:
        """The oldest rows."""
        found = await self._tx.rows(
            "SELECT post_id, author_id, erases, followers, after FROM fan_outs "
            "WHERE generation = ? ORDER BY post_id LIMIT ?",
            (self._generation, limit),
        )
        return [FanOut(row[0], row[1], bool(row[2]), row[3], row[4]) for row in found]

    async def carry_on(self, limit: int) -> list[int]:
        """Does a part of what is left, of so many rows at most: the small ones among the oldest,
        together, and a part of the oldest of the others. Returns the posts that are in all
        timelines now."""
        done: list[FanOut] = []
        large: FanOut | None = None
        for one in await self.first(limit):
            if one.erases or one.after or one.followers > self._limits.rows // 2:
                large = large or one
            elif one.followers <= self._room:
                self._room -= one.followers
                done.append(one)
        await self._push([one.post_id for one in done])
        if large is not None and await self._go_on(large):
            done.append(large)
        await self._drop(done)
        return [one.post_id for one in done if not one.erases]

    async def give_up(self) -> int:
        """Drops the oldest row. Returns the post, whose id is the position of the entry that has
        published it; 0: there is none, or it was a deletion, whose rows nobody is shown."""
        found = await self.first(1)
        await self._drop(found)
        return next((one.post_id for one in found if not one.erases), 0)

    async def _drop(self, fan_outs: Sequence[FanOut]) -> None:
        await self._tx.run_many(
            "DELETE FROM fan_outs WHERE generation = ? AND post_id = ?",
            [(self._generation, one.post_id) for one in fan_outs],
        )

    async def _followers(self, authors: Iterable[int]) -> dict[int, int]:
        """How many each has; more than decide are not counted."""
        wanted = list(dict.fromkeys(authors))
        counted = await self._tx.rows_many(
            [
                (
                    "SELECT COUNT(*) FROM "
                    "(SELECT 1 FROM follows WHERE followee_id = ? LIMIT ?) counted",
                    (author_id, self._limits.pushed_below + 1),
                )
                for author_id in wanted
            ]
        )
        return {author: rows[0][0] for author, rows in zip(wanted, counted, strict=True)}

    async def _keep(self, fan_outs: Sequence[FanOut]) -> None:
        await self._tx.run_many(
            self._tx.dialect.upsert(
                "fan_outs",
                ("generation", "post_id"),
                ("author_id", "erases", "followers", "after"),
            ),
            [
                (
                    self._generation,
                    one.post_id,
                    one.author_id,
                    int(one.erases),
                    one.followers,
                    one.after,
                )
                for one in fan_outs
            ],
        )

    async def _pull(self, posts: Mapping[int, int]) -> None:
        insert = self._tx.dialect.insert_new
        await self._tx.run_many(
            insert("pulled_posts", ("generation", "author_id", "post_id")),
            [(self._generation, author_id, post_id) for post_id, author_id in posts.items()],
        )
        await self._tx.run_many(
            insert("pulled_authors", ("generation", "author_id")),
            [(self._generation, author_id) for author_id in dict.fromkeys(posts.values())],
        )

    async def _push(self, posts: Sequence[int]) -> None:
        """Pushes posts to all followers of their authors, and to the authors."""
        for start in range(0, len(posts), LISTED):
            ids = posts[start : start + LISTED]
            among = f"p.id IN {self._tx.dialect.in_list(len(ids))}"
            for readers in (_AUTHORS, _FOLLOWERS):
                await self._push_to(readers, among, ids)

    async def _push_to(self, readers: _Readers, which: str, params: Sequence[int]) -> None:
        """Pushes the posts `p` of that condition, and looks after every `slack`th timeline that
        they go into. Which those are is another with each post: so a timeline is looked at once
        for about so many posts."""
        insert = (
            f"SELECT t.generation, t.user_id, p.id, p.author_id FROM posts p {readers.join} "
            f"JOIN timelines t ON t.generation = ? AND t.user_id = {readers.id} "
            f"AND t.state > 0 AND t.floor < p.id WHERE p.deleted = 0 AND {which} "
            f"ORDER BY {readers.id}, p.id"  # as the rows lie: a page is come to once
        )
        await self._tx.run(
            self._tx.dialect.insert_new_from("timeline_posts", COLUMNS, insert),
            (self._generation, *params),
        )
        due = await self._tx.rows(
            f"SELECT {readers.id} FROM posts p {readers.join} "
            f"WHERE ({readers.id} + p.id) % ? = 0 AND {which}",
            (self._limits.slack, *params),
        )
        timelines = Timelines(self._tx, self._generation, self._limits)
        await timelines.trim(row[0] for row in due)

    async def _go_on(self, one: FanOut) -> bool:
        """Serves the next followers; returns whether they were the last."""
        bound = await self._tx.rows(
            "SELECT changed FROM follows WHERE followee_id = ? AND changed > ? "
            "ORDER BY changed LIMIT 1 OFFSET ?",
            (one.author_id, one.after, self._limits.rows - 1),
        )
        up_to = bound[0][0] if bound else (1 << 63) - 1
        if one.erases:
            await self._erase(one, up_to)
        else:
            if not one.after:
                await self._push_to(_AUTHORS, "p.id = ?", [one.post_id])
            some = "p.id = ? AND f.changed > ? AND f.changed <= ?"
            await self._push_to(_FOLLOWERS, some, [one.post_id, one.after, up_to])
        if bound:
            await self._keep([one._replace(after=up_to)])
        return not bound

    async def _erase(self, one: FanOut, up_to: int) -> None:
        rows = await self._tx.rows(
            "SELECT follower_id FROM follows WHERE followee_id = ? AND changed > ? "
            "AND changed <= ?",
            (one.author_id, one.after, up_to),
        )
        readers = [one.author_id, *(row[0] for row in rows)]
        for start in range(0, len(readers), LISTED):
            few = readers[start : start + LISTED]
            await self._tx.run(
                "DELETE FROM timeline_posts WHERE generation = ? AND post_id = ? AND user_id IN "
                + self._tx.dialect.in_list(len(few)),
                (self._generation, one.post_id, *few),
            )


class _Readers(NamedTuple):
    """Into whose timelines posts `p` go."""

    id: str
    join: str


# A post goes to those who follow since before it; who came later finds it by his own follow. So
# each row has one cause, however late the entries are read.
_FOLLOWERS = _Readers(
    "f.follower_id", "JOIN follows f ON f.followee_id = p.author_id AND f.changed < p.id"
)
_AUTHORS = _Readers("p.author_id", "")
