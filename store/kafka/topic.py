"""A topic of Kafka as a copy of the log: one partition, positions ascending.

Everything here blocks, and is for one thread at a time; while it waits, it calls `check_stop`
twice a second, which may raise, as `trio.from_thread.check_cancelled` does. The driver's errors
become `Unavailable` (or `Fenced`); after one, close what raised it and open another.

Records are written in transactions of one name. Who opens a writer ends that of everybody before
him, on the broker: a writer that stood still while another took over can add nothing any more.
So each position comes once and in order, and its place is found by halving.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from store.errors import Unavailable
from store.kafka.address import Address
from store.kafka.entries import decode_value, encode_key, encode_value
from store.log import Entry
from store.queries.leases import Fenced

PARTITION = 0  # as in the log
ANSWER = 5.0  # seconds for the broker to answer
QUICK_MS = 10  # for a request to wait for something new, where nothing new is waited for
PAUSE = 0.1  # seconds until a broker that does not know a topic, made just now, is asked again
SLICE = 0.5  # seconds between two calls of `check_stop`
PORTION = 2_000  # entries read at once
ABANDONED_MS = 10_000  # after which the broker undoes the transaction of a writer that is gone

# What the driver would print is in the errors that we raise.
_silent = logging.Logger("kafka")
_silent.addHandler(logging.NullHandler())

_COMMON: dict[str, Any] = {
    "logger": _silent,
    "reconnect.backoff.max.ms": 1_000,
    "socket.connection.setup.timeout.ms": round(ANSWER * 1000),
}

_READING: dict[str, Any] = {
    "group.id": "sunwire",  # asked for, not used: offsets are positions, kept in the database
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    # Small portions, and few in advance. With the driver's own values a jump to another place
    # waits for what was on its way from the old one: measured on one machine, 200 ms instead of
    # 3, and half as many entries a second.
    "fetch.message.max.bytes": 100_000,
    "queued.min.messages": 1,
    "fetch.queue.backoff.ms": 1,
}

_FENCED = (
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
)
_AWAY = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
_NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION)

_READ, _WRITTEN = "the topic cannot be read", "the topic cannot be written"


def check_reachable(address: Address) -> None:
    """Raises `Unavailable` where no broker answers."""
    with _mapped(f"no broker of {address} answers"):
        AdminClient(client_config(address)).list_topics(timeout=ANSWER)


class TopicReader:
    """Reads the entries of a topic from some place on. `ended` tells whether the last read came
    to the end of what there is."""

    def __init__(
        self, address: Address, topic: str, check_stop: Callable[[], None], wait_ms: int
    ) -> None:
        """`wait_ms` is how long a request waits at the broker for something new. A jump from
        the end to another place takes as long."""
        self._place = TopicPartition(topic, PARTITION)
        self._check_stop = check_stop
        with _mapped("no consumer"):
            self._consumer = Consumer(
                {**client_config(address), **_READING, "fetch.wait.max.ms": wait_ms}
            )
        self.ended = False

    def last(self) -> Entry | None:
        """The last entry, or None where there is none. What is read next comes behind it."""
        low, high = self._bounds()
        back = 2  # an entry, and the end of its transaction
        while True:
            start = max(low, high - back)
            self._go_to(start)
            found = None
            for entry in self._until_end():
                found = entry
            if found is not None or start == low:
                return found
            back *= 8  # only ends of transactions there, or of what was undone

    def used(self) -> bool:
        """Whether anything was ever written to it."""
        return self._bounds()[1] > 0

    def seek(self, after: int) -> int:
        """Makes what is read next be the first entry behind a position, and returns its own
        position; 0 where there is none yet. That it is not the next one means that those between
        are not in the topic, or not any more."""
        low, high = self._bounds()
        while low < high:
            middle = (low + high) // 2
            found = self._first(middle)
            if found is None or decode_value(found.value()).position > after:
                high = middle
            else:
                low = (found.offset() or 0) + 1
        first = self._first(low)
        if first is None:
            return 0
        self._go_to(low)
        return decode_value(first.value()).position

    def read(self, most: int, wait: float) -> list[Entry]:
        """The next entries, at most so many (and at least 2): those that are there, or the first
        that come within `wait` seconds."""
        with _mapped(_READ):
            first = self._consumer.poll(wait)
            if first is None:
                return []
            messages = [first, *self._consumer.consume(most - 1, 0)]
            return [decode_value(one.value()) for one in messages if not self._is_end(one)]

    def next(self) -> list[Entry]:
        """The next entries, which are there; none at the end."""
        for _ in _slices(self._check_stop):
            entries = self.read(PORTION, SLICE)
            if entries or self.ended:
                return entries
        raise Unavailable(f"{_READ}: no answer in time")

    def close(self) -> None:
        self._consumer.close()

    def _bounds(self) -> tuple[int, int]:
        """The first offset, and the one behind the last that is committed."""
        for last in _slices(self._check_stop):
            with _mapped(_READ):
                try:
                    found = self._consumer.get_watermark_offsets(self._place, timeout=SLICE)
                except KafkaException as error:
                    if last or _reason(error).code() not in (*_AWAY, *_NO_TOPIC):
                        raise
                    time.sleep(PAUSE)
                    continue
            if found is not None:
                return found
        raise Unavailable(f"{_READ}: no answer in time")

    def _go_to(self, offset: int) -> None:
        self.ended = False
        with _mapped(_READ):
            self._consumer.assign([TopicPartition(self._place.topic, PARTITION, offset)])

    def _first(self, offset: int) -> Message | None:
        """The first record at an offset or behind it."""
        self._go_to(offset)
        with _mapped(_READ):
            for _ in _slices(self._check_stop):
                message = self._consumer.poll(SLICE)
                if message is not None:
                    return None if self._is_end(message) else message
        raise Unavailable(f"{_READ}: no answer in time")

    def _until_end(self) -> Iterator[Entry]:
        while not self.ended:
            yield from self.next()

    def _is_end(self, message: Message) -> bool:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        self.ended = error is not None
        return self.ended


class TopicWriter:
    """Appends entries to a topic, which it makes where there is none. `last` is the entry that
    the topic ended with when it was opened. Where it is None, `emptied` tells whether there were
    some, which have been removed for their age."""

    def __init__(self, address: Address, topic: str, check_stop: Callable[[], None]) -> None:
        self._topic = topic
        self._check_stop = check_stop
        _make_topic(address, topic)
        with _mapped("no producer"):
            self._producer = Producer(
                {
                    **client_config(address),
                    "transactional.id": topic,
                    "transaction.timeout.ms": ABANDONED_MS,
                    "acks": "all",
                    "compression.type": "lz4",
                    "linger.ms": 0,
                }
            )
        try:
            # Whoever wrote before cannot any more; what he left unfinished is undone.
            self._patiently(self._producer.init_transactions)
            reader = TopicReader(address, topic, check_stop, QUICK_MS)
            try:
                self.last = reader.last()
                self.emptied = self.last is None and reader.used()
            finally:
                reader.close()
        except BaseException:
            self.close()
            raise

    def append(self, entries: Sequence[Entry]) -> None:
        """All of them, durably, or none. Raises `Fenced` where another writer has been opened
        since, and `Unavailable` where it is not known whether they were."""
        with _mapped(_WRITTEN):
            self._producer.begin_transaction()
            for entry in entries:
                self._producer.produce(
                    self._topic,
                    key=encode_key(entry),
                    value=encode_value(entry),
                    partition=PARTITION,
                    timestamp=entry.at_ms,
                )
        self._patiently(self._producer.commit_transaction)

    def close(self) -> None:
        with suppress(KafkaException):
            self._producer.purge()
        del self._producer

    def _patiently(self, action: Callable[[float], None]) -> None:
        """An action that goes on when it is called again after its time was up."""
        for last in _slices(self._check_stop):
            with _mapped(_WRITTEN):
                try:
                    action(SLICE)
                except KafkaException as error:
                    if last or not _reason(error).retriable():
                        raise
                else:
                    return


def _slices(check_stop: Callable[[], None]) -> Iterator[bool]:
    """For what is tried for `SLICE` seconds each time: whether it is the last time."""
    for left in reversed(range(round(ANSWER / SLICE))):
        check_stop()
        yield left == 0


def _make_topic(address: Address, topic: str) -> None:
    """With the replication and the retention that the brokers have by default."""
    admin = AdminClient(client_config(address))  # what it has promised ends with it
    made = admin.create_topics(
        [NewTopic(topic, num_partitions=1, replication_factor=-1)], request_timeout=ANSWER
    )
    with _mapped("the topic cannot be made"):
        try:
            made[topic].result()
        except KafkaException as error:
            if _reason(error).code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def client_config(address: Address) -> dict[str, Any]:
    """What all clients of the driver are made with."""
    return {**_COMMON, "bootstrap.servers": ",".join(address.servers)}


def _reason(error: KafkaException) -> KafkaError:
    found: KafkaError = error.args[0]
    return found


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        reason = _reason(error)
        if reason.code() in _FENCED:
            raise Fenced("another writer has the topic") from error
        if reason.code() in _NO_TOPIC:
            raise Unavailable(f"{what}: there is none yet") from error
        raise Unavailable(f"{what}: {reason.str()}") from error
    except BufferError as error:  # of the driver, which sends as fast as it can
        raise Unavailable(f"{what}: too much waits") from error
