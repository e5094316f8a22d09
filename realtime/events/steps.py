"""Takes the entries of one generation of a consumer's rows, and finds the one that fails."""

from __future__ import annotations

import structlog
import trio

from realtime.events.batcher import Batcher
from realtime.events.leftovers import BACKOFF, Leftovers, wait_for_store
from rpc.context import Clock
from store.errors import StoreError
from store.interface import Store
from store.projections.base import Projection, VisibleProjection
from store.projections.consuming import Consume, Consumed, consume, set_aside, upcoming
from store.projections.offsets import Role
from store.projections.rebuilding import seed_step
from store.queries.leases import Fenced
from store.sources import Source, Stretch

log = structlog.get_logger("consumers")

IDS = 1_000
MOST_IDS = 1_000_000
SEED_SECONDS = 0.05  # for which a step that seeds may stop those who write, about


class Steps:
    """One step after the other. When one fails, its entries are taken one by one; the one that
    fails alone is tried again, and then set aside."""

    def __init__(
        self,
        projection: Projection | VisibleProjection,
        store: Store,
        batcher: Batcher,
        clock: Clock,
        fence: int,
        role: Role = Role.LIVE,
        source: Source | None = None,
    ) -> None:
        """`fence` is that of the lease under which it is done. Without a `source` each step reads
        the table, in its own transaction."""
        self._projection = projection
        self._store = store
        self._batcher = batcher
        self._clock = clock
        self._fence = fence
        self._role = role
        self._source = source
        self._alone = 0  # entries still to be taken one by one: somewhere among them one fails
        self._failures = 0  # of the entry taken alone
        self._given_up = 0  # its position, once it is to be set aside
        self._failure = Exception()
        self._seeding = False
        self._ids = IDS  # whose rows a step seeds
        self._leftovers = Leftovers(projection, store, clock, fence, role)
        self.position = 0
        """How far it has taken effect."""

    async def once(self) -> Consumed | None:
        """Makes a step; returns nothing where it failed, and the next may do better. Raises
        `Fenced` when the consumer has another owner."""
        try:
            if self._failures > len(BACKOFF):
                await self._set_aside()
            done = await self._step(1 if self._alone else self._projection.step)
        except StoreError as error:
            await wait_for_store(self._name, error)
            return None
        except Fenced:
            raise
        except Exception as error:
            await self._failed(error)
            return None
        self._failures = 0
        self._alone = max(0, self._alone - done.read) if done.read else 0
        self.position, self._seeding = done.position, done.seeding
        return await self._leftovers.after(done)

    @property
    def _name(self) -> str:
        return self._projection.name

    async def _failed(self, error: Exception) -> None:
        if not self._alone:
            log.warning("consumer looks for what fails", consumer=self._name, exc_info=error)
            self._alone = self._projection.step
            return
        self._failures, self._failure = self._failures + 1, error
        log.error("consumer failed", consumer=self._name, attempt=self._failures, exc_info=error)
        if self._failures <= len(BACKOFF):
            await trio.sleep(BACKOFF[self._failures - 1])

    async def _step(self, limit: int) -> Consumed:
        projection, fence = self._projection, self._fence
        given: Stretch | None = None
        if self._source is not None:
            given = await self._source.read(self.position, limit, projection.kinds)
        if isinstance(projection, VisibleProjection):
            change = Consume(projection=projection, limit=limit, fence=fence, given=given)
            return await self._batcher.submit(change).wait()
        now_ms = self._clock.now_ms()
        if self._seeding:
            return await self._seed(projection, limit)
        return await self._store.write(consume, projection, limit, now_ms, fence, given, self._role)

    async def _seed(self, projection: Projection, limit: int) -> Consumed:
        """A step of so many ids that nobody has to wait for long who writes meanwhile."""
        began = trio.current_time()
        done = await self._store.write(
            seed_step, projection, limit, self._ids, self._clock.now_ms(), self._fence
        )
        took = trio.current_time() - began
        if took > 2 * SEED_SECONDS:
            self._ids = max(1, self._ids // 2)
        elif took < SEED_SECONDS / 2:
            self._ids = min(MOST_IDS, self._ids * 2)
        return done

    async def _set_aside(self) -> None:
        if not self._given_up:
            self._given_up = await self._store.read(upcoming, self._projection, self._role)
        position = self._given_up
        done = await self._store.write(
            set_aside,
            self._projection,
            position,
            repr(self._failure),
            self._clock.now_ms(),
            self._fence,
            self._role,
        )
        if done:
            log.error("entry set aside", consumer=self._name, position=position)
        self._given_up = self._failures = 0
        self._alone -= 1
