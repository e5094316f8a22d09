"""What other nodes commit: found by asking for the head of the log, at a hint at once, else often
while there is news."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
import trio

from store.errors import StoreError
from store.log import Entry
from store.sources import News, Source

log = structlog.get_logger("tail")

QUICK = 0.005  # seconds between two looks while others commit
SLOW = 0.025  # when they do not
HINTED = 0.25  # while hints come
SLOWER = 1.5  # by how much a look without news prolongs the next pause
FEW = 200  # entries read at a hint; of more, it is told that they are there
RETRY = 0.5  # seconds after the store failed


class Tail:
    """Calls `on_news` soon after another node has committed: at a hint; without one, within
    `QUICK` seconds while there is news, else within `SLOW`; and what the look takes. At a hint
    the entries themselves are read, and handed over with the news.

    A hint is no more than a reason to look, so it may be lost, doubled, late, or wrong. While
    hints are to be expected a node looks every `HINTED` seconds besides. When it finds news so
    whose hint does not come, it looks as often as without hints until one does.
    """

    def __init__(self, source: Source, on_news: Callable[[News, Sequence[Entry]], None]) -> None:
        self._source = source
        self._on_news = on_news
        self._known = -1  # up to where everything has been told of, or was committed here
        self._hints = False  # whether they are to be expected
        self._missing = False  # there was news without one
        self._told = 0  # where the log is by the last hint
        self._wake = trio.Event()

    def committed(self, start: int, end: int) -> None:
        """This node itself has committed what lies behind `start`, up to `end`."""
        if start <= self._known:  # else others have committed before it: that is news
            self._known = max(self._known, end)

    def hinted(self, position: int) -> None:
        """Another node says that the log reaches to `position`."""
        self._missing = False
        if position > self._known:
            self._told = position
            self._wake.set()

    def expect_hints(self, come: bool) -> None:
        """Whether other nodes can give hints now."""
        self._hints, self._missing = come, False
        self._wake.set()

    async def run(self) -> None:
        pause = 0.0
        while True:
            with trio.move_on_after(pause):
                await self._wake.wait()
            hinted = self._wake.is_set() and self._known >= 0
            self._wake = trio.Event()
            entries: Sequence[Entry] = ()
            try:
                if hinted:
                    entries, news = await self._read()
                else:
                    news = await self._source.look(self._known)
            except StoreError as error:
                log.warning("tail waits for the store", error=str(error))
                await trio.sleep(RETRY)
                continue
            if news.position > self._known:
                self._known = news.position
                self._missing = not (hinted or self._wake.is_set())
                self._on_news(news, entries)
                pause = QUICK if len(entries) < FEW else 0
            elif hinted:  # what it is a hint of may be on its way here
                pause = QUICK
            else:
                pause = min(SLOW, pause * SLOWER)
            there = news.position >= self._told or pause == SLOW
            if self._hints and not self._missing and there:
                pause = HINTED

    async def _read(self) -> tuple[Sequence[Entry], News]:
        """What a hint speaks of, in one step: few entries, most often one."""
        _, reached, entries = await self._source.read(self._known, FEW)
        return entries, News(reached, {entry.kind for entry in entries})
