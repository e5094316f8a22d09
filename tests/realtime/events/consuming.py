"""A consumer at work over a gated store, with projections that write down what they see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from realtime.clock import TrioClock
from realtime.events.batcher import Batcher
from realtime.events.consumers import Consumer
from store.log import Batch, Entry, Kind, Stream, WriteTransaction
from store.projections.base import CountsHint, Hint, HomeHint, Projection, VisibleProjection
from store.sources import Source
from store.transaction import Row, Transaction, Value
from tests.store.gated import GatedStore, open_gated
from tests.store.notes import Note

KINDS = frozenset({Kind.PROFILE_CHANGED, Kind.FOLLOWED})
OTHER = Kind.POST_LIKED
ECHO = 100  # what a visible projection appends is about a subject this much higher


ALWAYS = float("inf")


class Fault:
    """Fails on entries about some subjects, so many times each; notes when it did."""

    def __init__(self, times: dict[int, float] | None = None) -> None:
        self.left = times or {}
        self.failed_at: list[float] = []

    def meet(self, entry: Entry) -> None:
        left = self.left.get(entry.subject_id, 0)
        if left:
            self.left[entry.subject_id] = left - 1
            self.failed_at.append(trio.current_time())
            raise ValueError(f"cannot take in {entry.subject_id}")


async def _keep(tx: Transaction, entry: Entry) -> None:
    await tx.run("INSERT INTO kept (subject) VALUES (?)", (entry.subject_id,))


def _key(entry: Entry) -> str:
    return str(entry.subject_id)


class Keeping(Projection):
    """Keeps a row for each entry, in their order, with no key that would forgive a second."""

    name = "keeping"
    kinds = KINDS
    key = staticmethod(_key)

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        for entry in entries:
            assert entry.kind in self.kinds
            await _keep(tx, entry)
            self.fault.meet(entry)
        return [HomeHint(author_id=entry.actor_id, post_id=entry.subject_id) for entry in entries]


class Echoing(VisibleProjection):
    """The same, and it appends an entry of another kind for each."""

    name = "echoing"
    kinds = KINDS
    key = staticmethod(_key)

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    async def project(self, tx: WriteTransaction, entries: Sequence[Entry]) -> list[Hint]:
        for entry in entries:
            await _keep(tx, entry)
            await tx.append(
                OTHER, Stream.user(9), actor_id=entry.actor_id, subject_id=entry.subject_id + ECHO
            )
            self.fault.meet(entry)
        return [HomeHint(author_id=entry.actor_id, post_id=entry.subject_id) for entry in entries]


PROJECTIONS = (Keeping, Echoing)


async def _rows(tx: Transaction, sql: str, *params: Value) -> list[Row]:
    return await tx.rows(sql, params)


async def _run(tx: Transaction, sql: str) -> None:
    await tx.run(sql)


@dataclass
class Consuming:
    """What `consuming` gives. `start` runs a consumer, `stop` ends it where it is."""

    store: GatedStore
    batcher: Batcher
    nursery: trio.Nursery
    projection: Projection | VisibleProjection
    fault: Fault
    hints: list[HomeHint | CountsHint] = field(default_factory=list)
    consumer: Consumer | None = None
    _scope: trio.CancelScope | None = None

    async def note(self, *subjects: int, kind: Kind = Kind.PROFILE_CHANGED) -> None:
        """Commits entries, one commit for them all."""
        pending = [self.batcher.submit(Note(subject=one, kind=kind)) for one in subjects]
        for one in pending:
            await one.wait()

    def start(self, source: Source | None = None) -> Consumer:
        consumer = Consumer(
            self.projection,
            self.store,
            self.batcher,
            TrioClock(),
            self.hints.extend,
            source=source,
        )
        self.consumer, scope = consumer, trio.CancelScope()
        self._scope = scope

        async def run() -> None:
            with scope:
                await consumer.run()

        self.nursery.start_soon(run)
        return consumer

    def stop(self) -> None:
        assert self._scope is not None
        self._scope.cancel()
        self.consumer = None

    def committed(self, batch: Batch) -> None:
        if self.consumer is not None:
            self.consumer.notice({entry.kind for entry in batch.entries})

    async def kept(self) -> list[int]:
        rows = await self.store.inner.read(_rows, "SELECT subject FROM kept ORDER BY rowid")
        return [row[0] for row in rows]

    async def offset(self) -> int:
        rows = await self.store.inner.read(
            _rows, "SELECT position FROM offsets WHERE consumer = ?", self.projection.name
        )
        return int(rows[0][0]) if rows else 0

    async def dead_letters(self) -> list[Row]:
        return await self.store.inner.read(
            _rows, "SELECT consumer, position, error, at_ms FROM set_aside ORDER BY position"
        )


@asynccontextmanager
async def consuming(
    make: type[Keeping] | type[Echoing], fault: Fault | None = None
) -> AsyncIterator[Consuming]:
    store = await open_gated()
    await store.inner.write(_run, "CREATE TABLE kept (subject INTEGER NOT NULL)")
    fault = fault or Fault()
    kits: list[Consuming] = []
    batcher = Batcher(store, TrioClock(), lambda batch: kits[0].committed(batch))
    async with trio.open_nursery() as nursery:
        kits.append(Consuming(store, batcher, nursery, make(fault), fault))
        nursery.start_soon(batcher.run)
        try:
            yield kits[0]
        finally:
            store.release_all()
            batcher.close()
            nursery.cancel_scope.cancel()


def told(hints: Sequence[Any]) -> list[int]:
    return [hint.post_id for hint in hints]
