"""A batcher at work over a gated store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from realtime.clock import TrioClock
from realtime.events.batcher import Batcher, PendingChange
from store.log import Batch
from tests.store.gated import GatedStore, open_gated
from tests.store.notes import Note


@dataclass
class Batching:
    """What `batching` gives. Whatever is submitted through it is awaited by a task of its own,
    which keeps the outcome."""

    store: GatedStore
    nursery: trio.Nursery
    batcher: Batcher
    committed: list[Batch]
    on_commit: list[Callable[[], None]]
    outcomes: dict[int, Any] = field(default_factory=dict)  # subject -> result or error
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    stopped: trio.Event = field(default_factory=trio.Event)

    def submit(self, change: Note) -> PendingChange[int]:
        pending = self.batcher.submit(change)
        self.nursery.start_soon(self._wait, change.subject, pending)
        return pending

    def submit_all(self, *subjects: int, broken: tuple[int, ...] = ()) -> list[PendingChange[int]]:
        return [self.submit(Note(subject=one, broken=one in broken)) for one in subjects]

    async def _wait(self, subject: int, pending: PendingChange[int]) -> None:
        try:
            self.outcomes[subject] = await pending.wait()
        except Exception as error:
            self.outcomes[subject] = error

    async def occupy(self, subject: int = 0) -> PendingChange[int]:
        """Holds the store in a commit, so that what is submitted next has to wait."""
        self.store.hold("committed")
        pending = self.submit(Note(subject=subject))
        await self.store.wait_held("committed")
        return pending

    async def settle(self) -> None:
        """Lets the store go on, and returns when everything is over."""
        self.store.release_all()
        await trio.sleep(60)  # of the virtual clock: more than all the retries together

    def sizes(self) -> list[int]:
        """How many changes each commit was asked for."""
        return [len(changes) for changes in self.store.batches]


@asynccontextmanager
async def batching(**options: int) -> AsyncIterator[Batching]:
    store = await open_gated()
    committed: list[Batch] = []
    on_commit: list[Callable[[], None]] = []

    def take(batch: Batch) -> None:
        committed.append(batch)
        for call in on_commit:
            call()

    batcher = Batcher(store, TrioClock(), take, **options)
    async with trio.open_nursery() as nursery:
        kit = Batching(store, nursery, batcher, committed, on_commit)

        async def run() -> None:
            with kit.scope:
                try:
                    await batcher.run()
                finally:
                    kit.stopped.set()

        nursery.start_soon(run)
        try:
            yield kit
        finally:
            store.release_all()
            batcher.close()
