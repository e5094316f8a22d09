"""Measures how soon a second server delivers what the first one has committed.

`python -m bench.tail --store mysql://… --redis redis://…` (an empty database) starts two servers
on the database, without the Redis and with it in turn, and has clients of the first send messages
to clients of both. `scripts/backends/mariadb` and `scripts/backends/redis` start what it needs,
the database synced at each commit. With `--out FILE` the table is written there too.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import trio

from realtime.bench import links as wire
from realtime.bench.links import Link, Links, encode
from realtime.bench.population import Person, furnish
from realtime.bench.run import percentile, server
from rpc.proto.chat_pb2 import SendMessageRequest
from rpc.proto.frames_pb2 import Call, ClientFrame, ServerFrame
from store.interface import Store
from store.mysql.address import parse
from store.mysql.store import MysqlStore
from store.transaction import Transaction

PAIRS = 25  # of a sender and a receiver
RATE = 500  # messages a second, evenly: each has a commit of its own, or nearly
WARM_UP = 2.0  # seconds
SECONDS = 10.0
PATIENCE = 10.0  # seconds for what is under way at the end


class Delays(NamedTuple):
    """Of every message, in milliseconds."""

    answered: list[float]  # from the sending to the answer, which tells of the commit
    there: list[float]  # from the answer to a client of the second server
    beside: list[float]  # from a client of the first server to one of the second
    commits: float  # a second


class Load:
    """Each receiver has a connection to either server."""

    def __init__(self, people: Sequence[Person], one: int, two: int) -> None:
        self._senders, receivers = people[::2], people[1::2]
        opened = [Link("127.0.0.1", one, person.token) for person in [*self._senders, *receivers]]
        opened += [Link("127.0.0.1", two, person.token) for person in receivers]
        self._number = 0
        self._sent: dict[int, float] = {}
        self._answered: dict[int, float] = {}
        self._here: dict[int, float] = {}
        self._there: dict[int, float] = {}
        self._links = Links(opened, self._arrived)

    def _send(self) -> None:
        self._number += 1
        at = self._number % PAIRS
        key = time.time_ns().to_bytes(16, "big")
        request = SendMessageRequest(
            room_id=self._senders[at].room_id, client_id=key, text=f"{self._number} ".ljust(100)
        )
        call = Call(
            id=self._number,
            method="Chat.SendMessage",
            op_key=key,
            payload=request.SerializeToString(),
        )
        self._sent[self._number] = time.perf_counter()
        self._links.send(at, encode(ClientFrame(call=call)))

    def _arrived(self, link: int, batch: bytes) -> None:
        now = time.perf_counter()
        for kind, start, end in wire.frames(batch):
            frame = ServerFrame.FromString(batch[start:end])
            if kind == wire.RESULT:
                self._answered[frame.result.id] = now
            elif kind == wire.FAILURE:
                raise wire.LinkError(f"a call failed: {frame.failure}")
            elif kind == wire.UPDATE and link >= PAIRS and frame.update.HasField("message"):
                seen = self._here if link < 2 * PAIRS else self._there
                number = int(frame.update.message.text.split(" ", 1)[0])
                if number in seen:
                    raise wire.LinkError(f"message {number} came twice")
                seen[number] = now

    def run(self, seconds: float) -> list[int]:
        """Sends for so long, and waits until everything has come; the numbers sent."""
        first = self._number + 1
        due = time.perf_counter()
        end = due + seconds
        while (now := time.perf_counter()) < end:
            while due <= now:
                self._send()
                due += 1 / RATE
            self._links.turn(max(0, due - now))
        numbers = list(range(first, self._number + 1))
        until = time.perf_counter() + PATIENCE
        while any(len(seen) < self._number for seen in (self._answered, self._here, self._there)):
            if time.perf_counter() > until:
                raise wire.LinkError("messages are missing")
            self._links.turn(0.05)
        return numbers

    def delays(self, numbers: Sequence[int], commits: float) -> Delays:
        def between(one: dict[int, float], other: dict[int, float]) -> list[float]:
            return [(other[number] - one[number]) * 1000 for number in numbers]

        return Delays(
            between(self._sent, self._answered),
            between(self._answered, self._there),
            between(self._here, self._there),
            commits,
        )

    def close(self) -> None:
        self._links.close()


async def _batches(tx: Transaction) -> int:
    return int((await tx.rows("SELECT COUNT(DISTINCT batch) FROM log"))[0][0])


class Bench:
    def __init__(self, store: str, redis: str, people: Sequence[Person]) -> None:
        self._store = store
        self._redis = redis
        self._people = people

    async def _count(self) -> int:
        store: Store = await MysqlStore.open(parse(self._store), readers=1)
        try:
            return await store.read(_batches)
        finally:
            await store.aclose()

    @contextmanager
    def _servers(self, *, redis: bool) -> Iterator[tuple[int, int]]:
        flags = ("--store", self._store, *(("--redis", self._redis) if redis else ()))
        with tempfile.TemporaryDirectory(prefix="sunwire-bench-") as folder:
            data = [Path(folder) / name for name in ("one", "two")]
            for one in data:
                one.mkdir()
            with server(data[0], -1, flags) as first, server(data[1], -1, flags) as second:
                yield first.port, second.port

    def measure(self, *, redis: bool) -> Delays:
        with self._servers(redis=redis) as ports:
            load = Load(self._people, *ports)
            load.run(WARM_UP)
            before = trio.run(self._count)
            numbers = load.run(SECONDS)
            commits = (trio.run(self._count) - before) / SECONDS
            load.close()
            return load.delays(numbers, commits)


def table(found: dict[str, list[Delays]]) -> str:
    lines = [
        "| | commits/s | answer, p50 | there, p50 | there, p99 | beside, p50 | beside, p99 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, runs in found.items():
        if not runs:
            continue
        cells = [f"{statistics.median(run.commits for run in runs):.0f}"]
        for field, share in (
            ("answered", 0.5),
            ("there", 0.5),
            ("there", 0.99),
            ("beside", 0.5),
            ("beside", 0.99),
        ):
            values = [percentile(getattr(run, field), share) for run in runs]
            least, most = min(values), max(values)
            cells.append(f"{statistics.median(values):.1f} ms ({least:.1f}–{most:.1f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


HEAD = """\
How soon a second server delivers what the first has committed: {rate} messages a second, sent by
{pairs} clients of the first to clients of both, each message a commit of its own or nearly. *There*
is the time from the sender's answer until a client of the second server has the message, *beside*
that from a client of the first server to one of the second. Medians of {times} runs of {seconds:g}
seconds (least–most), without a Redis and with it in turn. Python {python}, {cores} cores that both
servers, the database, the Redis and the clients share; the database synced at each commit.

```
python -m bench.tail --store mysql://… --redis redis://… --out bench/tail.md
```

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", required=True)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()

    async def people() -> list[Person]:
        store = await MysqlStore.open(parse(arguments.store), readers=1)
        try:
            return await furnish(store, 2 * PAIRS, "pairs")
        finally:
            await store.aclose()

    bench = Bench(arguments.store, arguments.redis, trio.run(people))
    found: dict[str, list[Delays]] = {"without a Redis": [], "with a Redis": []}
    for _ in range(arguments.times):
        for name, runs in found.items():
            runs.append(bench.measure(redis=name == "with a Redis"))
            print(table(found), flush=True)
    if arguments.out:
        head = HEAD.format(
            rate=RATE,
            pairs=PAIRS,
            times=arguments.times,
            seconds=SECONDS,
            python=platform.python_version(),
            cores=len(os.sched_getaffinity(0)),
        )
        arguments.out.write_text(head + table(found) + "\n")


if __name__ == "__main__":
    main()
