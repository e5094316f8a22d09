"""The side of a node that writes the log, as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog
import trio
from prometheus_client import CollectorRegistry, Gauge

from realtime.events import leases
from realtime.events.batcher import Batcher
from realtime.events.consumers import Consumer
from realtime.events.nodes import Registration
from realtime.events.overseer import Overseer
from realtime.events.relay import LEASE as RELAY
from realtime.events.relay import NAME as RELAY_NAME
from realtime.events.relay import LogCopy
from realtime.events.retention import Keep, Retention
from realtime.events.tail import Tail
from rpc.context import Clock
from store.commit import forget_old_marks, forget_old_ops
from store.errors import StoreError
from store.interface import Store
from store.log import Batch, Entry, Head, Kind
from store.projections.base import (
    CountsHint,
    HomeHint,
    Projection,
    VisibleProjection,
    lease_of,
)
from store.queries.codes import forget_old_codes
from store.queries.guesses import forget_old_guesses
from store.retention import LEASE as RETENTION
from store.sources import DatabaseSource, News

log = structlog.get_logger("core")

KEEP = Keep()
HOUSEKEEPING = 600.0  # seconds
LAST_COMMITS = 5.0  # seconds for what was promised, at the end


class Ledger:
    """Batcher, consumers, and what keeps the tables from silting up: one in all processes of a
    node, since one of them writes."""

    def __init__(
        self,
        store: Store,
        head: Head,
        clock: Clock,
        metrics: CollectorRegistry,
        on_commit: Callable[[Batch], None],
        on_hints: Callable[[Sequence[HomeHint | CountsHint]], None],
        on_others: Callable[[Sequence[Entry], int], None],
        copy: LogCopy | None = None,
    ) -> None:
        """`head` is that of the log with which the node begins. The others are called without
        waiting: `on_commit` after each commit and before its
        callers hear of it; `on_hints` with what live sessions may be told; `on_others` with
        what other nodes have committed, as far as it was read, and the position to which the
        log has come by it. With a `copy`
        of the log it is filled and kept up here, and the consumers and the tail read that."""
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._on_commit = on_commit
        self._on_hints = on_hints
        self._on_others = on_others
        self.batcher = Batcher(store, clock, self._committed)
        self.consumers: list[Consumer] = []
        self.leases: leases.Leases | None = None
        self.position = head.position  # how far the log is known here
        self._overseer: Overseer | None = None
        self._retention: Retention | None = None
        self._copy = copy
        self._source = copy.source if copy is not None else None
        source = self._source or DatabaseSource(store)
        self._tail = Tail(source, self._news) if store.shared else None
        self._registration = (
            Registration(store, head, lambda: self.position) if store.shared else None
        )
        gauges: Sequence[tuple[str, str, Callable[[], float]]] = (
            ("sunwire_batcher_waiting", "Changes queued.", self.batcher.waiting),
            ("sunwire_batches", "Batches committed.", lambda: self.batcher.batches),
            ("sunwire_changes", "Changes committed.", lambda: self.batcher.changes),
        )
        for name, text, value in gauges:
            Gauge(name, text, registry=metrics).set_function(value)

    def add_consumers(
        self, projections: Iterable[Projection | VisibleProjection], keep: Keep = KEEP
    ) -> None:
        """Called once. Where other nodes write to the store too, one of them runs a consumer,
        and one removes from the log what is older than it is to `keep`."""
        added = list(projections)
        if self._store.shared:
            names = [lease_of(one.name) for one in added]
            self.leases = leases.Leases(
                self._store,
                [*names, RETENTION] if self._copy is None else [*names, RETENTION, RELAY],
                lifetime=leases.LIFETIME,
                renew=leases.RENEW,
            )
        self.consumers = [
            Consumer(
                one,
                self._store,
                self.batcher,
                self._clock,
                self._on_hints,
                self.leases,
                self._source,
            )
            for one in added
        ]
        others = () if self._copy is None else (RELAY_NAME,)
        self._retention = Retention(self._store, self._clock, keep, self._metrics)
        self._overseer = Overseer(self._store, self.consumers, self._owns, self._metrics, others)

    def _owns(self, consumer: str) -> bool:
        return self.leases is None or lease_of(consumer) in self.leases.owned()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the tasks. On the way out takes no more changes, and commits those that wait."""
        async with trio.open_nursery() as nursery:
            batching = trio.Event()

            async def batch() -> None:
                try:
                    await self.batcher.run()
                finally:
                    batching.set()

            nursery.start_soon(batch)
            nursery.start_soon(self._keep_house)
            for consumer in self.consumers:
                nursery.start_soon(consumer.run)
            if self._overseer is not None:
                nursery.start_soon(self._overseer.run)
            if self.leases is not None:
                nursery.start_soon(self.leases.run)
            if self._tail is not None:
                nursery.start_soon(self._tail.run)
            if self._copy is not None:
                nursery.start_soon(self._copy.source.run, self.hinted)
                nursery.start_soon(self._copy.relay.run, self.leases or leases.SoleOwner())
            if self._retention is not None:
                nursery.start_soon(self._retention.run, self.leases or leases.SoleOwner())
            if self._registration is not None:
                nursery.start_soon(self._registration.run)
            try:
                yield
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + LAST_COMMITS):
                    self.batcher.close()
                    await batching.wait()
                nursery.cancel_scope.cancel()

    async def wait_idle(self) -> None:
        """Returns when everything committed so far has been consumed."""
        for consumer in self.consumers:
            await consumer.wait_idle()

    def hinted(self, position: int) -> None:
        """Another node says that the log reaches to `position`."""
        if self._tail is not None:
            self._tail.hinted(position)

    def expect_hints(self, come: bool) -> None:
        """Whether other nodes can say so now."""
        if self._tail is not None:
            self._tail.expect_hints(come)

    def _committed(self, batch: Batch) -> None:
        self.position = batch.head.position
        self._on_commit(batch)
        if self._copy is not None:
            # For those who read the copy it is news when it has come there.
            self._copy.relay.notice()
            return
        if self._tail is not None:
            end = batch.head.position
            self._tail.committed(end - len(batch.entries), end)
        self._wake(entry.kind for entry in batch.entries)

    def _news(self, news: News, entries: Sequence[Entry]) -> None:
        self.position = max(news.position, self.position)
        self._on_others(entries, news.position)
        self._wake(news.kinds)

    def _wake(self, kinds: Iterable[Kind]) -> None:
        found = frozenset(kinds)
        for consumer in self.consumers:
            consumer.notice(found)

    async def _keep_house(self) -> None:
        while True:
            await trio.sleep(HOUSEKEEPING)
            try:
                await self._store.write(forget_old_ops, self._clock.now_ms())
                await self._store.write(forget_old_marks, self._clock.now_ms())
                await self._store.write(forget_old_codes, self._clock.now_ms())
                await self._store.write(forget_old_guesses, self._clock.now_ms())
            except StoreError as error:  # there is a next time
                log.warning("housekeeping failed", error=str(error))
