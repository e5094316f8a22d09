"""The copy of the log that the settings name, if they name one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import trio
from prometheus_client import CollectorRegistry, Gauge

from realtime.events.relay import LogCopy, Relay
from realtime.settings import Settings
from realtime.startup import StartError
from realtime.stores import SQLITE
from rpc.context import Clock
from store.errors import StoreError
from store.interface import Reads, Store
from store.kafka.address import Address, parse
from store.kafka.source import KafkaSource

T = TypeVar("T")


async def check_topic(settings: Settings) -> None:
    """Raises `StartError` where there is to be a copy, and there is no broker for it."""
    topic = find_topic(settings)
    if topic is None:
        return
    try:
        await trio.to_thread.run_sync(topic.driver.check_reachable, topic.address)
    except StoreError as error:
        raise StartError(
            f"--log-copy: {error}; without it, the log is read from the database"
        ) from error


def find_topic(settings: Settings) -> Topic | None:
    """None where there is to be no copy. Asks no broker. Raises `StartError`."""
    if not settings.log_copy:
        return None
    try:
        address = parse(settings.log_copy)
    except ValueError as error:
        raise StartError(f"--log-copy is not the URL of a topic: {error}") from None
    if settings.store == SQLITE:
        raise StartError("--log-copy is for servers that share a database: give its --store")
    try:
        from store.kafka import topic as driver
    except ModuleNotFoundError as error:
        if error.name != "confluent_kafka":
            raise
        raise StartError(
            "--log-copy needs the package confluent-kafka: install requirements/full.txt, or "
            "sunwire[kafka]"
        ) from error
    return Topic(address, driver)


class Topic:
    """The topics at an address, one for each epoch of the log."""

    def __init__(self, address: Address, driver: Any) -> None:
        """`driver` is the module `store.kafka.topic`, which not everybody can import."""
        self.address = address
        self.driver = driver

    def source(self, table: Reads, epoch: int, metrics: CollectorRegistry) -> KafkaSource:
        """What it is read by, with figures of how that goes."""
        source = KafkaSource(table, self._opens(self.driver.TopicReader, epoch))
        counts = source.counts
        _gauges(
            metrics,
            ("sunwire_kafka_position", "How far Kafka was read.", lambda: source.position),
            ("sunwire_kafka_late", "1 while the table is read instead.", lambda: source.behind),
            ("sunwire_kafka_misses", "Times that Kafka was late.", lambda: counts.misses),
            ("sunwire_kafka_from_table", "Entries so read.", lambda: counts.from_table),
            ("sunwire_kafka_doubles", "Entries that came again.", lambda: counts.doubles),
            ("sunwire_kafka_gaps", "Times that entries were missing.", lambda: counts.gaps),
        )
        return source

    def copy(self, store: Store, epoch: int, clock: Clock, metrics: CollectorRegistry) -> LogCopy:
        """What it is read by and what fills it, with figures of how that goes."""
        relay = Relay(store, clock, self._opens(self.driver.TopicWriter, epoch))
        _gauges(
            metrics,
            ("sunwire_relay_copied", "Entries copied to Kafka here.", lambda: relay.copied),
            ("sunwire_relay_lag", "Entries that were still to be copied.", lambda: relay.lag),
        )
        return LogCopy(self.source(store, epoch, metrics), relay)

    def _opens(self, kind: Callable[..., T], epoch: int) -> Callable[..., T]:
        topic = self.address.topic_of(epoch)
        return partial(kind, self.address, topic, trio.from_thread.check_cancelled)


def _gauges(metrics: CollectorRegistry, *gauges: tuple[str, str, Callable[[], float]]) -> None:
    for name, text, value in gauges:
        Gauge(name, text, registry=metrics).set_function(value)
