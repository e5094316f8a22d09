"""Coming and going, told to those who have a direct room with the user."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Protocol

import structlog
import trio

from rpc.context import Clock
from rpc.proto import frames_pb2
from store.errors import StoreError
from store.interface import Queries
from store.queries.presence import direct_peers, store_last_seen

log = structlog.get_logger("presence")

GRACE = 3.0  # seconds: a reconnecting client has not been away
RETRY = 1.0  # seconds after which a store that was away is asked again
# Users whose change waits. A node has fewer connections; past that a change goes untold.
QUEUE = 100_000
CHUNK = 200  # users whose peers are looked up at once


class Comings(Protocol):
    """Who is told when sessions come and go."""

    def changed(self, user_id: int) -> None:
        """A session of the user has come, gone, or changed between fore- and background."""
        ...


class Whereabouts(Protocol):
    """Who knows who is here."""

    def is_online(self, user_id: int) -> bool:
        """Whether the user has the client open in the foreground."""
        ...


class UserSignals(Protocol):
    """Who reaches the live sessions of users."""

    def to_users(self, user_ids: Iterable[int], signal: frames_pb2.Signal) -> None: ...


class Elsewhere(Protocol):
    """The other servers on the same database."""

    def is_online(self, user_id: int) -> bool:
        """Whether the user is online at any of them, as far as is known."""
        ...

    def moved(self, user_id: int, online: bool, told: bool) -> None:
        """The user is online here now, or no longer; `told` says whether his peers were told."""
        ...


class Nowhere:
    """There are no others."""

    def is_online(self, user_id: int) -> bool:
        return False

    def moved(self, user_id: int, online: bool, told: bool) -> None:
        pass


def _nobody_asks(user_id: int, online: bool) -> None:
    pass


class PresenceKeeper:
    """Turns sessions that come and go into presence signals and a stored last-seen time.

    A user who returns within the grace time has not left, nor has one who is online elsewhere.
    Nothing here is durable news: a client asks `GetPresence` for what it may have missed.
    """

    def __init__(
        self,
        store: Queries,
        hub: Whereabouts,
        signals: UserSignals,
        clock: Clock,
        on_told: Callable[[int, bool], None] = _nobody_asks,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """`on_told` is called with each user who is online here now, or no longer."""
        self._store = store
        self._hub = hub
        self._on_told = on_told
        self._elsewhere = elsewhere or Nowhere()
        self._signals = signals
        self._clock = clock
        self._told: dict[int, bool] = {}  # who is online here, by what was told
        self._soon: dict[int, None] = {}  # users to look at, in the order of their coming
        self._later: dict[int, float] = {}  # who seems to have gone, and when to look again
        self._seen: dict[int, int] = {}  # user -> when he left, not stored yet
        self._wake = trio.Event()

    def changed(self, user_id: int) -> None:
        """A session of the user has come, gone, or changed between fore- and background."""
        if not user_id or len(self._soon) + len(self._later) >= QUEUE:
            return
        if self._hub.is_online(user_id):
            self._later.pop(user_id, None)
            self._soon[user_id] = None
        elif user_id not in self._soon:
            self._later.setdefault(user_id, trio.current_time() + GRACE)
        self._wake.set()

    def adopt(self, user_ids: Iterable[int]) -> list[int]:
        """Takes over from another keeper that has gone: these were online by what it told, and
        are online here now; returns those who were not. Who does not show himself within the
        grace time has left."""
        adopted = [user_id for user_id in user_ids if not self._told.get(user_id, False)]
        for user_id in adopted:
            self._told[user_id] = True
            self._elsewhere.moved(user_id, True, True)
            self.changed(user_id)
        return adopted

    def online(self) -> list[int]:
        """Those who are online here, by what was told."""
        return list(self._told)

    def tell_again(self) -> None:
        """Others have told that those who are online here have left."""
        known, self._told = self._told, {}
        for user_id in known:
            self.changed(user_id)

    async def run(self) -> None:
        while True:
            self._wake = trio.Event()
            self._ripen(trio.current_time())
            try:
                while self._soon:
                    await self._look_at(list(islice(self._soon, CHUNK)))
                if self._seen:
                    await self._store_seen()
            except StoreError as error:
                log.warning("presence waits for the store", error=str(error))
                await trio.sleep(RETRY)
                continue
            until = next(iter(self._later.values()), math.inf)
            with trio.move_on_at(until):
                await self._wake.wait()

    def _ripen(self, now: float) -> None:
        while self._later:
            user_id, at = next(iter(self._later.items()))  # all wait for equally long
            if at > now:
                return
            del self._later[user_id]
            self._soon[user_id] = None

    async def _look_at(self, user_ids: list[int]) -> None:
        changed: dict[int, bool] = {}
        for user_id in user_ids:
            del self._soon[user_id]  # first: what changes meanwhile makes him due again
            online = self._hub.is_online(user_id)
            if self._told.get(user_id, False) != online:
                changed[user_id] = online
        if not changed:
            return
        try:
            peers = await self._store.read(direct_peers, list(changed))
        except StoreError:
            for user_id in changed:
                self._soon.setdefault(user_id)
            raise
        now_ms = self._clock.now_ms()
        for user_id, online in changed.items():
            if online:
                self._told[user_id] = True
            else:
                self._told.pop(user_id, None)
            told = not self._elsewhere.is_online(user_id)
            self._on_told(user_id, online)
            self._elsewhere.moved(user_id, online, told)
            if not told:
                continue
            if not online:
                self._seen[user_id] = now_ms
            signal = frames_pb2.Signal(
                presence=frames_pb2.Presence(
                    user_id=user_id, online=online, last_seen_ms=0 if online else now_ms
                )
            )
            self._signals.to_users(peers.get(user_id, ()), signal)

    async def _store_seen(self) -> None:
        seen, self._seen = self._seen, {}
        try:
            await self._store.write(store_last_seen, list(seen.items()))
        except StoreError:
            self._seen = {**seen, **self._seen}
            raise
