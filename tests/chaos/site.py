"""The servers of a run, and what befalls them."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import trio

from realtime.events.leases import LIFETIME, RENEW
from tests.real.mariadb import Mariadb, private_mariadb
from tests.real.process import ServerProcess, server_process
from tests.real.workers import kill, pids, wait_up

FLAGS = ("--calls-per-second", "100000", "--calls-burst", "100000")
OWN = "mariadb"  # the store that is a database server of the run's own
FENCED = LIFETIME + RENEW + 1  # seconds after which another node has a stopped one's leases

Mend = Callable[[], Awaitable[None]]


class Site:
    """Nodes over one store. Where the database server is the run's own, it is struck too."""

    def __init__(self, nodes: list[ServerProcess], workers: int, database: Mariadb | None) -> None:
        self.nodes = nodes
        self._workers = workers
        self._database = database

    @property
    def media_url(self) -> str:
        """Of the node that has the blobs."""
        return f"http://127.0.0.1:{self.nodes[0].media_port}"

    def urls(self, first: int) -> list[str]:
        """Every node's, beginning with one of them."""
        count = len(self.nodes)
        return [f"ws://127.0.0.1:{self.nodes[(first + n) % count].port}" for n in range(count)]

    def errors(self) -> list[dict[str, Any]]:
        """What the nodes have said that nobody may expect."""
        return [
            line
            for node in self.nodes
            for line in node.lines
            if line.get("level", "error") == "error" and line["event"] != "process died"
        ]

    async def strike(self, schedule: Random) -> tuple[str, Mend]:
        """Something happens. Returns what, and what makes it good."""
        kinds: list[tuple[str, Callable[[Random], Awaitable[Mend]], int]] = [
            ("node killed", self._kill_node, 6)
        ]
        if len(self.nodes) > 1:
            kinds.append(("all nodes killed", self._kill_all, 2))
            kinds.append(("node stopped past its leases", self._stop_node, 1))
        if self._database is not None:
            kinds.append(("database killed", self._kill_database, 4))
            kinds.append(("database stopped", self._stop_database, 1))
        if len(kinds) > 1:
            chosen = schedule.choices(kinds, [weight for _, _, weight in kinds])[0]
        else:
            chosen = kinds[0]
        return chosen[0], await chosen[1](schedule)

    async def _kill_node(self, schedule: Random) -> Mend:
        node = schedule.choice(self.nodes) if len(self.nodes) > 1 else self.nodes[0]
        if self._workers > 1:
            name = schedule.choice(["all", *sorted(pids(node))])
            if name != "all":
                kill(node, name)

                async def wait() -> None:
                    await wait_up(node, name)

                return wait
        await node.kill()
        return node.start

    async def _kill_all(self, schedule: Random) -> Mend:
        for node in self.nodes:
            await node.kill()

        async def start() -> None:
            async with trio.open_nursery() as nursery:
                for node in self.nodes:
                    nursery.start_soon(node.start)

        return start

    async def _stop_node(self, schedule: Random) -> Mend:
        node = schedule.choice(self.nodes)
        processes = [*pids(node).values()] if self._workers > 1 else []
        assert node.process is not None
        processes.append(node.process.pid)
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)

        async def go_on() -> None:
            await trio.sleep(FENCED)
            for pid in processes:
                os.kill(pid, signal.SIGCONT)

        return go_on

    async def _kill_database(self, schedule: Random) -> Mend:
        database = self._database
        assert database is not None
        database.signal(signal.SIGKILL)

        async def start() -> None:
            await trio.to_thread.run_sync(database.start)

        return start

    async def _stop_database(self, schedule: Random) -> Mend:
        database = self._database
        assert database is not None
        database.signal(signal.SIGSTOP)
        pause = schedule.uniform(0.5, 4)

        async def go_on() -> None:
            await trio.sleep(pause)
            database.signal(signal.SIGCONT)

        return go_on


@asynccontextmanager
async def open_site(folder: Path, store: str, nodes: int, workers: int) -> AsyncIterator[Site]:
    """Runs so many nodes. `store` is as `serve` takes it, of an empty database where it is one;
    or `mariadb` for a database server of one's own."""
    database = None
    async with AsyncExitStack() as stack:
        if store == OWN:
            database = stack.enter_context(private_mariadb())
            store = database.url
        flags = [*FLAGS, "--store", store, "--workers", str(workers)]
        opened: list[ServerProcess] = []
        for number in range(nodes):
            node = server_process(folder / f"data{number}", *flags)
            opened.append(await stack.enter_async_context(node))
            if number == 0:  # it has the blobs of all
                flags += ["--media-url", f"http://127.0.0.1:{opened[0].media_port}"]
        yield Site(opened, workers, database)
