"""Coming and going, told to those who have a direct room with the user."""

from __future__ import annotations

import structlog
import trio

from realtime.rooms.hub import Hub
from realtime.rooms.signals import LiveSignals
from rpc.context import Clock
from rpc.proto import frames_pb2
from store.errors import StoreError
from store.interface import Store
from store.queries.presence import direct_peers, store_last_seen

log = structlog.get_logger("presence")

GRACE = 3.0  # seconds: a reconnecting client has not been away
QUEUE = 10_000  # users whose change waits to be told; past that the oldest are told late


class PresenceKeeper:
    """Turns sessions that come and go into presence signals and a stored last-seen time.

    A user who returns within the grace time has not left. Nothing here is durable news: a
    client asks `GetPresence` for what it may have missed.
    """

    def __init__(self, store: Store, hub: Hub, signals: LiveSignals, clock: Clock) -> None:
        self._store = store
        self._hub = hub
        self._signals = signals
        self._clock = clock
        self._told: dict[int, bool] = {}  # user -> what his peers were last told
        self._due: dict[int, float] = {}  # user -> when to look at him
        self._wake = trio.Event()

    def changed(self, user_id: int) -> None:
        """A session of the user has come, gone, or changed between fore- and background."""
        if not user_id or len(self._due) >= QUEUE:
            return
        online = self._hub.is_online(user_id)
        self._due.setdefault(user_id, trio.current_time() + (0 if online else GRACE))
        if online:
            self._due[user_id] = trio.current_time()
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake = trio.Event()
            now = trio.current_time()
            due = [user_id for user_id, at in self._due.items() if at <= now]
            for user_id in due:
                del self._due[user_id]
            try:
                await self._tell(due)
            except StoreError as error:
                log.warning("presence not told", error=str(error))
            until = min(self._due.values(), default=trio.current_time() + 3600)
            with trio.move_on_at(until):
                await self._wake.wait()

    async def _tell(self, user_ids: list[int]) -> None:
        gone: list[tuple[int, int]] = []
        for user_id in user_ids:
            online = self._hub.is_online(user_id)
            if self._told.get(user_id, False) == online:
                continue
            if online:
                self._told[user_id] = True
            else:
                self._told.pop(user_id, None)
                gone.append((user_id, self._clock.now_ms()))
            peers = await self._store.read(direct_peers, user_id)
            signal = frames_pb2.Signal(
                presence=frames_pb2.Presence(
                    user_id=user_id,
                    online=online,
                    last_seen_ms=0 if online else self._clock.now_ms(),
                )
            )
            for place in self._hub.present(peers):
                self._signals.to_user(place.id, signal)
        if gone:
            await self._store.write(store_last_seen, gone)
