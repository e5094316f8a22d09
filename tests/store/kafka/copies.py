"""Entries, and a topic that tests fill and take away."""

from __future__ import annotations

from collections.abc import Sequence

from store.errors import Unavailable
from store.log import Entry, Kind, Stream
from store.queries.leases import Fenced


def entry(position: int, kind: Kind = Kind.PROFILE_CHANGED, stream: Stream | None = None) -> Entry:
    return Entry(
        position=position,
        at_ms=1_700_000_000_000,
        kind=kind,
        stream=stream or Stream.user(position),
        sequence=1,
        actor_id=position,
        subject_id=position,
    )


def entries(first: int, last: int) -> list[Entry]:
    return [entry(position) for position in range(first, last + 1)]


class MemoryTopic:
    """Its readers and writers are those of a broker, in so far as tests can tell."""

    def __init__(self) -> None:
        self.records: list[Entry] = []
        self.first = 0  # of the records, for readers: those before were removed
        self.away = False
        self.seeks = 0
        self.readers = 0  # open ones
        self.writers = 0
        self.writer: MemoryWriter | None = None  # the last one opened
        self.emptied = False  # what there was has been removed
        self.failing = 0  # of the next appends, so many do nothing
        self.losing = 0  # so many are done, and nobody hears of it

    def ask(self) -> None:
        if self.away:
            raise Unavailable("no broker")

    def open_reader(self, wait_ms: int) -> MemoryReader:
        self.ask()
        self.readers += 1
        return MemoryReader(self)

    def open_writer(self) -> MemoryWriter:
        return MemoryWriter(self)


class MemoryReader:
    def __init__(self, topic: MemoryTopic) -> None:
        self._topic = topic
        self._next = 0
        self._open = True

    def last(self) -> Entry | None:
        self._topic.ask()
        self._next = len(self._topic.records)
        return self._topic.records[-1] if self._topic.records else None

    def seek(self, after: int) -> int:
        self._topic.ask()
        self._topic.seeks += 1
        for index, record in enumerate(self._topic.records):
            if index >= self._topic.first and record.position > after:
                self._next = index
                return record.position
        return 0

    def read(self, most: int, wait: float) -> list[Entry]:
        if self._topic.away:
            return []
        found = self._topic.records[self._next : self._next + most]
        self._next += len(found)
        return found

    def next(self) -> list[Entry]:
        self._topic.ask()
        return self.read(4, 0)

    def close(self) -> None:
        assert self._open
        self._open = False
        self._topic.readers -= 1


class MemoryWriter:
    """One at a time: opening one shuts out those before."""

    def __init__(self, topic: MemoryTopic) -> None:
        topic.ask()
        self._topic = topic
        self._open = True
        topic.writer = self
        topic.writers += 1
        self.last = topic.records[-1] if topic.records else None
        self.emptied = topic.emptied

    def append(self, entries: Sequence[Entry]) -> None:
        self._topic.ask()
        if self._topic.writer is not self:
            raise Fenced("another writer")
        if self._topic.failing:
            self._topic.failing -= 1
            raise Unavailable("not written")
        self._topic.records += entries
        if self._topic.losing:
            self._topic.losing -= 1
            raise Unavailable("written, and not answered")

    def close(self) -> None:
        assert self._open
        self._open = False
        self._topic.writers -= 1
