"""The heart of a node: log, consumers, delivery, gateway, over services that it is given."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import trio
from prometheus_client import CollectorRegistry, Gauge

from realtime.events.consumers import Consumer
from realtime.events.ledger import KEEP, Ledger
from realtime.events.relay import LogCopy
from realtime.events.retention import Keep
from realtime.gateway.catchup import CatchUp
from realtime.gateway.limits import GatewayLimits
from realtime.gateway.metrics import GatewayMetrics
from realtime.gateway.node import Node
from realtime.gateway.server import Gateway
from realtime.link.messages import Relay
from realtime.link.others import NoOthers, Others
from realtime.link.remote import SharedSignals
from realtime.push.delivery import Delivery
from realtime.push.hints import HintTeller
from realtime.push.render import Renderer
from realtime.rooms.hub import Hub
from realtime.rooms.presence import Comings, PresenceKeeper
from realtime.rooms.signals import Key, LiveSignals
from rpc.context import Clock, Committer, Presences, Signals
from rpc.dispatch import CallLimits, Dispatcher
from rpc.lastuse import LastUses
from rpc.metrics import CallMetrics
from rpc.rates import RateLimiter
from rpc.registry import Registry
from rpc.views import Views
from store.errors import StoreError
from store.interface import Queries, Store
from store.log import Batch, Entry, Head
from store.projections.base import CountsHint, HomeHint, Projection, VisibleProjection
from store.records import SessionRecord
from store.sources import Source


@dataclass(frozen=True)
class CoreLimits:
    gateway: GatewayLimits = field(default_factory=GatewayLimits)
    calls: CallLimits = field(default_factory=CallLimits)


class LiveNews(Signals, Presences, Protocol):
    """Ephemeral news, and who is here."""


class Front:
    """The side of a node that clients see: hand it streams, it serves them.

    Built in two steps, because services want the signals that it has, and it wants their
    registry: make it, then complete it with `serve`. Who makes it says how its sessions reach
    the rest: `committer`, `signals`, `presence`.
    """

    committer: Committer
    signals: LiveNews
    presence: Comings
    gateway: Gateway

    def __init__(
        self,
        store: Queries,
        clock: Clock,
        views: Views,
        head: Head,
        limits: CoreLimits,
        metrics: CollectorRegistry,
        source: Source | None = None,
    ) -> None:
        """The log is read from `source`, by default from the store."""
        self.store = store
        self.clock = clock
        self.views = views
        self.limits = limits
        self.metrics = metrics
        self.hub = Hub(store)
        self.renderer = Renderer(views)
        self.delivery = Delivery(store, self.hub, views, self.renderer, head, source)
        self.local = LiveSignals(self.hub)
        self.hints = HintTeller(store, self.local)
        self.last_uses = LastUses(store)
        gauges: Sequence[tuple[str, str, Callable[[], float]]] = (
            ("sunwire_log_position", "Delivery position.", lambda: self.delivery.position),
            ("sunwire_users_online", "Users here.", lambda: self.hub.statistics()["users"]),
        )
        for name, text, value in gauges:
            Gauge(name, text, registry=metrics).set_function(value)

    def serve(
        self,
        registry: Registry,
        authenticate: Callable[[str], Awaitable[SessionRecord]],
        living: Callable[[int], Awaitable[SessionRecord]],
        version: str,
        *,
        fast: bool = False,
    ) -> None:
        """Completes it with its handlers. With `fast`, sockets (not other streams) are
        served by the fast transport, which needs Linux."""
        limits = self.limits.gateway
        dispatcher = Dispatcher(
            registry,
            self.store,
            self.committer,
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
                signals=self.local,
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

    def told_hints(self, hints: Sequence[HomeHint | CountsHint]) -> None:
        """Another process, or another node, has news for whom it concerns here."""
        self.hints.offer(hints)

    def relayed(self, relay: Relay) -> None:
        """The same, with a signal."""
        key: Key = tuple(relay.key)
        if relay.room_id:
            self.local.pass_to_room(relay.room_id, key, relay.data, relay.except_user)
        else:
            self.local.pass_to_users(relay.user_ids, key, relay.data)

    @asynccontextmanager
    async def running(self, grace: float = 10.0) -> AsyncIterator[None]:
        """Runs the background tasks. On the way out the sessions are sent away within `grace`
        seconds."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.delivery.run)
            nursery.start_soon(self.hints.run)
            nursery.start_soon(self.local.run)
            nursery.start_soon(self.last_uses.run)
            await nursery.start(self.gateway.run)
            try:
                yield
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + grace + 5):
                    await self.gateway.drain(grace)
                    with contextlib.suppress(StoreError):
                        await self.last_uses.store()
                nursery.cancel_scope.cancel()


class Core(Front):
    """A whole node in one process. `others` tells the other nodes on the database
    (`realtime.link.others.Home` is what they tell this one)."""

    store: Store
    signals: SharedSignals
    presence: PresenceKeeper

    def __init__(
        self,
        store: Store,
        clock: Clock,
        views: Views,
        head: Head,
        limits: CoreLimits,
        metrics: CollectorRegistry,
        others: Others | None = None,
        copy: LogCopy | None = None,
    ) -> None:
        source = copy.source if copy is not None else None
        super().__init__(store, clock, views, head, limits, metrics, source)
        self.ledger = Ledger(
            store, head, clock, metrics, self._committed, self._hint, self._others_committed, copy
        )
        self.committer = self.batcher = self.ledger.batcher
        self.others = others or NoOthers()
        self.signals = SharedSignals(self.hub, self.local, self.others)
        self.presence = PresenceKeeper(store, self.hub, self.signals, clock, elsewhere=self.others)
        self.others.attach(self, self.ledger)

    def add_consumers(
        self, projections: Iterable[Projection | VisibleProjection], keep: Keep = KEEP
    ) -> None:
        self.ledger.add_consumers(projections, keep)

    @property
    def consumers(self) -> list[Consumer]:
        return self.ledger.consumers

    @asynccontextmanager
    async def running(self, grace: float = 10.0) -> AsyncIterator[None]:
        """Runs the background tasks. On the way out the sessions are sent away within `grace`
        seconds, and what they were promised is committed."""
        async with (
            self.others.running(),
            self.ledger.running(),
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self.presence.run)
            async with super().running(grace):
                yield
            nursery.cancel_scope.cancel()

    async def settled(self) -> None:
        """Returns when everything committed so far has been consumed and delivered."""
        await self.ledger.wait_idle()
        await self.delivery.wait_for(self.delivery.wanted)

    def _committed(self, batch: Batch) -> None:
        self.delivery.offer(batch.entries)
        # Entries of a commit whose answer was lost are in no batch.
        self.delivery.expect(batch.head.position)
        self.others.committed(batch.head.position)

    def _others_committed(self, entries: Sequence[Entry], position: int) -> None:
        self.delivery.offer(list(entries))
        self.delivery.expect(position)

    def _hint(self, hints: Sequence[HomeHint | CountsHint]) -> None:
        self.hints.offer(hints)
        self.others.hint(hints)

    def adopt(self, user_ids: Iterable[int]) -> None:
        """Users were online at another node, which has gone."""
        self.presence.adopt(user_ids)

    def elsewhere(self, user_ids: Sequence[int], online: bool) -> None:
        """Who wants to know asks `others`."""
