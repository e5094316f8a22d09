"""The side of a node that writes the log, as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog
import trio
from prometheus_client import CollectorRegistry, Gauge

from realtime.events.batcher import Batcher
from realtime.events.consumers import Consumer
from rpc.context import Clock
from store.commit import forget_old_marks, forget_old_ops
from store.errors import StoreError
from store.interface import Store
from store.log import Batch
from store.projections.base import CountsHint, HomeHint, Projection, VisibleProjection
from store.queries.codes import forget_old_codes
from store.queries.guesses import forget_old_guesses

log = structlog.get_logger("core")

HOUSEKEEPING = 600.0  # seconds
LAST_COMMITS = 5.0  # seconds for what was promised, at the end


class Ledger:
    """Batcher, consumers, and what keeps the tables from silting up: one in all processes of a
    node, since one of them writes."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        metrics: CollectorRegistry,
        on_commit: Callable[[Batch], None],
        on_hints: Callable[[Sequence[HomeHint | CountsHint]], None],
    ) -> None:
        """Both are called without waiting: `on_commit` after each commit and before its
        callers hear of it, `on_hints` with what live sessions may be told."""
        self._store = store
        self._clock = clock
        self._on_commit = on_commit
        self._on_hints = on_hints
        self.batcher = Batcher(store, clock, self._committed)
        self.consumers: list[Consumer] = []
        gauges: Sequence[tuple[str, str, Callable[[], float]]] = (
            ("sunwire_batcher_waiting", "Changes queued.", self.batcher.waiting),
            ("sunwire_batches", "Batches committed.", lambda: self.batcher.batches),
            ("sunwire_changes", "Changes committed.", lambda: self.batcher.changes),
        )
        for name, text, value in gauges:
            Gauge(name, text, registry=metrics).set_function(value)

    def add_consumers(self, projections: Iterable[Projection | VisibleProjection]) -> None:
        self.consumers += [
            Consumer(projection, self._store, self.batcher, self._clock, self._on_hints)
            for projection in projections
        ]

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

    def _committed(self, batch: Batch) -> None:
        self._on_commit(batch)
        for consumer in self.consumers:
            consumer.notice(batch.entries)

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
