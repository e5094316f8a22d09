"""A part of the log in memory: contiguous, whatever comes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from store.kafka.window import Counts, Window
from store.log import Entry, Kind, Stream
from tests.store.kafka.copies import entries, entry


def positions(found: Iterable[Entry]) -> list[int]:
    return [one.position for one in found]


def test_it_has_what_follows() -> None:
    window = Window(10, 100, Counts())
    assert window.reached == 10
    assert not window.has(10)
    window.add(entries(11, 13))
    assert window.reached == 13
    assert [window.has(after) for after in (9, 10, 12, 13)] == [False, True, True, False]
    assert window.pick(10, 2, ()) == (10, 12, entries(11, 12))
    assert window.pick(12, 2, ()) == (12, 13, entries(13, 13))


def test_it_may_begin_with_whatever_comes() -> None:
    counts = Counts()
    window = Window(-1, 100, counts)
    assert window.reached == -1
    assert not window.has(-1)
    window.add(entries(11, 12))
    assert (window.after, window.reached, counts) == (10, 12, Counts())


def test_what_comes_again_is_dropped() -> None:
    counts = Counts()
    window = Window(10, 100, counts)
    window.add([*entries(9, 12), *entries(11, 14)])
    assert positions(window.pick(10, 100, ()).entries) == [11, 12, 13, 14]
    assert counts == Counts(doubles=4)


def test_behind_a_gap_it_begins_anew() -> None:
    counts = Counts()
    window = Window(10, 100, counts)
    window.add([*entries(11, 12), *entries(15, 16)])
    assert not window.has(10)
    assert not window.has(13)
    assert positions(window.pick(14, 100, ()).entries) == [15, 16]
    assert counts == Counts(gaps=1)


@pytest.mark.parametrize("portion", [1, 3, 50])
def test_it_keeps_the_latest(portion: int) -> None:
    window = Window(0, 10, Counts())
    for first in range(1, 101, portion):
        window.add(entries(first, min(first + portion - 1, 100)))
        assert window.reached - window.after <= 20
    assert window.reached == 100
    assert window.has(90)
    assert positions(window.pick(90, 100, ()).entries) == list(range(91, 101))


def test_of_the_kinds_asked_for_it_gives_so_many() -> None:
    window = Window(0, 100, Counts())
    window.add(entry(n, Kind.FOLLOWED if n in (2, 5, 6) else Kind.RECEIPT) for n in range(1, 9))
    kinds = {Kind.FOLLOWED, Kind.UNFOLLOWED}
    first = window.pick(0, 2, kinds)
    assert (positions(first.entries), first.reached) == ([2, 5], 5)
    rest = window.pick(5, 2, kinds)
    assert (positions(rest.entries), rest.reached) == ([6], 8)  # there is nothing else up to there
    assert window.pick(6, 2, kinds) == (6, 8, [])
    assert window.kinds(1) == {Kind.FOLLOWED, Kind.RECEIPT}
    assert window.kinds(6) == {Kind.RECEIPT}


def test_streams_do_not_matter() -> None:
    window = Window(0, 100, Counts())
    window.add([entry(1), entry(2, stream=Stream.room(3))])
    assert positions(window.pick(0, 9, ()).entries) == [1, 2]
