"""Carries on with what the steps of a consumer have left, between them."""

from __future__ import annotations

import structlog
import trio
from msgspec.structs import replace

from rpc.context import Clock
from store.errors import StoreError
from store.interface import Store
from store.projections.base import Projection, VisibleProjection
from store.projections.consuming import Consumed, carry_on, give_up
from store.projections.offsets import Role
from store.queries.leases import Fenced

log = structlog.get_logger("consumers")

BACKOFF = (0.05, 0.5, 2.0)  # seconds between the attempts at what fails; then it is given up
WAIT = 1.0  # seconds before the next attempt where the store is away


class Leftovers:
    """One part after the other, each after a step, so that entries do not wait for it. When a
    part fails, its pieces are done one by one; the one that fails alone is tried again, and then
    given up: its entry is set aside."""

    def __init__(
        self,
        projection: Projection | VisibleProjection,
        store: Store,
        clock: Clock,
        fence: int,
        role: Role,
    ) -> None:
        """`fence` is that of the lease under which it is done."""
        self._projection = projection
        self._store = store
        self._clock = clock
        self._fence = fence
        self._role = role
        self._failures = 0
        self._failure = Exception()

    async def after(self, done: Consumed) -> Consumed:
        """Goes on if there is something left; returns the step's outcome with the hints of both.
        Raises `Fenced` when the consumer has another owner."""
        projection = self._projection
        if not done.left or done.halted or not isinstance(projection, Projection):
            return done
        try:
            if self._failures > len(BACKOFF):
                await self._give_up(projection)
            part = await self._store.write(
                carry_on, projection, self._fence, self._role, bool(self._failures)
            )
        except StoreError as error:
            await wait_for_store(projection.name, error)
            return done
        except Fenced:
            raise
        except Exception as error:
            await self._failed(error)
            return done
        self._failures = 0
        # There may be more, and if not, the next step finds out what follows from that.
        return replace(done, hints=(*done.hints, *part.hints))

    async def _failed(self, error: Exception) -> None:
        name = self._projection.name
        self._failures, self._failure = self._failures + 1, error
        log.error("consumer failed", consumer=name, attempt=self._failures, exc_info=error)
        if self._failures <= len(BACKOFF):
            await trio.sleep(BACKOFF[self._failures - 1])

    async def _give_up(self, projection: Projection) -> None:
        position = await self._store.write(
            give_up,
            projection,
            repr(self._failure),
            self._clock.now_ms(),
            self._fence,
            self._role,
        )
        log.error("entry set aside", consumer=projection.name, position=position)
        self._failures = 0


async def wait_for_store(consumer: str, error: StoreError) -> None:
    log.warning("consumer waits for the store", consumer=consumer, error=str(error))
    await trio.sleep(WAIT)
