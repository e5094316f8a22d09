"""How home timelines and blocks find their rows, in tables of a size that makes a difference: by an
index, in each database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from store.interface import Store
from store.mysql.store import MysqlStore
from store.projections.base import Projection
from store.projections.counters import CountersProjection
from store.projections.fan_outs import FanOut, FanOuts
from store.projections.home import HomeProjection
from store.projections.timelines import TimelineLimits, Timelines
from store.queries.activity import DEEDS
from store.queries.blocks import blocks_around
from store.queries.pages import home
from store.queries.paging import UserList, users_page
from store.queries.pull import pull
from store.queries.timelines import ALL_POSTS, pull_posts, pulled_posts
from store.records import ActivityKind
from store.transaction import Row, Statement, Transaction, Value
from tests.contracts.backends import OpenStore
from tests.store.social import CountingTransaction, social

USERS = range(1, 201)
POSTS = range(1001, 3001)
READER = 5
BASE = ("posts", "follows", "timelines", "timeline_posts", "pulled_posts")


class Plans(CountingTransaction):
    """Keeps how each statement finds its rows, and runs it."""

    def __init__(self, tx: Transaction, mysql: bool) -> None:
        super().__init__(tx)
        self._explain = "EXPLAIN " if mysql else "EXPLAIN QUERY PLAN "
        self._mysql = mysql
        self.steps: list[str] = []

    async def _look(self, sql: str, params: Sequence[Value]) -> None:
        for row in await self._tx.rows(self._explain + sql, params):
            self.steps.append(_words(row) if self._mysql else row[3])

    async def rows(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        await self._look(sql, params)
        return await super().rows(sql, params)

    async def rows_many(self, queries: Sequence[Statement]) -> list[list[Row]]:
        return [await self.rows(*query) for query in queries]

    async def run(self, sql: str, params: Sequence[Value] = ()) -> int:
        if sql.startswith(("INSERT", "DELETE")):
            await self._look(sql, params)
        return await super().run(sql, params)

    async def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        many = list(rows)
        if many and (sql.startswith("DELETE") or "SELECT" in sql):
            await self._look(sql, many[0])
        await super().run_many(sql, many)


def _words(row: Row) -> str:
    """A line of MariaDB's, as SQLite would say it."""
    _, _, table, how, _, key, *_ = row
    if how in ("ALL", "index"):
        return f"SCAN {table}"
    return f"SEARCH {table} USING {key}"


async def _plan(tx: Transaction, mysql: bool, what: Any, *args: Any) -> list[str]:
    plans = Plans(tx, mysql)
    await what(plans, *args)
    return plans.steps


async def plan(store: Store, what: Any, *args: Any) -> list[str]:
    return await store.write(_plan, isinstance(store, MysqlStore), what, *args)


def scanned(steps: Sequence[str]) -> list[str]:
    """The tables that are read from end to end, by whatever name they have in a statement."""
    aliases = {"p", "f", "t", "q", "a", "mine", "theirs", "pulled_authors", "blocks", *BASE}
    return [one for one in steps if one.startswith("SCAN ") and one.split()[1] in aliases]


async def _fill(tx: Transaction) -> None:
    await tx.run_many(
        "INSERT INTO posts (id, author_id, text, media, created_ms, edited_ms, deleted, changed) "
        "VALUES (?, ?, 'sea', '', 0, 0, 0, 0)",
        [(post, post % len(USERS) + 1) for post in POSTS],
    )
    await tx.run_many(
        "INSERT INTO follows (follower_id, followee_id, changed) VALUES (?, ?, ?)",
        [(one, other, one * 200 + other) for one in USERS for other in USERS if one != other],
    )
    await tx.run_many(
        "INSERT INTO timeline_posts (generation, user_id, post_id, author_id) VALUES (0, ?, ?, ?)",
        [(user, post, post % len(USERS) + 1) for user in USERS[:20] for post in POSTS],
    )
    stars = [post for post in POSTS if post % len(USERS) < 10]
    await tx.run_many(
        "INSERT INTO pulled_posts (generation, author_id, post_id) VALUES (0, ?, ?)",
        [(post % len(USERS) + 1, post) for post in stars],
    )
    await tx.run_many(
        "INSERT INTO pulled_authors (generation, author_id) VALUES (0, ?)",
        [(number + 1,) for number in range(10)],
    )


async def _analyze(tx: Transaction) -> None:
    await tx.rows(f"ANALYZE TABLE {', '.join(BASE)}")


@asynccontextmanager
async def full(open_store: OpenStore) -> AsyncIterator[Store]:
    async with social(open_store, USERS) as world:
        await world.step("home")
        await world.store.write(_fill)
        if isinstance(world.store, MysqlStore):
            await world.store.write(_analyze)
        yield world.store


