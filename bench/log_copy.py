"""Measures the copy of the log in Kafka beside the table: filling it, reading it, following it.

`python -m bench.log_copy --store mysql://… --kafka HOST:PORT`, with an empty database;
`scripts/backends/mariadb start FOLDER` and `scripts/backends/kafka start FOLDER` start both. What
is compared is measured in turns, and each figure is the median of `--times` runs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio
from confluent_kafka.admin import AdminClient
from trio.from_thread import check_cancelled

from bench.database import SECONDS, Append, share
from realtime.clock import SystemClock
from realtime.events.leases import SoleOwner
from realtime.events.relay import Relay
from realtime.events.tail import Tail
from realtime.logs import configure
from store.interface import Store
from store.kafka.address import Address, parse
from store.kafka.source import KafkaSource
from store.kafka.topic import TopicReader, TopicWriter, client_config
from store.log import Entry, read_head
from store.mysql import address as mysql
from store.mysql.store import MysqlStore
from store.projections.consuming import consume
from store.projections.counters import CountersProjection
from store.sources import DatabaseSource, News, Source
from store.transaction import Transaction

MANY = 200_000  # entries
STEP = 500  # entries that a consumer takes at once, as at work
PER_SECOND = 500  # commits, to be followed
READERS = (1, 4)  # who read the whole log at the same time


class Copy:
    """A topic of its own, filled and read."""

    def __init__(self, store: Store, address: Address) -> None:
        topic = address.topic_of(time.time_ns())
        self.relay = Relay(
            store, SystemClock(), partial(TopicWriter, address, topic, check_cancelled)
        )
        self.source = KafkaSource(store, partial(TopicReader, address, topic, check_cancelled))
        self._address, self._topic = address, topic

    @asynccontextmanager
    async def filling(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.relay.run, SoleOwner())
            yield
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def following(
        self, on_more: Callable[[int], None] = lambda _: None
    ) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.source.run, on_more)
            await self.caught_up(MANY)
            yield
            nursery.cancel_scope.cancel()

    async def caught_up(self, position: int) -> None:
        while self.source.position < position:  # noqa: ASYNC110
            await trio.sleep(0.01)

    def drop(self) -> None:
        admin = AdminClient(client_config(self._address))
        admin.delete_topics([self._topic])[self._topic].result()


async def fill(store: Store) -> None:
    for start in range(0, MANY, 5_000):
        changes = [Append(user_id=n % 200 + 1, post_id=n % 1000) for n in range(5_000)]
        await store.commit(changes, start)


async def copying(copy: Copy) -> float:
    """Entries a second that the relay copies, its start included."""
    began = time.perf_counter()
    async with copy.filling():
        while copy.relay.position < MANY:  # noqa: ASYNC110
            await trio.sleep(0.005)
    return MANY / (time.perf_counter() - began)


async def reading(source: Source, readers: int) -> float:
    """Entries a second that each of some readers reads, who begin at the start together."""

    async def read() -> None:
        after = 0
        while after < MANY:
            after = (await source.read(after, STEP)).reached

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(readers):
            nursery.start_soon(read)
    return MANY / (time.perf_counter() - began)


async def consuming(store: Store, source: Source | None) -> float:
    """Entries a second that the counters take, from a source or, as without one, in their own
    transaction."""
    await store.write(_forget_offset)
    projection, position = CountersProjection(), 0
    began = time.perf_counter()
    while position < MANY:
        given = None
        if source is not None:
            given = await source.read(position, STEP, projection.kinds)
        position = (await store.write(consume, projection, STEP, 0, 0, given)).position
    return MANY / (time.perf_counter() - began)


async def _forget_offset(tx: Transaction) -> None:
    await tx.run("DELETE FROM offsets WHERE consumer = ?", ("counters",))


async def commits(store: Store, committed: dict[int, float]) -> None:
    """So many a second; notes when each was made."""
    end = trio.current_time() + SECONDS
    while trio.current_time() < end:
        batch = await store.commit([Append(user_id=1, post_id=1)], 0)
        committed[batch.head.position] = time.perf_counter()
        await trio.sleep(1 / PER_SECOND)
    await trio.sleep(0.5)


async def hearing(store: Store, copy: Copy | None) -> list[float]:
    """Milliseconds after a commit until another node knows of it: from the copy, where its relay
    only polls, or from the table."""
    committed: dict[int, float] = {}
    delays: list[float] = []

    def heard(news: News, entries: Sequence[Entry]) -> None:
        now = time.perf_counter()
        for position in [one for one in committed if one <= news.position]:
            delays.append((now - committed.pop(position)) * 1000)

    if copy is None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Tail(DatabaseSource(store), heard).run)
            await commits(store, committed)
            nursery.cancel_scope.cancel()
        return sorted(delays)
    tail = Tail(copy.source, heard)
    async with copy.filling(), copy.following(tail.hinted), trio.open_nursery() as nursery:
        await copy.caught_up((await store.read(read_head)).position)
        nursery.start_soon(tail.run)
        await commits(store, committed)
        nursery.cancel_scope.cancel()
    return sorted(delays)


def show(what: str, unit: str, *columns: Sequence[float]) -> None:
    cells = [
        f"{statistics.median(one):,.3g} ({min(one):,.3g}–{max(one):,.3g}) {unit}"
        if unit == "ms"
        else f"{statistics.median(one):,.0f} ({min(one):,.0f}–{max(one):,.0f}) {unit}"
        for one in columns
    ]
    print(f"| {what} | {' | '.join(cells)} |", flush=True)


async def in_turns(times: int, *runs: Callable[[], Awaitable[float]]) -> tuple[list[float], ...]:
    found: tuple[list[float], ...] = tuple([] for _ in runs)
    for _ in range(times):
        for run, results in zip(runs, found, strict=True):
            results.append(await run())
    return found


async def measure(url: str, broker: str, times: int) -> None:
    store = await MysqlStore.open(mysql.parse(url), readers=5)
    await store.migrate()
    if (await store.read(read_head)).position:
        raise SystemExit("the database is not empty")
    await fill(store)
    copies = [Copy(store, parse(f"kafka://{broker}/sunwire_bench")) for _ in range(times)]
    print("| measure | table | Kafka |\n|---|---|---|")
    show("the relay copies the log", "entries/s |", [await copying(one) for one in copies])
    copy = copies[0]
    table = DatabaseSource(store)
    async with copy.following():
        for readers in READERS:
            found = await in_turns(
                times, partial(reading, table, readers), partial(reading, copy.source, readers)
            )
            show(f"{readers} read it from the start, each", "entries/s", *found)
        found = await in_turns(
            times, partial(consuming, store, None), partial(consuming, store, copy.source)
        )
        show("counters catch up", "entries/s", *found)
        if copy.source.counts.from_table:
            raise SystemExit("what was to be read from Kafka came from the table")
    delays = [(await hearing(store, None), await hearing(store, one)) for one in copies]
    for part, title in ((0.5, "p50"), (0.99, "p99")):
        columns = [[share(both[side], part) for both in delays] for side in (0, 1)]
        show(f"another node knows of a commit, at {PER_SECOND} a second, {title}", "ms", *columns)
    for one in copies:
        one.drop()
    await store.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    configure("warning", "console")
    trio.run(measure, arguments.store, arguments.kafka, arguments.times)


if __name__ == "__main__":
    main()
