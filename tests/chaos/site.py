"""The servers of a run: nodes over one store, and what lies between them and it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store.mysql import address as mysql
from tests.chaos.consumed import Rows
from tests.chaos.database import Database, SqliteFile
from tests.chaos.disk import Disk, small_disk
from tests.real.mariadb import private_mariadb, url_of
from tests.real.private import private
from tests.real.process import ServerProcess, server_process
from tests.real.redis import Redis
from tests.real.workers import pids
from tests.store.mysql.relay import Relay, open_relay

FLAGS = (
    *("--calls-per-second", "100000", "--calls-burst", "100000"),
    *("--sensitive-per-minute", "100000"),
)
SQLITE = "sqlite"
OWN = "mariadb"  # the store that is a database server of the run's own
EXPECTED = frozenset({"process died"})  # errors that a fault brings about, and no bug


@dataclass(frozen=True)
class Site:
    """`rows` reads what is in the store, `place` names it to commands. `lines` lead from each node
    to the database, where there is one. `disk` is that of the nodes' folders, where it can be
    filled."""

    nodes: Sequence[ServerProcess]
    rows: Rows
    workers: int = 1
    database: Database | None = None
    lines: Sequence[Relay] = ()
    redis: Redis | None = None
    disk: Disk | None = None
    place: Sequence[str] = ()

    @property
    def media_url(self) -> str:
        """Of the node that has the blobs."""
        return f"http://127.0.0.1:{self.nodes[0].media_port}"

    @property
    def urls(self) -> list[str]:
        return [f"ws://127.0.0.1:{node.port}" for node in self.nodes]

    def signal(self, node: ServerProcess, number: signal.Signals) -> None:
        """To all the processes that the node is."""
        assert node.process is not None
        for pid in {node.process.pid, *(pids(node).values() if self.workers > 1 else ())}:
            os.kill(pid, number)

    def errors(self) -> list[dict[str, Any]]:
        """What the nodes have said that nobody may expect."""
        return [
            line
            for node in self.nodes
            for line in node.lines
            if line.get("level", "error") in ("error", "critical") and line["event"] not in EXPECTED
        ]


@asynccontextmanager
async def open_site(
    folder: Path, store: str, nodes: int, workers: int, with_redis: bool = False
) -> AsyncIterator[Site]:
    """Runs so many nodes. `store` is as `serve` takes it, of an empty database where it is one;
    or `mariadb` for a database server of one's own. The Redis between them is their own too."""
    async with AsyncExitStack() as stack:
        database = disk = None
        lines: list[Relay] = []
        if store == SQLITE:
            disk = stack.enter_context(small_disk(folder / "disk"))
            folder = folder / "disk"
        else:
            server = stack.enter_context(private_mariadb()) if store == OWN else None
            database = Database(mysql.parse(server.url if server else store), server)
            stack.push_async_callback(database.aclose)
        redis = stack.enter_context(private(Redis)) if with_redis else None
        flags = [*FLAGS, "--workers", str(workers), *(["--redis", redis.url] if redis else [])]
        opened: list[ServerProcess] = []
        for number in range(nodes):
            own = ["--store", store]
            if database is not None:
                lines.append(await stack.enter_async_context(open_relay(database.address)))
                own = ["--store", url_of(lines[-1].address)]
            node = server_process(folder / f"data{number}", *flags, *own)
            opened.append(await stack.enter_async_context(node))
            if number == 0:  # it has the blobs of all
                flags += ["--media-url", f"http://127.0.0.1:{opened[0].media_port}"]
        data = folder / "data0"
        place = ["--data", str(data), *(["--store", url_of(database.address)] if database else [])]
        rows = database.execute if database else SqliteFile(data / "sunwire.db").rows
        yield Site(opened, rows, workers, database, lines, redis, disk, place)
