"""What the copy of the log rests on: how a real broker deals with writers and readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from random import Random

import pytest

from store.errors import Unavailable
from store.kafka.entries import encode_key, encode_value
from store.queries.leases import Fenced
from tests.contracts.kafka import Topic, new_topic
from tests.store.kafka.copies import entries

pytestmark = pytest.mark.real


@pytest.fixture
def topic() -> Iterator[Topic]:
    made = new_topic()
    yield made
    made.drop()


def test_a_new_topic_has_nothing(topic: Topic) -> None:
    with closing(topic.writer()) as writer:
        assert writer.last is None
    with closing(topic.reader()) as reader:
        assert reader.last() is None
        assert reader.seek(0) == 0
        assert reader.next() == []


def test_a_topic_that_is_not_there_is_waited_for(topic: Topic) -> None:
    with closing(topic.reader()) as reader, pytest.raises(Unavailable):
        reader.last()
    topic.write(entries(1, 2))


def test_what_is_written_is_read_from_any_position(topic: Topic) -> None:
    """Positions are not offsets: the ends of transactions are between them."""
    everything = entries(101, 160)
    random, first = Random(1), 0
    with closing(topic.writer()) as writer:
        while first < len(everything):
            count = random.randint(1, 9)
            writer.append(everything[first : first + count])
            first += count
    for after in [100, 159, *(random.randint(101, 158) for _ in range(8))]:
        assert topic.read(after) == everything[after - 100 :]
    for after in (50, 99, 160, 500):
        assert topic.read(after) == []
    with closing(topic.reader()) as reader:
        assert reader.seek(50) == 101
        assert reader.next()[0].position == 101
        assert reader.last() == everything[-1]
        assert reader.next() == []
        topic.write(entries(161, 162))
        assert reader.read(10, 10) == entries(161, 162)


def test_the_next_writer_goes_on_behind_the_last_entry(topic: Topic) -> None:
    topic.write(entries(1, 3))
    with closing(topic.writer()) as writer:
        assert writer.last == entries(3, 3)[0]


def test_a_writer_that_was_overtaken_adds_nothing(topic: Topic) -> None:
    with closing(topic.writer()) as slow:
        slow.append(entries(1, 3))
        # He stands still in the middle of a transaction, with records at the broker already.
        slow._producer.begin_transaction()
        for one in entries(4, 6):
            slow._producer.produce(topic.name, encode_value(one), encode_key(one), 0)
        slow._producer.flush(10)
        with closing(topic.writer()) as quick:
            assert quick.last == entries(3, 3)[0]
            quick.append(entries(4, 5))
            with pytest.raises(Fenced):
                slow._patiently(slow._producer.commit_transaction)
            quick.append(entries(6, 6))
        with closing(topic.reader()) as reader:
            assert reader.last() == entries(6, 6)[0]
    assert topic.read(0) == entries(1, 6)


def test_what_was_undone_is_passed_over(topic: Topic) -> None:
    """However much of it is at the end."""
    topic.write(entries(1, 3))
    with closing(topic.writer()) as unlucky:
        for _ in range(3):
            unlucky._producer.begin_transaction()
            for one in entries(4, 40):
                unlucky._producer.produce(topic.name, encode_value(one), encode_key(one), 0)
            unlucky._producer.flush(10)
            unlucky._producer.abort_transaction(10)
    with closing(topic.writer()) as writer:
        assert writer.last == entries(3, 3)[0]
        writer.append(entries(4, 5))
    assert topic.read(0) == entries(1, 5)
    assert topic.read(3) == entries(4, 5)


def test_what_was_removed_for_its_age_leaves_a_trace(topic: Topic) -> None:
    with closing(topic.writer()) as writer:
        assert not writer.emptied
    topic.write(entries(1, 3))
    with closing(topic.writer()) as writer:
        writer.append(entries(4, 5))
        topic.forget()
    with closing(topic.writer()) as writer:
        assert (writer.last, writer.emptied) == (None, True)
        writer.append(entries(6, 7))
    assert topic.read(2) == []
    assert topic.read(5) == entries(6, 7)
    with closing(topic.reader()) as reader:
        assert reader.seek(2) == 6


def test_a_reader_stops_when_it_is_told_to(topic: Topic) -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    topic.write(entries(1, 3))
    with closing(topic.reader()) as reader:
        reader._check_stop = stop
        with pytest.raises(Stopped):
            reader.last()
    with closing(topic.writer()) as writer:
        writer._check_stop = stop
        with pytest.raises(Stopped):
            writer.append(entries(4, 4))
