"""Runs the projections: each entry takes effect exactly once, through kills at any instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

import structlog
import trio

from realtime.events.batcher import Batcher
from realtime.events.leases import Ownership, SoleOwner
from rpc.context import Clock
from store.errors import StoreError
from store.interface import Store
from store.log import Kind
from store.projections.base import (
    Consume,
    Consumed,
    CountsHint,
    HomeHint,
    Projection,
    VisibleProjection,
    consume,
    lease_of,
    offset,
    skip_entry,
)
from store.queries.leases import Fenced
from store.sources import Source, Stretch

log = structlog.get_logger("consumers")

STEP = 500  # entries
BACKOFF = (0.05, 0.5, 2.0)  # seconds between the attempts at an entry; then it is set aside


class Consumer:
    """One projection with its own task, on the node that owns it. `position` is how far it has
    taken effect there."""

    def __init__(
        self,
        projection: Projection | VisibleProjection,
        store: Store,
        batcher: Batcher,
        clock: Clock,
        on_hints: Callable[[Sequence[HomeHint | CountsHint]], None],
        ownership: Ownership | None = None,
        source: Source | None = None,
    ) -> None:
        """`ownership` says when this node may run it; without one there are no other nodes.
        Without a `source` each step reads the table, in its own transaction."""
        self.name = projection.name
        self._ownership = ownership or SoleOwner()
        self._fence = 0
        self._projection = projection
        self._store = store
        self._batcher = batcher
        self._clock = clock
        self._on_hints = on_hints
        self._source = source
        self._wake = trio.Event()
        self._idle = trio.Event()
        self.position = 0

    def notice(self, kinds: Set[Kind]) -> None:
        """Tells of new entries of these kinds; wakes the consumer when one is of interest."""
        if not self._projection.kinds.isdisjoint(kinds):
            self._idle = trio.Event() if self._idle.is_set() else self._idle
            self._wake.set()

    async def wait_idle(self) -> None:
        """Returns when everything noticed so far has taken effect."""
        await self._idle.wait()

    async def run(self) -> None:
        while True:
            self._fence = await self._ownership.wait(lease_of(self.name))
            try:
                await self._consume()
            except Fenced:
                # Another node took over while this one was away; it goes on from the offset.
                self._ownership.lost(lease_of(self.name))

    async def _consume(self) -> None:
        """Goes on as long as the node owns it; raises `Fenced` when it does not any more."""
        alone = 0  # entries still to be taken one by one: somewhere among them one fails
        failures = 0  # of the entry taken alone
        failure = Exception()
        await self._find_place()
        while True:
            self._wake = trio.Event()
            try:
                if failures > len(BACKOFF):
                    await self._set_aside(failure)
                    failures, alone = 0, alone - 1
                done = await self._step(1 if alone else STEP)
            except StoreError as error:
                await self._wait_for_store(error)
                continue
            except Fenced:
                raise
            except Exception as error:
                if not alone:
                    log.warning("consumer looks for what fails", consumer=self.name, exc_info=error)
                    alone = STEP
                    continue
                failures, failure = failures + 1, error
                log.error("consumer failed", consumer=self.name, attempt=failures, exc_info=error)
                if failures <= len(BACKOFF):
                    await trio.sleep(BACKOFF[failures - 1])
                continue
            failures = 0
            alone = max(0, alone - done.read) if done.read else 0
            self.position = done.position
            if done.hints:
                self._on_hints(done.hints)
            if not done.read and not self._wake.is_set():
                self._idle.set()
                await self._wake.wait()

    async def _wait_for_store(self, error: StoreError) -> None:
        log.warning("consumer waits for the store", consumer=self.name, error=str(error))
        await trio.sleep(1)

    async def _find_place(self) -> None:
        while True:
            try:
                self.position = await self._store.read(offset, self.name)
            except StoreError as error:
                await self._wait_for_store(error)
            else:
                return

    async def _step(self, limit: int) -> Consumed:
        projection, fence = self._projection, self._fence
        given: Stretch | None = None
        if self._source is not None:
            given = await self._source.read(self.position, limit, projection.kinds)
        if isinstance(projection, VisibleProjection):
            change = Consume(projection=projection, limit=limit, fence=fence, given=given)
            return await self._batcher.submit(change).wait()
        now_ms = self._clock.now_ms()
        return await self._store.write(consume, projection, limit, now_ms, fence, given)

    async def _set_aside(self, error: Exception) -> None:
        position = await self._store.write(
            skip_entry,
            self.name,
            self.position,
            self._projection.kinds,
            repr(error),
            self._clock.now_ms(),
            self._fence,
        )
        if position:
            log.error("entry set aside", consumer=self.name, position=position)
        self.position = position or await self._store.read(offset, self.name)
