"""Who connects, and to which rooms they belong."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from realtime.bench import population
from store.changes.rooms import CreateGroup
from store.sqlite import SqliteStore

ROOM_SIZE = 50  # members of a room, where each has five


class Person(msgspec.Struct):
    """One session to open, as the load generator knows it."""

    token: str
    user_id: int
    rooms: list[int]


class Population(msgspec.Struct):
    people: list[Person]
    speaker: Person
    """Not one of the people; where each has five rooms, he belongs to all of them."""


def rooms_of(shape: str, count: int) -> list[list[int]]:
    """The rooms of `count` people, as lists of their numbers.

    `one`: a single room with all of them. `five`: each belongs to five rooms of fifty, never
    to the same one twice.
    """
    if shape == "one":
        return [list(range(count))]
    if shape != "five":
        raise ValueError(f"{shape!r} is not one or five")
    rooms = []
    for layer in range(5):
        order = list(range(count))
        random.Random(layer).shuffle(order)
        rooms += [order[at : at + ROOM_SIZE] for at in range(0, count, ROOM_SIZE)]
    return rooms


def imagined(shape: str, count: int) -> Population:
    """For servers without accounts: the token says whose it is and which rooms he has."""
    rooms: list[list[int]] = [[] for _ in range(count)]
    for number, members in enumerate(rooms_of(shape, count), 1):
        for member in members:
            rooms[member].append(number)
    people = [
        Person(f"{number + 1}:{','.join(map(str, own))}", number + 1, own)
        for number, own in enumerate(rooms)
    ]
    return Population(people, Person(f"{count + 1}:", count + 1, []))


async def populate(database: Path, shape: str, count: int) -> Population:
    """Makes the same people in a new database of Sunwire, each with a living session."""
    store = SqliteStore.open(database, readers=1)
    try:
        await store.migrate()
        made = await population.sign_up(store, count + 1)
        people = [Person(one.token, one.user_id, []) for one in made]
        speaker = people.pop()
        rooms = rooms_of(shape, count)
        groups = [
            CreateGroup(
                user_id=(speaker if shape == "five" else people[members[0]]).user_id,
                title=f"room {number}",
                user_ids=tuple(people[member].user_id for member in members),
            )
            for number, members in enumerate(rooms)
        ]
        for at in range(0, len(groups), population.CHUNK):
            ids = await population.commit_all(store, groups[at : at + population.CHUNK])
            for room_id, members in zip(ids, rooms[at : at + population.CHUNK], strict=True):
                for member in members:
                    people[member].rooms.append(room_id)
        return Population(people, speaker)
    finally:
        await store.aclose()
