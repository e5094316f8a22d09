"""A part of the log in memory (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from store.log import Entry, Kind
from store.sources import Stretch


@dataclass
class Counts:
    doubles: int = 0
    """Entries that came again and were dropped."""
    gaps: int = 0
    """Times that entries were missing in the topic."""
    misses: int = 0
    """Times that the table had what the topic had not in time."""
    from_table: int = 0
    """Entries that the copy had not got, and the table had."""


class Window:
    """Contiguous entries that begin right behind a position, or with whatever comes first
    (`after` = -1); of more than twice `keep`, the latest `keep`."""

    def __init__(self, after: int, keep: int, counts: Counts) -> None:
        self._entries: list[Entry] = []
        self._keep = keep
        self._counts = counts
        self.after = after  # the first entry is at the next position

    @property
    def reached(self) -> int:
        return self.after + len(self._entries)

    def add(self, entries: Iterable[Entry]) -> None:
        """Takes what follows, and drops what it has had. Behind a gap it begins anew."""
        for entry in entries:
            if self.after < 0:
                self.after = entry.position - 1
            missing = entry.position - self.reached - 1
            if missing < 0:
                self._counts.doubles += 1
                continue
            if missing:
                self._counts.gaps += 1
                self._entries.clear()
                self.after = entry.position - 1
            self._entries.append(entry)
        surplus = len(self._entries) - self._keep
        if surplus > self._keep:
            del self._entries[:surplus]
            self.after += surplus

    def has(self, after: int) -> bool:
        """Whether the entry behind this position is here."""
        return self.after <= after < self.reached

    def kinds(self, after: int) -> Collection[Kind]:
        """Of the entries behind a position that it has."""
        return {entry.kind for entry in self._entries[after - self.after :]}

    def pick(self, after: int, limit: int, kinds: Collection[Kind]) -> Stretch:
        """The stretch behind a position that it has, of at most `limit` entries, of these kinds
        if there are any."""
        start = after - self.after
        if not kinds:
            entries = self._entries[start : start + limit]
            return Stretch(after, after + len(entries), entries)
        entries = []
        for index in range(start, len(self._entries)):
            entry = self._entries[index]
            if entry.kind in kinds:
                entries.append(entry)
                if len(entries) == limit:
                    return Stretch(after, entry.position, entries)
        return Stretch(after, self.reached, entries)