async def test_a_page_is_found_by_indexes(open_store: OpenStore) -> None:
    async with full(open_store) as store:
        steps = await plan(store, home, READER, 2500, 30)
        assert scanned(steps) == []
        for table in ("t", "p", "f", "q"):
            assert any(step.startswith(f"SEARCH {table} ") for step in steps), (table, steps)


@pytest.mark.parametrize("posts", [ALL_POSTS, pulled_posts(0)])
async def test_what_is_pulled_is_found_by_indexes(open_store: OpenStore, posts: Any) -> None:
    async with full(open_store) as store:
        for before in (0, 2500):
            steps = await plan(store, pull_posts, posts, READER, before, 31)
            assert scanned(steps) == []
        found = await store.read(pull_posts, posts, READER, 2500, 31)
        of_stars = [one for one in range(2499, 1000, -1) if one % len(USERS) < 10]
        assert found == (of_stars if posts is not ALL_POSTS else list(range(2499, 0, -1)))[:31]


@pytest.mark.parametrize("kind", ActivityKind)
async def test_activity_is_found_by_indexes(open_store: OpenStore, kind: ActivityKind) -> None:
    async with full(open_store) as store:
        await store.write(_act)
        for before in (0, 3500):
            steps = await plan(store, pull, DEEDS[kind], READER, before, 31)
            assert scanned(steps) == []


async def _act(tx: Transaction) -> None:
    await tx.run_many(
        "INSERT INTO likes (post_id, user_id, changed, at_ms) VALUES (?, ?, ?, 0)",
        [(post, user, post + user * 5000) for post in POSTS[:50] for user in USERS],
    )
    await tx.run_many(
        "INSERT INTO comments (id, post_id, author_id, text, reply_to, created_ms, edited_ms, "
        "deleted, changed) VALUES (?, ?, ?, '', 0, 0, 0, 0, 0)",
        [(3000 + n, POSTS[0], n % len(USERS) + 1) for n in range(5000)],
    )


async def _part(tx: Transaction, erases: bool) -> None:
    fan_outs = FanOuts(tx, 0, TimelineLimits(rows=50))
    await fan_outs.carry_on(10)
    assert [one.erases for one in await fan_outs.first(1)] == [erases]


@pytest.mark.parametrize("erases", [False, True])
async def test_a_part_of_a_fan_out_reads_its_followers_alone(
    open_store: OpenStore, erases: bool
) -> None:
    async with full(open_store) as store:
        one = FanOut(POSTS[7], POSTS[7] % len(USERS) + 1, erases, 199, 100)
        await store.write(_keep, one)
        assert scanned(await plan(store, _part, erases)) == []


async def _keep(tx: Transaction, one: FanOut) -> None:
    await FanOuts(tx, 0, TimelineLimits())._keep([one])


async def _looked_after(tx: Transaction) -> None:
    timelines = Timelines(tx, 0, TimelineLimits(posts=30))
    await timelines.trim([READER])
    await timelines.leave([(READER, 7)])
    await timelines.join({(READER, 7): 1 << 40})
    await timelines.end_idle(1 << 50)
    await timelines.unfilled(5)


async def test_a_timeline_is_looked_after_by_indexes(open_store: OpenStore) -> None:
    async with full(open_store) as store:
        assert scanned(await plan(store, _looked_after)) == []


async def _follow_list(tx: Transaction) -> None:
    await users_page(tx, UserList("follows", "followee_id", "follower_id"), 7, 5, 0, 30)


async def test_a_list_leaves_out_who_is_apart_by_an_index(open_store: OpenStore) -> None:
    async with full(open_store) as store:
        await store.write(_block_many)
        steps = await plan(store, _follow_list)
        assert scanned(steps) == []
        assert any("mine" in step for step in steps)


async def test_who_is_apart_from_somebody_is_found_by_indexes(open_store: OpenStore) -> None:
    async with full(open_store) as store:
        await store.write(_block_many)
        steps = await plan(store, blocks_around, READER)
        assert scanned(steps) == []
        assert len([step for step in steps if step.startswith("SEARCH blocks ")]) == 2
        found = await store.read(blocks_around, READER)
        assert found == {
            *((one, READER) for one in USERS if one != READER),
            *((READER, other) for other in USERS[:50] if other != READER),
        }


async def _block_many(tx: Transaction) -> None:
    await tx.run_many(
        "INSERT INTO blocks (blocker_id, blocked_id, active, changed) VALUES (?, ?, 1, ?)",
        [(one, other, one * 200 + other) for one in USERS for other in USERS[:50] if one != other],
    )


@pytest.mark.parametrize("projection", [HomeProjection(), CountersProjection()])
async def test_a_portion_of_the_state_is_found_by_indexes(
    open_store: OpenStore, projection: Projection
) -> None:
    async with full(open_store) as store:
        steps = await plan(store, projection.seed, 1, 3, 6, 0)
        assert steps
        # But the few that are counted, of those that an index has found.
        few = ("SCAN counted", "SCAN <derived2>")
        assert [step for step in steps if step.startswith("SCAN ") and step not in few] == []
