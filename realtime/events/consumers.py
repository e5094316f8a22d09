"""Runs the projections: each entry takes effect exactly once, through kills at any instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
import trio

from realtime.events.batcher import Batcher
from rpc.context import Clock
from store.errors import StoreError
from store.interface import Store
from store.log import Entry
from store.projections.base import (
    Consume,
    Consumed,
    CountsHint,
    HomeHint,
    Projection,
    VisibleProjection,
    consume,
    skip_entry,
)

log = structlog.get_logger("consumers")

STEP = 500  # entries
BACKOFF = (0.05, 0.5, 2.0)  # seconds; then the entry is set aside


class Consumer:
    """One projection with its own task. `position` is how far it has taken effect."""

    def __init__(
        self,
        projection: Projection | VisibleProjection,
        store: Store,
        batcher: Batcher,
        clock: Clock,
        on_hints: Callable[[Sequence[HomeHint | CountsHint]], None],
    ) -> None:
        self.name = projection.name
        self._projection = projection
        self._store = store
        self._batcher = batcher
        self._clock = clock
        self._on_hints = on_hints
        self._wake = trio.Event()
        self._idle = trio.Event()
        self.position = 0

    def notice(self, entries: Sequence[Entry]) -> None:
        """Tells of new entries; wakes the consumer when one of them is of interest."""
        kinds = self._projection.kinds
        if any(entry.kind in kinds for entry in entries):
            self._idle = trio.Event() if self._idle.is_set() else self._idle
            self._wake.set()

    async def wait_idle(self) -> None:
        """Returns when everything noticed so far has taken effect."""
        await self._idle.wait()

    async def run(self) -> None:
        failures = 0
        while True:
            self._wake = trio.Event()
            try:
                done = await self._step(1 if failures else STEP)
            except StoreError as error:
                log.warning("consumer waits for the store", consumer=self.name, error=str(error))
                await trio.sleep(1)
                continue
            except Exception as error:
                log.error("consumer failed", consumer=self.name, attempt=failures, exc_info=error)
                if failures == len(BACKOFF):
                    await self._set_aside(error)
                    failures = 0
                else:
                    await trio.sleep(BACKOFF[failures])
                    failures += 1
                continue
            failures = 0
            self.position = done.position
            if done.hints:
                self._on_hints(done.hints)
            if not done.read and not self._wake.is_set():
                self._idle.set()
                await self._wake.wait()

    async def _step(self, limit: int) -> Consumed:
        projection = self._projection
        if isinstance(projection, VisibleProjection):
            change = Consume(projection=projection, limit=limit)
            return await self._batcher.submit(change).wait()
        return await self._store.write(consume, projection, limit, self._clock.now_ms())

    async def _set_aside(self, error: Exception) -> None:
        position = await self._store.write(
            skip_entry, self.name, self._projection.kinds, repr(error), self._clock.now_ms()
        )
        log.error("entry set aside", consumer=self.name, position=position)
