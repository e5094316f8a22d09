"""What only one of several nodes may do: which of it this node does now."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Protocol

import structlog
import trio

from store.errors import StoreError
from store.interface import Queries
from store.queries.leases import release_leases, take_leases

log = structlog.get_logger("leases")

LIFETIME = 6.0  # seconds for which a lease outlives its owner
RENEW = 2.0  # seconds between renewals, and between attempts at what another node has


class Ownership(Protocol):
    """Who may do what."""

    async def wait(self, name: str) -> int:
        """Returns when this node may do it, with the fence to show at each write."""
        ...

    def lost(self, name: str) -> None:
        """A write was refused: another node has it."""
        ...


class SoleOwner:
    """There are no other nodes."""

    async def wait(self, name: str) -> int:
        await trio.lowlevel.checkpoint()
        return 0

    def lost(self, name: str) -> None:
        raise AssertionError(f"{name} is fenced off, and there is nobody else")


class Leases:
    """Ownership by leases in the database. A node takes what is free; when it stops, others
    take over at once, and when it dies, within `lifetime` and `renew` seconds."""

    def __init__(
        self,
        store: Queries,
        names: Iterable[str],
        *,
        lifetime: float,
        renew: float,
    ) -> None:
        self._store = store
        self._names = list(names)
        self._lifetime_ms = round(lifetime * 1000)
        self._renew = renew
        self._owner = os.urandom(16)
        self._fences: dict[str, int] = {}
        self._changed = trio.Event()

    def owned(self) -> list[str]:
        """What this node does now, as far as it knows."""
        return sorted(self._fences)

    async def wait(self, name: str) -> int:
        while name not in self._fences:
            await self._changed.wait()
        return self._fences[name]

    def lost(self, name: str) -> None:
        if self._fences.pop(name, 0):
            log.warning("lease lost", lease=name)

    async def run(self) -> None:
        """Takes and renews, until it is cancelled; then lets go."""
        try:
            while True:
                try:
                    await self._take()
                except StoreError as error:
                    log.warning("leases wait for the store", error=str(error))
                await trio.sleep(self._renew)
        finally:
            with trio.CancelScope(shield=True):
                await self._release()

    async def _take(self) -> None:
        found = await self._store.write(take_leases, self._names, self._owner, self._lifetime_ms)
        for name, lease in found.items():
            if not lease.fence:
                self.lost(name)
            elif self._fences.get(name) != lease.fence:
                self._fences[name] = lease.fence
                log.info("lease taken", lease=name, fence=lease.fence)
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def _release(self) -> None:
        self._fences.clear()
        try:
            await self._store.write(release_leases, self._owner)
        except StoreError as error:  # they end by themselves
            log.warning("leases were not released", error=str(error))
