"""A server of several processes in one: a writer and workers in memory, with the real services.

What a process would have of its own each has, but for the database, which they share as they
would share the file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from prometheus_client import CollectorRegistry

from media.urls import Signer
from realtime.clock import TrioClock
from realtime.cluster.front import WorkerFront
from realtime.core import CoreLimits
from realtime.events.ledger import Ledger
from realtime.fitting import Fittings, fit_out, load_keys, load_or_make_keys, projections
from realtime.link.link import Link
from realtime.link.switchboard import Switchboard
from realtime.redis import Connect, others_of
from realtime.testing import TestClient
from realtime.testing.server import QuickHasher, RememberingSender, TestServer
from realtime.testing.streams import socket_pair
from rpc.registry import methods
from rpc.views import Views
from store.log import Batch, read_head
from tests.store.gated import GatedStore, open_gated

PATIENCE = 30.0


class Worker:
    """One worker process: `server` opens connections to it."""

    def __init__(self, front: WorkerFront, server: TestServer, scope: trio.CancelScope) -> None:
        self.front = front
        self.server = server
        self.scope = scope

    def kill(self) -> None:
        self.scope.cancel()


class TestCluster:
    __test__ = False

    def __init__(
        self, store: GatedStore, nursery: trio.Nursery, connect: Connect | None = None
    ) -> None:
        self.store = store
        self._connect = connect
        self.sender = RememberingSender()
        self.workers: list[Worker] = []
        self.ledger: Ledger
        self.switchboard: Switchboard
        self._nursery = nursery
        self._writing: trio.Nursery | None = None

    # The writer

    async def start_writer(self) -> None:
        await self._nursery.start(self._write)

    async def _write(self, task_status: trio.TaskStatus[None]) -> None:
        clock = TrioClock()
        head = await self.store.inner.read(read_head)

        def committed(batch: Batch) -> None:
            self.switchboard.committed(batch)

        def hint(hints: Any) -> None:
            self.switchboard.hint(hints)

        def reached(entries: Any, position: int) -> None:
            self.switchboard.reached(position, entries)

        self.ledger = Ledger(self.store, head, clock, CollectorRegistry(), committed, hint, reached)
        self.ledger.add_consumers(projections())
        others = await others_of(self._connect, self.store.inner, head, CollectorRegistry())
        async with trio.open_nursery() as nursery:
            board = Switchboard(self.store, self.ledger.batcher, clock, head, nursery, others)
            self.switchboard = board
            others.attach(board, self.ledger)
            nursery.start_soon(board.presence.run)
            self._writing = nursery
            async with others.running(), self.ledger.running():
                task_status.started()
                await trio.sleep_forever()

    def kill_writer(self) -> None:
        assert self._writing is not None
        self._writing.cancel_scope.cancel()
        self._writing = None

    async def _dial(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if self._writing is None:
            raise ConnectionRefusedError("nobody writes")
        ours, theirs = socket_pair()
        self._writing.start_soon(self.switchboard.handle, theirs)
        return ours

    # The workers

    async def start_worker(self) -> Worker:
        worker: Worker = await self._nursery.start(self._work, str(len(self.workers) + 1))
        self.workers.append(worker)
        return worker

    async def _work(self, name: str, task_status: trio.TaskStatus[Worker]) -> None:
        fittings = Fittings(clock=TrioClock(), sender=self.sender, hasher=QuickHasher())
        reads = self.store.inner
        keys = await load_keys(reads)
        urls = Signer([keys.media], fittings.media_base)
        metrics = CollectorRegistry()
        link = Link(name, self._dial, metrics)
        front = WorkerFront(
            reads,
            link,
            fittings.clock,
            Views(urls),
            await reads.read(read_head),
            CoreLimits(),
            metrics,
        )
        fit_out(front, fittings, keys, urls, f"test (worker {name})")
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(link.run)
                async with front.running(grace=1.0), trio.open_nursery() as connections:
                    core: Any = front
                    server = TestServer(
                        core, self.sender, methods(), connections, PATIENCE, sockets=False
                    )
                    task_status.started(Worker(front, server, scope))
                    try:
                        await trio.sleep_forever()
                    finally:
                        connections.cancel_scope.cancel()

    async def settled(self) -> None:
        """Returns when everything committed so far has been consumed and delivered by all."""
        await self.ledger.wait_idle()
        head = await self.store.inner.read(read_head)
        for worker in self.workers:
            if not worker.scope.cancel_called:
                await worker.front.delivery.wait_for(head.position)

    async def sign_up(self, name: str, worker: int) -> TestClient:
        return await self.workers[worker].server.sign_up(name)

    async def another(self, client: TestClient, worker: int) -> TestClient:
        """A second device of the same session, at a worker."""
        return await self.workers[worker].server.connect(client.token)

    async def move(self, client: TestClient, worker: int) -> None:
        """The client's connection breaks, and the next is to this worker."""
        await client.disconnect()
        client._dial = self.workers[worker].server._dial
        await client.connect(resume=True)
        await client.expect("caught_up")


@asynccontextmanager
async def open_test_cluster(
    workers: int = 2, *, store: GatedStore | None = None, connect: Connect | None = None
) -> AsyncIterator[TestCluster]:
    """`connect` is the way to other servers on the store."""
    store = store or await open_gated()
    await load_or_make_keys(store.inner)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        cluster = TestCluster(store, nursery, connect)
        await cluster.start_writer()
        for _ in range(workers):
            await cluster.start_worker()
        try:
            yield cluster
        except Exception as error:  # raised below, outside the nursery
            failure = error
        store.release_all()
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
