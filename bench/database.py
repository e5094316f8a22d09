"""Measures the log on a database, from tasks in one process: no sockets, no clients.

`python -m bench.database --store mysql://…` (an empty database) or `--store sqlite`;
`scripts/backends/mariadb start FOLDER` starts a MariaDB that syncs at each commit. Each figure
is the median of `--times` runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import trio

from realtime.clock import SystemClock
from realtime.events.batcher import Batcher
from realtime.events.tail import Tail
from store.changes.base import Change
from store.changes.messages import SendMessage
from store.changes.rooms import CreateGroup
from store.errors import DomainError
from store.interface import Store
from store.log import Entry, Kind, Stream, WriteTransaction
from store.mysql.address import parse
from store.mysql.store import MysqlStore
from store.projections.consuming import consume
from store.projections.counters import CountersProjection
from store.sources import DatabaseSource, News
from store.sqlite import SqliteStore
from store.transaction import Transaction

USERS = 200
IN_FLIGHT = 5  # messages of a room on their way
SECONDS = 4.0
MANY = 100_000  # entries that a consumer catches up with


class Append(Change[int], frozen=True, kw_only=True):
    """An entry and nothing else: a like, whose row nobody keeps."""

    RESULT: ClassVar[type[int]] = int

    user_id: int
    post_id: int

    @classmethod
    async def apply(cls, tx: WriteTransaction, changes: Sequence[Self]) -> list[int | DomainError]:
        await tx.open_streams(Stream.user(change.user_id) for change in changes)
        outcomes: list[int | DomainError] = []
        for change in changes:
            stream = Stream.user(change.user_id)
            entry = await tx.append(
                Kind.POST_LIKED, stream, actor_id=change.user_id, subject_id=change.post_id
            )
            outcomes.append(entry.position)
        return outcomes


@asynccontextmanager
async def batching(store: Store) -> AsyncIterator[Batcher]:
    batcher = Batcher(store, SystemClock(), lambda batch: None, max_batch=5_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        yield batcher
        batcher.close()


async def appending(store: Store, at_once: int) -> float:
    """Entries a second, from `USERS` producers that hand over so many and await them together."""
    done = 0
    end = trio.current_time() + SECONDS

    async def produce(batcher: Batcher, user: int) -> None:
        nonlocal done
        while trio.current_time() < end:
            pending = [batcher.submit(Append(user_id=user, post_id=n)) for n in range(at_once)]
            for one in pending:
                await one.wait()
            done += at_once

    started = time.perf_counter()
    async with batching(store) as batcher, trio.open_nursery() as nursery:
        for user in range(1, USERS + 1):
            nursery.start_soon(produce, batcher, user)
    return done / (time.perf_counter() - started)


async def sending(store: Store, rooms: Sequence[int], rate: float = 0) -> tuple[float, list[float]]:
    """Messages a second, and how long each took (milliseconds); with `rate` so many are begun a
    second, else the next is begun when one is answered."""
    took: list[float] = []
    senders = len(rooms) * IN_FLIGHT
    started = time.perf_counter()
    end = trio.current_time() + SECONDS

    async def send(batcher: Batcher, number: int) -> None:
        message = 0
        if rate:
            await trio.sleep(number / rate)  # not all at once
        while trio.current_time() < end:
            message += 1
            began = time.perf_counter()
            key = time.perf_counter_ns().to_bytes(8, "big") + number.to_bytes(8, "big")
            change = SendMessage(
                sender_id=number % USERS + 1,
                room_id=rooms[number % len(rooms)],
                client_id=key,
                text=f"message {message} of a length that people write",
            )
            await batcher.submit(change).wait()
            took.append((time.perf_counter() - began) * 1000)
            if rate:
                await trio.sleep(max(0, senders / rate - (time.perf_counter() - began)))

    async with batching(store) as batcher, trio.open_nursery() as nursery:
        for number in range(senders):
            nursery.start_soon(send, batcher, number)
    return len(took) / (time.perf_counter() - started), sorted(took)


async def tailing(store: Store, other: Store, per_second: float) -> list[float]:
    """Milliseconds after a commit at one node until another knows of it."""
    committed: dict[int, float] = {}
    delays: list[float] = []

    def heard(news: News, entries: Sequence[Entry]) -> None:
        now = time.perf_counter()
        for position in [one for one in committed if one <= news.position]:
            delays.append((now - committed.pop(position)) * 1000)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Tail(DatabaseSource(other), heard).run)
        await trio.sleep(0.2)
        end = trio.current_time() + SECONDS
        while trio.current_time() < end:
            batch = await store.commit([Append(user_id=1, post_id=1)], 0)
            committed[batch.head.position] = time.perf_counter()
            await trio.sleep(1 / per_second)
        await trio.sleep(0.2)
        nursery.cancel_scope.cancel()
    return sorted(delays)


async def catching_up(store: Store) -> float:
    """Entries a second that the counters take."""
    for start in range(0, MANY, 5_000):
        changes = [Append(user_id=n % USERS + 1, post_id=n % 1000) for n in range(5_000)]
        await store.commit(changes, start)
    await store.write(_forget_offset)
    read, started = 0, time.perf_counter()
    while (done := await store.write(consume, CountersProjection(), 5_000, 0)).read:
        read += done.read
    return read / (time.perf_counter() - started)


async def _forget_offset(tx: Transaction) -> None:
    await tx.run("DELETE FROM offsets WHERE consumer = ?", ("counters",))


async def _people(tx: Transaction) -> None:
    await tx.run_many(
        "INSERT INTO users (id, username, username_key, name, about, avatar_id, password, "
        "created_ms, changed) VALUES (?, ?, ?, ?, '', '', '', 0, 0)",
        [(n, f"user{n}", f"user{n}", f"User {n}") for n in range(1, USERS + 1)],
    )
    await tx.run("UPDATE log_head SET position = 1000")


async def furnish(store: Store) -> list[int]:
    """Everybody is in each of the rooms that are returned."""
    await store.migrate()
    await store.write(_people)
    everybody = tuple(range(1, USERS + 1))
    changes = [CreateGroup(user_id=1, title="room", user_ids=everybody) for _ in range(USERS)]
    rooms: list[int] = []
    for change in changes:
        rooms += (await store.commit([change], 0)).outcomes
    return rooms


def share(values: Sequence[float], part: float) -> float:
    return values[min(len(values) - 1, int(len(values) * part))]


async def measure(name: str, times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:

        async def connect() -> Store:
            if name == "sqlite":
                return SqliteStore.open(Path(folder) / "bench.db")
            return await MysqlStore.open(parse(name), readers=3)

        store, other = await connect(), await connect()
        rooms = await furnish(store)

        async def median(what: str, run: Callable[[], Awaitable[Any]], unit: str) -> float:
            found = [await run() for _ in range(times)]
            middle: float = statistics.median(found)
            print(f"| {what} | {middle:,.0f} {unit} | {min(found):,.0f}–{max(found):,.0f} |")
            return middle

        print("| measure | median | least–most |\n|---|---|---|")
        await median("entries, 50 awaited together", partial(appending, store, 50), "/s")
        await median("entries, one awaited", partial(appending, store, 1), "/s")

        async def throughput() -> float:
            return (await sending(store, rooms))[0]

        rate = await median("SendMessage", throughput, "/s")
        at_half = [(await sending(store, rooms, rate / 2))[1] for _ in range(times)]
        for part, title in ((0.5, "p50"), (0.99, "p99")):
            found = [share(one, part) for one in at_half]
            print(
                f"| SendMessage at half of that, {title} | {statistics.median(found):.3g} ms "
                f"| {min(found):.3g}–{max(found):.3g} |"
            )
        if name != "sqlite":
            delays = [await tailing(store, other, 500) for _ in range(times)]
            for part, title in ((0.5, "p50"), (0.99, "p99")):
                found = [share(one, part) for one in delays]
                print(
                    f"| another node knows of a commit, at 500 a second, {title} "
                    f"| {statistics.median(found):.3g} ms | {min(found):.3g}–{max(found):.3g} |"
                )
        await median("counters catch up", partial(catching_up, store), "entries/s")
        for one in (store, other):
            await one.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    trio.run(measure, arguments.store, arguments.times)


if __name__ == "__main__":
    main()
