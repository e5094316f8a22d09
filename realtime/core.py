"""The heart of a node: log, consumers, delivery, gateway, over services that it is given."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
import trio
from prometheus_client import CollectorRegistry, Gauge

from realtime.events.batcher import Batcher
from realtime.events.consumers import Consumer
from realtime.gateway.catchup import CatchUp
from realtime.gateway.limits import GatewayLimits
from realtime.gateway.metrics import GatewayMetrics
from realtime.gateway.node import Node
from realtime.gateway.server import Gateway
from realtime.push.delivery import Delivery
from realtime.push.hints import HintTeller
from realtime.push.render import Renderer
from realtime.rooms.hub import Hub
from realtime.rooms.presence import PresenceKeeper
from realtime.rooms.signals import LiveSignals
from rpc.context import Clock
from rpc.dispatch import CallLimits, Dispatcher
from rpc.lastuse import LastUses
from rpc.metrics import CallMetrics
from rpc.rates import RateLimiter
from rpc.registry import Registry
from rpc.views import Views
from store.commit import forget_old_ops
from store.errors import StoreError
from store.interface import Store
from store.log import Batch, Head
from store.projections.base import Projection, VisibleProjection
from store.queries.codes import forget_old_codes
from store.queries.guesses import forget_old_guesses
from store.records import SessionRecord

log = structlog.get_logger("core")

HOUSEKEEPING = 600.0  # seconds


@dataclass(frozen=True)
class CoreLimits:
    gateway: GatewayLimits = field(default_factory=GatewayLimits)
    calls: CallLimits = field(default_factory=CallLimits)


class Core:
    """A node without its listeners: hand it streams, it serves them.

    Built in two steps, because services want the signals that it has, and it wants their
    registry: make it, then complete it with `serve`.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        views: Views,
        head: Head,
        limits: CoreLimits,
        metrics: CollectorRegistry,
    ) -> None:
        self.store = store
        self.clock = clock
        self.views = views
        self.limits = limits
        self.metrics = metrics
        self.hub = Hub(store)
        self.signals = LiveSignals(self.hub)
        self.renderer = Renderer(views)
        self.delivery = Delivery(store, self.hub, views, self.renderer, head)
        self.batcher = Batcher(store, clock, self._committed)
        self.hints = HintTeller(store, self.hub, self.signals)
        self.presence = PresenceKeeper(store, self.hub, self.signals, clock)
        self.last_uses = LastUses(store)
        self.consumers: list[Consumer] = []
        self.gateway: Gateway
        self._add_gauges()

    def add_consumers(self, projections: Iterable[Projection | VisibleProjection]) -> None:
        self.consumers += [
            Consumer(projection, self.store, self.batcher, self.clock, self.hints.offer)
            for projection in projections
        ]

    def serve(
        self,
        registry: Registry,
        authenticate: Callable[[str], Awaitable[SessionRecord]],
        living: Callable[[int], Awaitable[SessionRecord]],
        version: str,
        *,
        fast: bool = False,
    ) -> None:
        """Completes the node with its handlers. With `fast`, sockets (not other streams) are
        served by the fast transport, which needs Linux."""
        limits = self.limits.gateway
        dispatcher = Dispatcher(
            registry,
            self.store,
            self.batcher,
            self.clock,
            CallMetrics(self.metrics),
            self.limits.calls,
        )
        self.gateway = Gateway(
            Node(
                dispatcher=dispatcher,
                hub=self.hub,
                delivery=self.delivery,
                catch_up=CatchUp(self.store, self.delivery, self.views, self.renderer, limits),
                presence=self.presence,
                signals=self.signals,
                authenticate=authenticate,
                living=living,
                clock=self.clock,
                limits=limits,
                metrics=GatewayMetrics(self.metrics),
                hellos=RateLimiter(limits.hello_rate),
                version=version,
            ),
            fast=fast,
        )

    @asynccontextmanager
    async def running(self, grace: float = 10.0) -> AsyncIterator[None]:
        """Runs the background tasks. On the way out the sessions are sent away within `grace`
        seconds, and what they were promised is committed."""
        async with trio.open_nursery() as nursery:
            batching = trio.Event()

            async def batch() -> None:
                try:
                    await self.batcher.run()
                finally:
                    batching.set()

            nursery.start_soon(batch)
            nursery.start_soon(self.delivery.run)
            nursery.start_soon(self.hints.run)
            nursery.start_soon(self.signals.run)
            nursery.start_soon(self.presence.run)
            nursery.start_soon(self.last_uses.run)
            await nursery.start(self.gateway.run)
            nursery.start_soon(self._keep_house)
            for consumer in self.consumers:
                nursery.start_soon(consumer.run)
            try:
                yield
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + grace + 5):
                    await self.gateway.drain(grace)
                    self.batcher.close()
                    await batching.wait()
                    with contextlib.suppress(StoreError):
                        await self.last_uses.store()
                nursery.cancel_scope.cancel()

    async def settled(self) -> None:
        """Returns when everything committed so far has been consumed and delivered."""
        for consumer in self.consumers:
            await consumer.wait_idle()
        await self.delivery.wait_for(self.delivery.wanted)

    def _committed(self, batch: Batch) -> None:
        self.delivery.offer(batch.entries)
        # Entries of a commit whose answer was lost are in no batch.
        self.delivery.expect(batch.head.position)
        for consumer in self.consumers:
            consumer.notice(batch.entries)

    async def _keep_house(self) -> None:
        while True:
            await trio.sleep(HOUSEKEEPING)
            try:
                await self.store.write(forget_old_ops, self.clock.now_ms())
                await self.store.write(forget_old_codes, self.clock.now_ms())
                await self.store.write(forget_old_guesses, self.clock.now_ms())
            except StoreError as error:  # there is a next time
                log.warning("housekeeping failed", error=str(error))

    def _add_gauges(self) -> None:
        gauges: Sequence[tuple[str, str, Callable[[], float]]] = (
            ("sunwire_log_position", "Delivery position.", lambda: self.delivery.position),
            ("sunwire_batcher_waiting", "Changes queued.", self.batcher.waiting),
            ("sunwire_batches", "Batches committed.", lambda: self.batcher.batches),
            ("sunwire_changes", "Changes committed.", lambda: self.batcher.changes),
            ("sunwire_users_online", "Users here.", lambda: self.hub.statistics()["users"]),
        )
        for name, text, value in gauges:
            Gauge(name, text, registry=self.metrics).set_function(value)
