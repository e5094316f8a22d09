"""Removes what is old from the log, once everybody has had it, and archives it before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import trio
from prometheus_client import CollectorRegistry, Counter

from realtime.events.leases import Ownership
from rpc.context import Clock
from store.archive import end_of_segment, write_segment
from store.errors import StoreError
from store.interface import Store
from store.log import Entry, read_entries, read_head
from store.queries.leases import Fenced
from store.retention import (
    LEASE,
    Holder,
    Raised,
    archived_up_to,
    note_archived,
    old_up_to,
    raise_floor,
    remove_below,
)

log = structlog.get_logger("retention")

EVERY = 60.0  # seconds between two looks
DAY = 24 * 3600 * 1000
PATIENCE = 2  # times as long as the log is kept, a consumer that stands still holds it
BITE = 1_000  # entries that are removed in one transaction
PAUSE = 0.02  # seconds between two, for those who have something to commit
PORTION = 2_000  # entries that are read at once


@dataclass(frozen=True, kw_only=True)
class Keep:
    """How long entries stay in the log, and where they are written before they go."""

    days: float = 30.0
    """0: for ever."""
    archive: Path | None = None


class Retention:
    """One node at a time does it, while commits go on beside."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        keep: Keep,
        metrics: CollectorRegistry,
        in_thread: Any = trio.to_thread.run_sync,
    ) -> None:
        self._store = store
        self._clock = clock
        self._keep_ms = round(keep.days * DAY)
        self._archive = keep.archive
        self._in_thread = in_thread
        self._held_by = ""
        self._removed = Counter(
            "sunwire_log_removed", "Entries of the log removed for their age.", registry=metrics
        )

    async def run(self, ownership: Ownership) -> None:
        while self._keep_ms:
            await trio.sleep(EVERY)
            fence = await ownership.wait(LEASE)
            try:
                await self.once(fence)
            except Fenced:
                ownership.lost(LEASE)
            except StoreError as error:
                log.warning("retention waits for the store", error=str(error))
            except OSError as error:
                log.error("log not archived", folder=str(self._archive), error=str(error))

    async def once(self, fence: int = 0) -> None:
        """Removes what may go by now. Raises `StoreError`, `Fenced`, and `OSError` where the
        archive cannot be written: then nothing goes."""
        now_ms = self._clock.now_ms()
        up_to = await self._store.read(old_up_to, now_ms - self._keep_ms)
        if self._archive is not None:
            await self._write_archive(self._archive, up_to, fence)
        floor = (await self._store.read(read_head)).floor
        if up_to > floor:
            patience_ms = PATIENCE * self._keep_ms
            raised = await self._store.write(raise_floor, up_to, now_ms - patience_ms, fence)
            self._tell(raised)
            floor = raised.floor
        await self._remove(floor, fence)

    async def _remove(self, floor: int, fence: int) -> None:
        removed = 0
        while bite := await self._store.write(remove_below, BITE, fence):
            removed += bite
            self._removed.inc(bite)
            if bite < BITE:
                break
            await trio.sleep(PAUSE)
        if removed:
            log.info("log trimmed", removed=removed, floor=floor)

    def _tell(self, raised: Raised) -> None:
        for holder in raised.left:
            self._say_left(holder, raised.floor)
        held_by = raised.held_by.who if raised.held_by is not None else ""
        if held_by != self._held_by and raised.held_by is not None:
            log.warning("log held", by=held_by, position=raised.held_by.position)
        self._held_by = held_by

    @staticmethod
    def _say_left(holder: Holder, floor: int) -> None:
        log.error("left behind by the log", who=holder.who, position=holder.position, floor=floor)

    # The archive

    async def _write_archive(self, folder: Path, up_to: int, fence: int) -> None:
        """Writes what is old and has not been written, as far as it fills files."""
        archived = await self._store.read(archived_up_to)
        if archived is None:
            archived = (await self._store.read(read_head)).floor
            await self._store.write(note_archived, archived, fence)
        while (end := end_of_segment(archived)) <= up_to:
            epoch, entries = await self._read(archived, end)
            segment = await self._in_thread(write_segment, folder, epoch, entries)
            await self._store.write(note_archived, segment.last, fence)
            log.info("log archived", file=segment.name)
            archived = segment.last

    async def _read(self, after: int, up_to: int) -> tuple[int, list[Entry]]:
        head = await self._store.read(read_head)
        entries: list[Entry] = []
        while after < up_to:
            entries += await self._store.read(read_entries, after, up_to, PORTION)
            after = entries[-1].position
        return head.epoch, entries
