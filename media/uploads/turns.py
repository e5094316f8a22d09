"""One request at a time for each upload.

A client whose line broke comes back before the server has noticed: the request that still waits
for its bytes is told to end, and keeps what has come. Between servers nothing is told; there
the rows decide (`store.queries.upload_parts`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from media.errors import Busy

PATIENCE = 15.0  # seconds for the request before to keep what has come


@dataclass
class Turn:
    """Of a request that has an upload to itself."""

    waiting: trio.CancelScope = field(default_factory=trio.CancelScope)
    """To be entered around what waits for the client: cancelled when another request comes."""
    over: trio.Event = field(default_factory=trio.Event)


class Turns:
    def __init__(self) -> None:
        self._now: dict[str, Turn] = {}

    @asynccontextmanager
    async def take(self, upload_id: str) -> AsyncIterator[Turn]:
        """Waits for the request before, whose waiting for its client is over now. Raises
        `Busy`."""
        with trio.move_on_after(PATIENCE):
            while (before := self._now.get(upload_id)) is not None:
                before.waiting.cancel()
                await before.over.wait()
        if upload_id in self._now:
            raise Busy("another request is at this upload")
        turn = self._now[upload_id] = Turn()
        try:
            yield turn
        finally:
            del self._now[upload_id]
            turn.over.set()
