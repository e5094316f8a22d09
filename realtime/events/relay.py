"""Copies the log to where many read it: one node at a time, each entry once and in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import structlog
import trio

from realtime.events.leases import Ownership
from realtime.events.tail import QUICK, SLOW, SLOWER
from rpc.context import Clock
from store.errors import Incompatible, StoreError
from store.interface import Store
from store.kafka.source import check_same
from store.log import Entry, read_head
from store.projections.base import lease_of
from store.projections.offsets import lock_places, move, offset
from store.queries.leases import Fenced, check_fence
from store.sources import Source, read_stretch
from store.transaction import Transaction

log = structlog.get_logger("relay")

NAME = "relay"  # among the consumers: what it has not copied yet stays in the table
LEASE = lease_of(NAME)
PORTION = 2_000  # entries in one transaction
NOTE = 1.0  # seconds between two notes of how far it has come
RETRY = 1.0  # seconds after the store or the copy failed
REST = 10.0  # seconds after the copy was found to be that of another log


class Writer(Protocol):
    """Appends to the copy, in a thread: see `store.kafka.topic.TopicWriter`."""

    last: Entry | None
    emptied: bool

    def append(self, entries: Sequence[Entry]) -> None: ...
    def close(self) -> None: ...


class LiveSource(Source, Protocol):
    """A source that is kept up by a task, `run`, which tells how far it has come."""

    async def run(self, on_more: Callable[[int], None]) -> None: ...


class Relay:
    """Copies what has been committed, within some hundredths of a second.

    Where it goes on is what the copy itself ends with: whatever becomes of a process, a lost
    answer included, the next one asks the copy. An owner that stood still until another took
    over is refused by the copy (`Fenced`), so nothing comes twice.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        open_writer: Callable[[], Writer],
        in_thread: Any = trio.to_thread.run_sync,
    ) -> None:
        self._store = store
        self._clock = clock
        self._open_writer = open_writer
        self._in_thread = in_thread
        self._wake = trio.Event()
        self.copied = 0  # entries, by this node
        self.position = 0  # how far this node has copied, as long as it does
        self.lag = 0  # entries that it had to copy at its last look

    def notice(self) -> None:
        """There are new entries."""
        self._wake.set()

    async def run(self, ownership: Ownership) -> None:
        while True:
            fence = await ownership.wait(LEASE)
            try:
                await self._copy(fence)
            except Fenced:
                ownership.lost(LEASE)
            except Incompatible as error:
                log.error("the log is not copied", error=str(error))
                await trio.sleep(REST)
            except StoreError as error:
                log.warning("the log is not copied", error=str(error))
            self.lag = 0
            await trio.sleep(RETRY)

    async def _copy(self, fence: int) -> None:
        """Goes on as long as this node may; raises `Fenced` when it may not any more."""
        # Who opens the copy shuts everybody else out: not by who has lost the lease already.
        await self._store.write(check_fence, LEASE, fence)
        writer: Writer = await self._in_thread(self._open_writer)
        try:
            if writer.last is not None:
                await check_same(self._store, writer.last)
            await self._go_on(writer, fence)
        finally:
            with trio.CancelScope(shield=True):
                await self._in_thread(writer.close)

    async def _go_on(self, writer: Writer, fence: int) -> None:
        if writer.last is not None:
            self.position = writer.last.position
        else:  # of what was removed from the copy for its age, the note tells
            self.position = await self._store.read(_noted) if writer.emptied else 0
        log.info("copying the log", position=self.position)
        noted, note_at, pause = -1, 0.0, QUICK
        while True:
            self._wake = trio.Event()
            head, floor, entries = await self._store.read(_next, self.position)
            self.lag = head - self.position
            if self.lag < 0:
                raise Incompatible(f"the log ends at {head}, and its copy at {self.position}")
            if self.position < floor:
                if self.position:
                    log.error("the copy has a gap", after=self.position, up_to=floor)
                self.position = floor
                continue
            if entries:
                await self._in_thread(partial(writer.append, entries))
                self.position = entries[-1].position
                self.copied += len(entries)
                pause = QUICK
            if self.position != noted and trio.current_time() >= note_at:
                now_ms = self._clock.now_ms()
                await self._store.write(_note, self.position, fence, now_ms)
                noted, note_at = self.position, trio.current_time() + NOTE
            if not entries:
                with trio.move_on_after(pause):
                    await self._wake.wait()
                pause = min(SLOW, pause * SLOWER)


class LogCopy(NamedTuple):
    """A copy of the log: what it is read by, and what fills it."""

    source: LiveSource
    relay: Relay


class _Next(NamedTuple):
    head: int
    floor: int
    entries: list[Entry]


async def _next(tx: Transaction, after: int) -> _Next:
    head = await read_head(tx)
    stretch = await read_stretch(tx, after, PORTION)
    return _Next(head.position, head.floor, stretch.entries)


async def _noted(tx: Transaction) -> int:
    return min(await offset(tx, NAME), (await read_head(tx)).position)


async def _note(tx: Transaction, position: int, fence: int, now_ms: int) -> None:
    await check_fence(tx, LEASE, fence)
    live = (await lock_places(tx, NAME)).live
    await move(tx, NAME, live.generation, position, fence, now_ms)
