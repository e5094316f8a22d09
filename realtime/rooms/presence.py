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
RETRY = 1.0  # seconds after which a store that was away is asked again
# Users whose change waits. A node has fewer connections; past that a change goes untold.
QUEUE = 100_000


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
        self._seen: dict[int, int] = {}  # user -> when he left, not stored yet
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
            try:
                for user_id in due:
                    await self._look_at(user_id)
                if self._seen:
                    await self._store_seen()
            except StoreError as error:
                log.warning("presence waits for the store", error=str(error))
                await trio.sleep(RETRY)
                continue
            until = min(self._due.values(), default=trio.current_time() + 3600)
            with trio.move_on_at(until):
                await self._wake.wait()

    async def _look_at(self, user_id: int) -> None:
        del self._due[user_id]  # first: what changes meanwhile makes him due again
        online = self._hub.is_online(user_id)
        if self._told.get(user_id, False) == online:
            return
        try:
            peers = await self._store.read(direct_peers, user_id)
        except StoreError:
            self._due.setdefault(user_id, trio.current_time())
            raise
        now_ms = self._clock.now_ms()
        if online:
            self._told[user_id] = True
        else:
            self._told.pop(user_id, None)
            self._seen[user_id] = now_ms
        signal = frames_pb2.Signal(
            presence=frames_pb2.Presence(
                user_id=user_id, online=online, last_seen_ms=0 if online else now_ms
            )
        )
        for place in self._hub.present(peers):
            self._signals.to_user(place.id, signal)

    async def _store_seen(self) -> None:
        seen, self._seen = self._seen, {}
        try:
            await self._store.write(store_last_seen, list(seen.items()))
        except StoreError:
            self._seen = {**seen, **self._seen}
            raise
