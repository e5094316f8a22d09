"""Measures home timelines: how fast an author's posts come to 10,000 followers, and what a page
costs, from one process.

`python -m bench.home --store mysql://…` (an empty database) or `--store sqlite`;
`scripts/backends/mariadb start FOLDER` starts a MariaDB that syncs at each commit. Each figure is
the median of `--times` runs.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import trio

from store.changes.posts import CreatePost
from store.interface import Store
from store.mysql.address import parse
from store.mysql.store import MysqlStore
from store.projections.consuming import carry_on, consume
from store.projections.home import HomeProjection
from store.projections.timelines import TimelineLimits
from store.queries.pages import home
from store.queries.timelines import State, begin
from store.sqlite import SqliteStore
from store.transaction import Transaction

FOLLOWERS = 10_000
POSTS = 30  # of a run
AUTHOR, STAR, READER = 1, 2, 3
FIRST = 1000  # id of the first follower
FILLED_AT_ONCE = 200  # timelines
FOLLOWED = 1000  # by the reader who is measured


async def _furnish(tx: Transaction) -> None:
    """Followers with timelines, who follow the author and the star; a reader who follows many."""
    followers = range(FIRST, FIRST + FOLLOWERS)
    began = random.Random(1).sample(followers, FOLLOWERS)  # to follow, in another order
    await tx.run_many(
        "INSERT INTO users (id, username, username_key, name, about, avatar_id, password, "
        "created_ms, changed) VALUES (?, ?, ?, ?, '', '', '', 0, 0)",
        [(n, f"u{n}", f"u{n}", f"User {n}") for n in (AUTHOR, STAR, READER, *followers)],
    )
    await begin(tx, 0, State.KEPT, dict.fromkeys((AUTHOR, STAR, READER, *followers), 0))
    follows = [(one, AUTHOR, 100_000 + place) for place, one in enumerate(began)]
    follows += [(one, STAR, 200_000 + place) for place, one in enumerate((*began, READER))]
    follows += [(READER, one, 300_000 + one) for one in followers[:FOLLOWED]]
    await tx.run_many(
        "INSERT INTO follows (follower_id, followee_id, changed, at_ms) VALUES (?, ?, ?, 0)",
        follows,
    )
    await tx.run("UPDATE log_head SET position = 1000000")


async def _fill(tx: Transaction, first: int) -> None:
    """Gives timelines as many posts as they have when all have been pushed into for long."""
    limits = TimelineLimits()
    await tx.run(
        "INSERT INTO timeline_posts (generation, user_id, post_id, author_id) "
        "SELECT 0, u.id, post.id, ? FROM users u "  # any numbers will do as posts of old
        "JOIN users post ON post.id >= ? AND post.id < ? + u.id % ? WHERE u.id >= ? AND u.id < ?",
        (STAR, FIRST, FIRST + limits.posts, limits.slack, first, first + FILLED_AT_ONCE),
    )


async def publish(store: Store, authors: Iterable[int]) -> None:
    changes = [CreatePost(author_id=author, text="sea") for author in authors]
    await store.commit(changes, 0)


async def consumed(store: Store, projection: HomeProjection) -> float:
    """Takes what has been published; returns the seconds."""
    started = time.perf_counter()
    while (done := await store.write(consume, projection, projection.step, 0)).read or done.left:
        if done.left:
            await store.write(carry_on, projection)
    return time.perf_counter() - started


async def pushing(store: Store, projection: HomeProjection) -> float:
    """Rows a second, pushed into the timelines of the author's followers."""
    await publish(store, [AUTHOR] * POSTS)
    return POSTS * (FOLLOWERS + 1) / await consumed(store, projection)


async def paging(store: Store, before: int = 0) -> float:
    """Milliseconds that the reader's page takes."""
    started = time.perf_counter()
    for _ in range(20):
        await store.read(home, READER, before, 30)
    return (time.perf_counter() - started) / 20 * 1000


async def measure(name: str, times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store: Store
        if name == "sqlite":
            store = SqliteStore.open(Path(folder) / "bench.db")
        else:
            store = await MysqlStore.open(parse(name), readers=3)
        await store.migrate()
        await store.write(_furnish)

        async def median(what: str, run: Callable[[], Awaitable[float]], unit: str) -> None:
            found = [await run() for _ in range(times)]
            form = ",.0f" if unit.endswith("/s") else ".2f"
            middle = statistics.median(found)
            print(f"| {what} | {middle:{form}} {unit} | {min(found):{form}}–{max(found):{form}} |")

        print("| measure | median | least–most |\n|---|---|---|")
        pushed = HomeProjection(TimelineLimits(pushed_below=FOLLOWERS))
        await median("pushed into 10,000 timelines", lambda: pushing(store, pushed), "rows/s")
        for first in range(FIRST, FIRST + FOLLOWERS, FILLED_AT_ONCE):
            await store.write(_fill, first)
        await median(
            "into full ones, and as many taken out", lambda: pushing(store, pushed), "rows/s"
        )
        await publish(store, range(FIRST, FIRST + FOLLOWED))
        await consumed(store, pushed)
        await median("a page of 30, 1,000 followed, pushed", lambda: paging(store), "ms")
        pulled = HomeProjection(TimelineLimits(pushed_below=FOLLOWERS - 1))
        await publish(store, [STAR] * 100)
        await consumed(store, pulled)
        await median("the same, with one author who is pulled", lambda: paging(store), "ms")
        await store.write(_forget_reader)
        await median("the same after long: all are pulled", lambda: paging(store), "ms")
        await store.aclose()


async def _forget_reader(tx: Transaction) -> None:
    for table in ("timelines", "timeline_posts"):
        await tx.run(f"DELETE FROM {table} WHERE user_id = ?", (READER,))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    trio.run(measure, arguments.store, arguments.times)


if __name__ == "__main__":
    main()
