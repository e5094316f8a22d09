"""What clients see of a server, in a process that does not write."""

from __future__ import annotations

from collections.abc import Iterable

import trio
from prometheus_client import CollectorRegistry

from realtime.core import CoreLimits, Front
from realtime.link.link import Link
from realtime.link.online import PresenceReporter
from realtime.link.remote import RemoteStore, SharedSignals
from rpc.context import Clock
from rpc.views import Views
from store.interface import Reads
from store.log import Entry, Head
from store.sources import Source


class WorkerFront(Front):
    """A front that hands what is written to the writer, and follows what that one tells
    (`realtime.link.link.Follower`). `head` may be older than the link."""

    presence: PresenceReporter

    def __init__(
        self,
        reads: Reads,
        link: Link,
        clock: Clock,
        views: Views,
        head: Head,
        limits: CoreLimits,
        metrics: CollectorRegistry,
        source: Source | None = None,
    ) -> None:
        super().__init__(RemoteStore(reads, link), clock, views, head, limits, metrics, source)
        self.committer = link
        self.log_replaced = trio.Event()
        self.signals = SharedSignals(self.hub, self.local, link)
        self.presence = PresenceReporter(self.hub, link.present)
        link.follower = self

    def entries(self, entries: list[Entry]) -> None:
        self.delivery.offer(entries)

    def welcomed(self, position: int, epoch: int) -> None:
        if epoch != self.delivery.epoch:
            self.log_replaced.set()
        self.reached(position)

    def reached(self, position: int) -> None:
        self.delivery.expect(position)

    def here(self) -> Iterable[int]:
        return self.presence.here
