"""Who connects: the same for every server."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.compare.population import ROOM_SIZE, imagined, populate, rooms_of
from store.queries.resume import memberships
from store.sqlite import SqliteStore


@pytest.mark.parametrize("count", [7, 50, 120])
def test_each_has_five_rooms_and_none_twice(count: int) -> None:
    for person in imagined("five", count).people:
        assert len(set(person.rooms)) == 5
    assert max(len(members) for members in rooms_of("five", count)) <= ROOM_SIZE


def test_one_room_has_everybody() -> None:
    assert rooms_of("one", 3) == [[0, 1, 2]]
    assert [person.rooms for person in imagined("one", 3).people] == [[1]] * 3
    with pytest.raises(ValueError, match="not one or five"):
        rooms_of("six", 3)


async def test_the_database_knows_them(tmp_path: Path) -> None:
    made = await populate(tmp_path / "sunwire.db", "five", 60)
    store = SqliteStore.open(tmp_path / "sunwire.db", readers=1)
    try:
        for person in (made.people[0], made.people[59]):
            rooms, _ = await store.read(memberships, person.user_id)
            assert set(rooms) == set(person.rooms)
            assert len(rooms) == 5
        assert len((await store.read(memberships, made.speaker.user_id))[0]) == 10
    finally:
        await store.aclose()


async def test_all_of_a_room_are_in_it(tmp_path: Path) -> None:
    made = await populate(tmp_path / "sunwire.db", "one", 20)
    assert {tuple(person.rooms) for person in made.people} == {tuple(made.people[0].rooms)}
