"""Runs the projections: each entry takes effect exactly once, through kills at any instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from functools import partial

import structlog
import trio

from realtime.events.batcher import Batcher
from realtime.events.leases import Ownership, SoleOwner
from realtime.events.leftovers import wait_for_store
from realtime.events.steps import Steps
from rpc.context import Clock
from store.errors import StoreError
from store.interface import Store
from store.log import Kind
from store.projections.base import CountsHint, HomeHint, Projection, VisibleProjection, lease_of
from store.projections.consuming import Halt
from store.projections.offsets import Role, offset
from store.projections.rebuilding import sweep
from store.queries.leases import Fenced
from store.sources import Source

log = structlog.get_logger("consumers")

SWEEP = 2_000  # rows that are removed at once


class Consumer:
    """One projection with its own task, on the node that owns it: it follows the log, builds a
    generation beside it that an operator has asked for, and removes those that are not shown
    any more. `position` is how far it has taken effect there."""

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
        self.kinds = projection.kinds
        self._ownership = ownership or SoleOwner()
        self._projection = projection
        self._store = store
        self._steps = partial(Steps, projection, store, batcher, clock)
        self._on_hints = on_hints
        self._source = source
        self._wake = trio.Event()
        self._idle = trio.Event()
        self.halted: Halt = ""
        """Why it takes nothing although there may be something, since its last step."""
        self.position = 0

    def notice(self, kinds: Set[Kind]) -> None:
        """Tells of new entries of these kinds; wakes the consumer when one is of interest."""
        if not self.kinds.isdisjoint(kinds):
            self.wake()

    def wake(self) -> None:
        """Has it look: there may be something to do."""
        self._idle = trio.Event() if self._idle.is_set() else self._idle
        self._wake.set()

    async def wait_idle(self) -> None:
        """Returns when everything noticed so far has taken effect."""
        await self._idle.wait()

    async def run(self) -> None:
        while True:
            fence = await self._ownership.wait(lease_of(self.name))
            try:
                await self._consume(fence)
            except Fenced:
                # Another node took over while this one was away; it goes on from the offset.
                self._ownership.lost(lease_of(self.name))

    async def _consume(self, fence: int) -> None:
        """Goes on as long as the node owns it; raises `Fenced` when it does not any more."""
        live = self._steps(fence, source=self._source)
        building: Steps | None = None
        live.position = self.position = await self._find_place()
        while True:
            self._wake = trio.Event()
            done = await live.once()
            if done is None:
                continue
            self.position = done.position
            if done.hints:
                self._on_hints(done.hints)
            self._tell_halt(done.halted)
            more = bool(done.read) or (done.left and not done.halted)
            if not done.building:
                building = None
            elif done.halted != "paused":
                building = building or self._steps(fence, Role.BUILDING)
                more = await self._build(building) or more
            if done.leaving and not more:
                more = await self._sweep(fence)
            if not more and not self._wake.is_set():
                self._idle.set()
                await self._wake.wait()

    async def _find_place(self) -> int:
        while True:
            try:
                return await self._store.read(offset, self.name)
            except StoreError as error:
                await wait_for_store(self.name, error)

    async def _build(self, building: Steps) -> bool:
        """A step of the generation that is built; returns whether there is more to do."""
        done = await building.once()
        if done is not None and done.switched:
            log.info("consumer rebuilt", consumer=self.name, position=done.position)
        return done is None or bool(done.read) or done.switched or done.left or done.seeding

    async def _sweep(self, fence: int) -> bool:
        """Removes rows that are not shown; returns whether there may be more."""
        assert isinstance(self._projection, Projection)  # of others there is one generation
        try:
            return await self._store.write(sweep, self._projection, SWEEP, fence)
        except StoreError as error:
            await wait_for_store(self.name, error)
            return True

    def _tell_halt(self, halted: Halt) -> None:
        if halted == self.halted:
            return
        self.halted = halted
        if halted == "full":
            log.error("consumer stopped", consumer=self.name, why="too many entries set aside")
        elif halted == "left behind":
            why = "the log begins behind its offset: it has to be built anew"
            log.error("consumer stopped", consumer=self.name, why=why)
        else:
            log.info("consumer paused" if halted else "consumer goes on", consumer=self.name)
