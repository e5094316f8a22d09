"""What other nodes commit: found by asking for the head of the log, often while there is news."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from store.errors import StoreError
from store.sources import News, Source

log = structlog.get_logger("tail")

QUICK = 0.005  # seconds between two looks while others commit
SLOW = 0.05  # when they do not
SLOWER = 1.5  # by how much a look without news prolongs the next pause
RETRY = 0.5  # seconds after the store failed


class Tail:
    """Calls `on_news` soon after another node has committed: within `QUICK` seconds while there
    is news, else within `SLOW`, and what the look takes."""

    def __init__(self, source: Source, on_news: Callable[[News], None]) -> None:
        self._source = source
        self._on_news = on_news
        self._known = -1  # up to where everything has been told of, or was committed here

    def committed(self, start: int, end: int) -> None:
        """This node itself has committed what lies behind `start`, up to `end`."""
        if start <= self._known:  # else others have committed before it: that is news
            self._known = max(self._known, end)

    async def run(self) -> None:
        pause = 0.0
        while True:
            await trio.sleep(pause)
            try:
                news = await self._source.look(self._known)
            except StoreError as error:
                log.warning("tail waits for the store", error=str(error))
                pause = RETRY
                continue
            if news.position > self._known:
                self._known = news.position
                self._on_news(news)
                pause = QUICK
            else:
                pause = min(SLOW, pause * SLOWER)
