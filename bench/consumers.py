"""Measures how fast the counters catch up with a log that is long already, and how fast their rows
are built anew beside those that are shown: as a server runs them, from tasks in one process.

`python -m bench.consumers --store mysql://…` (an empty database) or `--store sqlite`;
`scripts/backends/mariadb start FOLDER` starts a MariaDB that syncs at each commit. Each figure is
the median of `--times` runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import trio

from bench.loads import batching
from realtime.clock import SystemClock
from realtime.events.batcher import Batcher
from realtime.events.consumers import Consumer
from realtime.logs import configure
from store.changes.likes import SetLike
from store.interface import Store
from store.log import ENTRY_COLUMNS, Kind
from store.mysql.address import parse
from store.mysql.store import MysqlStore
from store.projections.counters import CountersProjection
from store.projections.rebuilding import start_rebuild, sweep
from store.sqlite import SqliteStore
from store.transaction import Row, Transaction, Value

USERS = 10_000
POSTS = 20_000
PORTION = 10_000  # rows that are written at once while the log is made

KINDS = (
    *[Kind.POST_LIKED] * 14,
    *[Kind.COMMENT_ADDED] * 2,
    *[Kind.FOLLOWED] * 2,
    Kind.POST_UNLIKED,
    Kind.UNFOLLOWED,
)
"""Of every twenty entries."""


def entry(random: Random, position: int) -> list[Value]:
    """A row of the log. A few posts and users have most of what there is."""
    actor = 1 + int(USERS * random.random() ** 2)
    post = 1 + int(POSTS * random.random() ** 3)
    kind = KINDS[position % len(KINDS)]
    subject, other = post, 0
    if kind is Kind.COMMENT_ADDED:
        subject, other = position, post
    elif kind in (Kind.FOLLOWED, Kind.UNFOLLOWED):
        subject = 1 + int(USERS * random.random() ** 3)
    return [position, 0, str(kind), "u", actor, position, actor, subject, other, b"\0" * 16]


async def furnish(store: Store, entries: int) -> None:
    """Posts, and a log that nobody has read."""
    await store.migrate()
    random = Random(1)
    await store.write(
        _many,
        "INSERT INTO posts (id, author_id, text, media, created_ms, edited_ms, deleted, changed) "
        "VALUES (?, ?, 'sea', '', 0, 0, 0, 0)",
        [[post, 1 + post % USERS] for post in range(1, POSTS + 1)],
    )
    insert = f"INSERT INTO log ({ENTRY_COLUMNS}, batch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    first = POSTS + 1
    for start in range(first, first + entries, PORTION):
        stop = min(start + PORTION, first + entries)
        rows = [entry(random, position) for position in range(start, stop)]
        await store.write(_many, insert, rows)
    await store.write(_run, f"UPDATE log_head SET position = {first + entries - 1}")


async def _many(tx: Transaction, sql: str, rows: list[list[Value]]) -> None:
    await tx.run_many(sql, rows)


async def _run(tx: Transaction, sql: str) -> None:
    await tx.run(sql)


async def _rows(tx: Transaction, sql: str) -> list[Row]:
    return await tx.rows(sql)


@asynccontextmanager
async def consuming(store: Store, batcher: Batcher) -> AsyncIterator[Consumer]:
    """The counters at work."""
    consumer = Consumer(
        CountersProjection(), store, batcher, SystemClock(), on_hints=lambda hints: None
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(consumer.run)
        yield consumer
        nursery.cancel_scope.cancel()


async def catching_up(store: Store, entries: int) -> float:
    """Entries a second, from nothing."""
    for table in ("offsets", "post_counts", "user_counts"):
        await store.write(_run, f"DELETE FROM {table}")
    async with batching(store) as batcher:
        started = time.perf_counter()
        async with consuming(store, batcher) as consumer:
            await consumer.wait_idle()
        return entries / (time.perf_counter() - started)


async def rebuilding(store: Store, entries: int) -> tuple[float, float, float]:
    """Entries a second, while one like follows the other; how many likes a second that were, and
    the longest that it took until one was counted in what is shown, in milliseconds."""
    async with batching(store) as batcher, consuming(store, batcher) as consumer:
        await consumer.wait_idle()
        generation = await store.write(start_rebuild, CountersProjection(), 0)
        consumer.wake()
        started = time.perf_counter()
        number, slowest = 0, 0.0
        while not await _is_shown(store, generation):
            number += 1
            begun = time.perf_counter()
            change = SetLike(user_id=_newcomer(generation, number), post_id=number, liked=True)
            liked = await batcher.submit(change).wait()
            consumer.wake()
            while consumer.position < liked.changed:
                if await _is_shown(store, generation):
                    break  # from here on the position is that of the new rows
            slowest = max(slowest, time.perf_counter() - begun)
        took = time.perf_counter() - started
    while await store.write(sweep, CountersProjection(), 20_000):
        pass
    return entries / took, number / took, slowest * 1000


def _newcomer(generation: int, number: int) -> int:
    """Somebody who has liked nothing yet."""
    return USERS + generation * POSTS + number


async def _is_shown(store: Store, generation: int) -> bool:
    found = await store.read(
        _rows, "SELECT generation FROM offsets WHERE consumer = 'counters' AND role = 0"
    )
    return found == [(generation,)]


async def measure(name: str, entries: int, times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store: Store = (
            SqliteStore.open(Path(folder) / "bench.db")
            if name == "sqlite"
            else await MysqlStore.open(parse(name), readers=3)
        )
        await furnish(store, entries)

        def tell(what: str, found: list[float], unit: str) -> None:
            middle = statistics.median(found)
            print(f"| {what} | {middle:,.0f} {unit} | {min(found):,.0f}–{max(found):,.0f} |")

        print("| measure | median | least–most |\n|---|---|---|")
        found = [await catching_up(store, entries) for _ in range(times)]
        tell("counters catch up", found, "entries/s")
        built = [await rebuilding(store, entries) for _ in range(times)]
        tell("counters are built anew, beside likes", [one[0] for one in built], "entries/s")
        tell("those likes, one after the other", [one[1] for one in built], "/s")
        tell("until one is counted, at most", [one[2] for one in built], "ms")
        await store.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    configure("error", "console")
    trio.run(measure, arguments.store, arguments.entries, arguments.times)


if __name__ == "__main__":
    main()
