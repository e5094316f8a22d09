"""The log is read in order and without a gap, from any position, wherever it is read from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

import pytest

from store.interface import Store
from store.log import Entry, Kind, Stream
from store.sources import Source
from tests.contracts.backends import BACKENDS, OpenStore, opener
from tests.contracts.sources import SOURCES, OpenSource
from tests.contracts.statements import Put, log_of, run

NOW = 1_700_000_000_000
COUNT = 40
FOLLOWED = (7, 8, 20, 33, 40)


class Case(NamedTuple):
    open_store: OpenStore
    open_source: OpenSource


CASES = [
    *((backend, "database") for backend in BACKENDS),
    *(("sqlite-in-memory", source) for source in SOURCES if source != "database"),
]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    backend, source = request.param
    with BACKENDS[backend].start() as databases:
        yield Case(opener(databases), SOURCES[source])


@pytest.fixture(scope="module")
def open_store(case: Case) -> OpenStore:
    return case.open_store


@pytest.fixture
def open_source(case: Case) -> OpenSource:
    return case.open_source


async def put(store: Store, count: int) -> None:
    """So many entries, in commits of several."""
    for first in range(1, count + 1, 3):
        names = range(first, min(first + 3, count + 1))
        await store.commit([Put(name=name, value=name) for name in names], NOW)


async def two_kinds(store: Store) -> None:
    await put(store, COUNT)
    marks = ", ".join(map(str, FOLLOWED))
    await store.write(
        run, f"UPDATE log SET kind = ? WHERE position IN ({marks})", str(Kind.FOLLOWED)
    )


async def read_on(
    source: Source, after: int, up_to: int, limit: int, kinds: Collection[Kind] = ()
) -> list[Entry]:
    """What lies behind a position up to another, in portions."""
    entries: list[Entry] = []
    while after < up_to:
        stretch = await source.read(after, limit, kinds)
        assert stretch.after == after
        assert stretch.reached >= after
        assert len(stretch.entries) <= limit
        assert stretch.entries or stretch.reached >= up_to
        assert all(after < entry.position <= stretch.reached for entry in stretch.entries)
        entries += stretch.entries
        after = stretch.reached
    return entries


@pytest.mark.parametrize("limit", [1, 7, 1000])
async def test_all_entries_come_in_order(store: Store, open_source: OpenSource, limit: int) -> None:
    await put(store, COUNT)
    async with open_source(store) as source:
        entries = await read_on(source, 0, COUNT, limit)
    assert [entry.position for entry in entries] == list(range(1, COUNT + 1))
    assert entries == await log_of(store)


async def test_an_entry_is_the_same_from_everywhere(store: Store, open_source: OpenSource) -> None:
    await store.commit([Put(name=(1 << 62) + 5, value=(1 << 62) + 7)], NOW)
    async with open_source(store) as source:
        (entry,) = await read_on(source, 0, 1, 10)
    assert entry == Entry(
        position=1,
        at_ms=NOW,
        kind=Kind.PROFILE_CHANGED,
        stream=Stream.user((1 << 62) + 5),
        sequence=1,
        actor_id=(1 << 62) + 5,
        subject_id=(1 << 62) + 7,
    )


async def test_reading_goes_on_from_any_position(store: Store, open_source: OpenSource) -> None:
    await put(store, COUNT)
    async with open_source(store) as source:
        for after in (0, 39, 17, 1, 38, 20):
            entries = await read_on(source, after, COUNT, 9)
            assert [entry.position for entry in entries] == list(range(after + 1, COUNT + 1))


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_only_the_kinds_asked_for_come(
    store: Store, open_source: OpenSource, limit: int
) -> None:
    await two_kinds(store)
    async with open_source(store) as source:
        for after in (0, 7, 21, 35):
            entries = await read_on(source, after, COUNT, limit, {Kind.FOLLOWED})
            assert [e.position for e in entries] == [one for one in FOLLOWED if one > after]
        assert await read_on(source, 0, COUNT, limit, {Kind.POST_LIKED}) == []


async def test_beyond_the_head_there_is_nothing_yet(store: Store, open_source: OpenSource) -> None:
    async with open_source(store) as source:
        assert await source.read(0, 10) == (0, 0, [])
        assert await source.read(0, 10, {Kind.FOLLOWED}) == (0, 0, [])
        await put(store, 3)
        await read_on(source, 0, 3, 10)
        for after in (3, 7):
            assert await source.read(after, 10) == (after, after, [])
            assert await source.read(after, 10, {Kind.FOLLOWED}) == (after, after, [])


async def test_a_look_tells_how_far_it_reaches_and_of_what(
    store: Store, open_source: OpenSource
) -> None:
    await two_kinds(store)
    async with open_source(store) as source:
        await read_on(source, 0, COUNT, 1000)
        assert set((await source.look(-1)).kinds) == set(Kind)
        for after, kinds in (
            (0, {Kind.PROFILE_CHANGED, Kind.FOLLOWED}),
            (36, {Kind.PROFILE_CHANGED, Kind.FOLLOWED}),
            (39, {Kind.FOLLOWED}),
        ):
            news = await source.look(after)
            assert news.position == COUNT
            assert set(news.kinds) >= kinds  # it may not know what there is further back
        for after in (COUNT, COUNT + 5):
            assert set((await source.look(after)).kinds) == set()


async def test_what_is_committed_meanwhile_follows(store: Store, open_source: OpenSource) -> None:
    async with open_source(store) as source:
        for count in (3, 6, 9):
            await put(store, 3)
            entries = await read_on(source, count - 3, count, 100)
            assert entries == await log_of(store, count - 3)
            assert (await source.look(count - 1)).position == count
