"""The log as its copy in Kafka has it. What the copy has not got, the table has."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Protocol

import structlog
import trio

from store.errors import Incompatible, StoreError, Unavailable
from store.interface import Reads
from store.kafka.window import Counts, Window
from store.log import Entry, Kind, read_entries, read_head
from store.sources import News, Stretch, look, read_stretch
from store.transaction import Transaction

log = structlog.get_logger("kafka")

KEPT = 10_000  # entries in memory
PORTION = 2_000  # entries read at once
NEARBY = 4_000  # entries kept at a place behind
PATIENCE = 0.05  # seconds for what the table may have already to come to the copy
CHECK = 0.25  # seconds between two questions for the head of the table
POLL = 0.25  # seconds for which a thread waits for something new
RETRY = 1.0  # seconds after which the end of a topic that could not be read is read again
REST = 10.0  # the same for other places
PLACES = 4  # behind the window at which the topic is read at the same time
IDLE = 10.0  # seconds after which such a place is given up
SLOW_MS, QUICK_MS = 250, 10  # how long a request waits at the broker; a jump takes as long


class Reader(Protocol):
    """Reads a topic, in a thread: see `store.kafka.topic.TopicReader`."""

    def last(self) -> Entry | None: ...
    def seek(self, after: int) -> int: ...
    def read(self, most: int, wait: float) -> list[Entry]: ...
    def next(self) -> list[Entry]: ...
    def close(self) -> None: ...


OpenReader = Callable[[int], Reader]
"""Opens one whose requests wait so many milliseconds for something new."""


class KafkaSource:
    """A `Source`. One task, `run`, follows the end of the topic and keeps its latest entries in
    memory, for all readers of the process; who is further behind reads at a place of his own.

    Whatever keeps the topic back (no broker, nobody who writes it, a gap), the table is read
    instead: within `PATIENCE` seconds by a reader who waits for an entry, within twice `CHECK`
    where nobody knows that there is one. Then it is read without waiting, until the topic has
    come to where it was missed."""

    def __init__(
        self, table: Reads, open_reader: OpenReader, in_thread: Any = trio.to_thread.run_sync
    ) -> None:
        self._table = table
        self._open_reader = open_reader
        self._in_thread = in_thread
        self.counts = Counts()
        self._latest = Window(-1, KEPT, self.counts)
        self._more = trio.Event()
        self._on_more: Callable[[int], None] = lambda _: None
        self._missed = 0  # a position that the table had, and the topic had not in time
        self._seen = 0  # where the table ended at the last check
        self._next_check = 0.0
        self._places: list[_Place] = []
        self._rest_until = 0.0  # for which the topic is read at its end alone

    @property
    def position(self) -> int:
        """How far it has read the topic; 0: nowhere yet."""
        return max(0, self._latest.reached)

    @property
    def behind(self) -> bool:
        """Whether the table is read in its place, as also before anything has come from it."""
        return self._latest.reached < self._missed

    async def look(self, after: int) -> News:
        if after < 0:
            return await self._table.read(look, after)
        if after < self._latest.reached:
            has = self._latest.has(after)
            return News(self.position, self._latest.kinds(after) if has else tuple(Kind))
        if not self.behind and trio.current_time() < self._next_check:
            return News(after, ())
        news = await self._table.read(look, after)
        if not self.behind:
            self._next_check = trio.current_time() + CHECK
            if self._latest.reached >= self._seen:
                self._seen = news.position
                return News(after, ())  # the topic has until the next check
            self._miss(self._seen)
        return news

    async def read(self, after: int, limit: int, kinds: Collection[Kind] = ()) -> Stretch:
        await trio.lowlevel.checkpoint()
        place = after
        while True:
            stretch = await self._read(place, limit, kinds)
            if stretch is None:
                stretch = await self._read_table(place, limit, kinds)
                return stretch._replace(after=after)
            if stretch.entries:
                return stretch._replace(after=after)
            place = stretch.reached

    async def _read(self, after: int, limit: int, kinds: Collection[Kind]) -> Stretch | None:
        """What the topic has; None where it has not even the next entry."""
        if self.behind:
            return None
        with trio.move_on_after(PATIENCE):
            while after >= self._latest.reached:
                await self._more.wait()
        if self._latest.has(after):
            return self._latest.pick(after, limit, kinds)
        if after >= self._latest.reached or trio.current_time() < self._rest_until:
            return None
        return await self._read_behind(after, limit, kinds)

    async def _read_behind(self, after: int, limit: int, kinds: Collection[Kind]) -> Stretch | None:
        """The same, for who is behind what is in memory."""
        place = self._place_at(after)
        async with place.turn:
            if place not in self._places:  # given up meanwhile
                return None
            place.used = trio.current_time()
            try:
                if not place.window.has(after):
                    await self._in_thread(partial(place.go_on, after))
                if place.window.has(after):
                    return place.window.pick(after, limit, kinds)
            except StoreError as error:
                log.warning("the copy of the log cannot be read", error=str(error), after=after)
                self._rest_until = trio.current_time() + REST
                await self._give_up(place)
        return None

    async def _read_table(self, after: int, limit: int, kinds: Collection[Kind]) -> Stretch:
        stretch = await self._table.read(_read_kept, after, limit, kinds)
        if stretch.reached > after:
            self.counts.from_table += len(stretch.entries)
            if not self.behind and after >= self._latest.reached:
                self._miss(stretch.reached)
        return stretch

    def _miss(self, position: int) -> None:
        self._missed = position
        self.counts.misses += 1

    async def run(self, on_more: Callable[[int], None] = lambda _: None) -> None:
        """Follows the topic, until it is cancelled. `on_more` is called, without waiting, with
        how far it has come."""
        self._on_more = on_more
        try:
            while True:
                try:
                    await self._follow()
                except Incompatible as error:
                    log.error("the copy of the log is of no use", error=str(error))
                    await trio.sleep(REST)
                except StoreError as error:
                    log.warning("the copy of the log cannot be read", error=str(error))
                await trio.sleep(RETRY)
        finally:
            with trio.CancelScope(shield=True):
                for place in list(self._places):
                    async with place.turn:
                        await self._give_up(place)

    async def _follow(self) -> None:
        reader: Reader = await self._in_thread(partial(self._open_reader, SLOW_MS))
        try:
            last = await self._in_thread(reader.last)
            if last is not None:
                await check_same(self._table, last)
            self._replace_latest(last.position if last is not None else -1)
            while True:
                entries = await self._in_thread(partial(reader.read, PORTION, POLL))
                if entries:
                    self._latest.add(entries)
                    self._tell()
                for place in list(self._places):
                    if trio.current_time() - place.used > IDLE and not place.turn.locked():
                        async with place.turn:
                            await self._give_up(place)
        finally:
            with trio.CancelScope(shield=True):
                await self._in_thread(reader.close)

    def _replace_latest(self, position: int) -> None:
        self._latest = Window(position, KEPT, self.counts)
        self._tell()

    def _tell(self) -> None:
        more, self._more = self._more, trio.Event()
        more.set()
        self._on_more(self.position)

    def _place_at(self, after: int) -> _Place:
        """The one that is there, or a new one, or the one that was not used for longest."""
        for place in self._places:
            if place.suits(after):
                return place
        if len(self._places) < PLACES:
            self._places.append(_Place(self._open_reader, self.counts))
            place = self._places[-1]
        else:
            place = min(self._places, key=lambda place: (place.turn.locked(), place.used))
        place.sought = after
        return place

    async def _give_up(self, place: _Place) -> None:
        """Whose turn it is gives it up."""
        self._places.remove(place)
        with trio.CancelScope(shield=True):
            await self._in_thread(place.close)


class _Place:
    """Where somebody reads who is further behind. Its methods are for threads."""

    def __init__(self, open_reader: OpenReader, counts: Counts) -> None:
        self.turn = trio.Lock()
        self.used = trio.current_time()
        self.window = Window(-1, NEARBY, counts)
        self._counts = counts
        self._open_reader = open_reader
        self._reader: Reader | None = None
        self._at = -1  # behind which the reader stands; -1: nobody knows
        self.sought = -1  # by who comes to it next
        self._nothing = range(0)  # behind these positions, up to there, the topic has nothing

    def suits(self, after: int) -> bool:
        """Whether it need not look for the position."""
        known = self.window.has(after) or after in (self._at, self.sought)
        return known or after in self._nothing

    def go_on(self, after: int) -> None:
        """Has the window reach past a position, if the topic goes on there. It keeps what was
        read before, for others who come along the same way."""
        if self._reader is None:
            self._reader = self._open_reader(QUICK_MS)
        if after in self._nothing:
            return
        if after != self._at:
            self._at = self._reader.seek(after) - 1
            self._nothing = range(after, self._at)
            self.window = Window(self._at, NEARBY, self._counts)
        if after == self._at:
            self.window.add(self._reader.next())
            self._at = self.window.reached

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()


async def check_same(table: Reads, entry: Entry) -> None:
    """Raises `Incompatible` where the log has another entry at that position: the topic is the
    copy of a log that is no more."""
    head, found = await table.read(_entry_at, entry.position)
    if entry.position > head or (found and found[0] != entry):
        raise Incompatible(
            f"the topic is the copy of another log: it has something else at {entry.position}, "
            "as after a restore without a new epoch"
        )


async def _entry_at(tx: Transaction, position: int) -> tuple[int, list[Entry]]:
    head = await read_head(tx)
    return head.position, await read_entries(tx, position - 1, position, 1)


async def _read_kept(tx: Transaction, after: int, limit: int, kinds: Collection[Kind]) -> Stretch:
    """As `read_stretch`; raises `Unavailable` for what is gone from the table."""
    head = await read_head(tx)
    if after < head.floor:
        raise Unavailable(f"entries behind {after} are gone from the table: only Kafka has them")
    return await read_stretch(tx, after, limit, kinds, head.position)
