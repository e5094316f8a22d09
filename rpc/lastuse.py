"""When sessions were last used, kept in groups: with thousands of clients that come back at once, a
write each would hold up everything else."""

from __future__ import annotations

import structlog
import trio

from rpc.context import Reads
from store.errors import StoreError
from store.queries.sessions import touch

log = structlog.get_logger("sessions")

EVERY = 5.0  # seconds: so much a killed process may forget


class LastUses:
    """Remembers uses, and stores them from time to time. For the eyes of the sessions' owner:
    nothing is decided by it."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._uses: dict[int, int] = {}  # session -> Unix milliseconds
        self._some = trio.Event()

    def note(self, session_id: int, now_ms: int) -> None:
        self._uses[session_id] = now_ms
        self._some.set()

    async def run(self) -> None:
        while True:
            await self._some.wait()
            await trio.sleep(EVERY)
            try:
                await self.store()
            except StoreError as error:
                log.warning("last uses wait for the store", error=str(error))

    async def store(self) -> None:
        """Stores what is remembered."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        self._some = trio.Event()
        try:
            await self._reads.write(touch, list(uses.items()))
        except BaseException:
            for session_id, now_ms in uses.items():
                self._uses.setdefault(session_id, now_ms)
            self._some.set()
            raise
