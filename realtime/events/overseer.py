"""How all consumers stand, looked at from every node: figures for Prometheus, and a word to those
here when an operator wants something of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog
import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from realtime.events.consumers import Consumer
from store.errors import StoreError
from store.interface import Reads
from store.projections.offsets import Role
from store.queries.consumers import Status, statuses

log = structlog.get_logger("consumers")

EVERY = 1.0  # seconds
RARELY = 60  # looks between two at which who has anything behind it is woken
FAR = 1_000  # entries, none of them its business, that a consumer may have behind it


class Overseer(Collector):
    """Looks every second. Its figures are of all consumers, whichever node runs them, so that
    they say so when none does; they are absent while the store is."""

    def __init__(
        self,
        store: Reads,
        consumers: Sequence[Consumer],
        owns: Callable[[str], bool],
        metrics: CollectorRegistry,
        others: Iterable[str] = (),
    ) -> None:
        """`owns` tells whether this node runs the consumer of a name. `others` have an offset,
        too, and want to see all entries."""
        self._store = store
        self._consumers = {one.name: one for one in consumers}
        self._kinds = {one.name: one.kinds for one in consumers}
        self._kinds |= dict.fromkeys(others, frozenset())
        self._owns = owns
        self._found: list[Status] = []
        self._unknown: set[str] = set()
        metrics.register(self)

    async def run(self) -> None:
        for look in itertools.count(1):
            await trio.sleep(EVERY)
            try:
                self._found = await self._store.read(statuses, self._kinds)
            except StoreError as error:
                self._found = []
                log.warning("overseer waits for the store", error=str(error))
            for status in self._found:
                consumer = self._consumers.get(status.name)
                if status.name not in self._kinds:
                    self._report(status)
                elif consumer is not None and self._owns(status.name):
                    # Now and then at least, so that the log need not be kept for it.
                    behind = look % RARELY == 0 and status.position < status.head
                    if behind or wants(status, consumer):
                        consumer.wake()

    def _report(self, status: Status) -> None:
        if status.name not in self._unknown:
            self._unknown.add(status.name)
            log.warning("consumer without code", consumer=status.name, position=status.position)

    def collect(self) -> Iterator[Metric]:
        live = [one for one in self._found if one.role is Role.LIVE]
        building = [one for one in self._found if one.role is Role.BUILDING]
        for name, text, found, value in _FIGURES:
            family = GaugeMetricFamily(f"sunwire_consumer_{name}", text, labels=("consumer",))
            for status in live if found is Role.LIVE else building:
                family.add_metric((status.name,), float(value(status)))
            yield family
        family = GaugeMetricFamily(
            "sunwire_consumer_owned", "Whether this node runs it.", labels=("consumer",)
        )
        for consumer in self._kinds:
            family.add_metric((consumer,), float(self._owns(consumer)))
        yield family


_FIGURES: Sequence[tuple[str, str, Role, Callable[[Status], float]]] = (
    (
        "behind_entries",
        "Entries of the log from the first that it has yet to take.",
        Role.LIVE,
        lambda one: one.entries_behind,
    ),
    (
        "behind_seconds",
        "Seconds since that one was written.",
        Role.LIVE,
        lambda one: one.seconds_behind,
    ),
    ("dead_letters", "Entries that failed and are set aside.", Role.LIVE, lambda one: one.failed),
    ("parked", "Entries that wait behind those.", Role.LIVE, lambda one: one.parked),
    ("paused", "Whether an operator has paused it.", Role.LIVE, lambda one: one.paused),
    (
        "stopped",
        "Whether it stands still: too many entries are set aside, or those it needs are gone.",
        Role.LIVE,
        lambda one: one.stopped,
    ),
    (
        "rebuild_behind_entries",
        "The same entries of a generation that is being built.",
        Role.BUILDING,
        lambda one: one.entries_behind,
    ),
    (
        "rebuild_dead_letters",
        "The same letters; while there are any, it is not shown.",
        Role.BUILDING,
        lambda one: one.failed,
    ),
)


def wants(status: Status, consumer: Consumer) -> bool:
    """Whether there may be something to do for a consumer that rests."""
    if status.paused and consumer.halted == "paused":
        return False
    if consumer.halted == "full" and status.full and not status.retried:
        return status.role is Role.BUILDING
    return bool(
        status.entries_behind
        or status.retried
        or status.sweeping
        or status.role is Role.BUILDING
        or consumer.halted
        or status.paused
        or status.head - status.position > FAR
    )
