"""What a node loads when a user connects: his rooms, as they were at one position of the log."""

from __future__ import annotations

import random

import trio

from store.changes.rooms import AddMembers, CreateGroup, OpenDirect, RemoveMember
from store.errors import DomainError
from store.log import Entry, Kind
from store.queries.resume import memberships, stays_of
from tests.store.social import ANN, BEN, CAT, DAN, USERS, Social


def replayed(entries: list[Entry], user: int, up_to: int) -> dict[int, int]:
    """The rooms of a user, with the positions of his joinings, by the log alone."""
    rooms: dict[int, int] = {}
    for entry in entries:
        if entry.position > up_to or entry.subject_id != user:
            continue
        if entry.kind is Kind.MEMBER_JOINED:
            rooms[entry.stream.id] = entry.position
        elif entry.kind is Kind.MEMBER_LEFT:
            del rooms[entry.stream.id]
    return rooms


async def test_rooms_and_position_come_from_one_state(world: Social) -> None:
    """Joined to what the log says after that position, nothing is missed or doubled."""
    groups = [
        await world.do(CreateGroup(user_id=ANN, title=title, user_ids=(BEN,))) for title in "abc"
    ]
    done = False
    loaded: list[tuple[int, dict[int, int], int]] = []

    async def load(user: int) -> None:
        while not done:
            loaded.append((user, *await world.store.read(memberships, user)))

    async def come_and_go(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(25):
            group, user = chance.choice(groups), chance.choice((BEN, CAT, DAN))
            await world.commit(
                chance.choice(
                    [
                        AddMembers(user_id=ANN, room_id=group, user_ids=(user,)),
                        RemoveMember(user_id=ANN, room_id=group, target_id=user),
                    ]
                )
            )

    async with trio.open_nursery() as nursery:
        for user in (BEN, CAT):
            nursery.start_soon(load, user)
        async with trio.open_nursery() as writers:
            writers.start_soon(come_and_go, 1)
            writers.start_soon(come_and_go, 2)
        done = True
    entries = await world.entries()
    assert sum(entry.kind is Kind.MEMBER_LEFT for entry in entries) > 5
    loaded += [(user, *await world.store.read(memberships, user)) for user in USERS]
    for user, rooms, position in loaded:
        assert rooms == replayed(entries, user, position)


async def test_the_position_of_the_last_joining_counts(world: Social) -> None:
    assert await world.store.read(memberships, ANN) == ({}, 1000)
    group = await world.do(CreateGroup(user_id=ANN, title="boats", user_ids=(BEN,)))
    room = await world.do(OpenDirect(user_id=BEN, peer_id=CAT))
    rooms, position = await world.store.read(memberships, BEN)
    assert rooms.keys() == {group, room}
    assert position == await world.head()
    await world.do(RemoveMember(user_id=BEN, room_id=group, target_id=BEN))
    left = await world.head()
    assert (await world.store.read(memberships, BEN))[0] == {room: rooms[room]}
    await world.do(AddMembers(user_id=ANN, room_id=group, user_ids=(BEN,)))
    back = await world.head()
    assert (await world.store.read(memberships, BEN)) == ({room: rooms[room], group: back}, back)
    assert await world.store.read(stays_of, BEN, {group, room, 5}) == {
        group: [(rooms[group], left), (back, 0)],
        room: [(rooms[room], 0)],
    }
    assert await world.store.read(stays_of, BEN, set()) == {}


async def test_a_refused_joining_leaves_no_stay(world: Social) -> None:
    group = await world.do(CreateGroup(user_id=ANN, title="boats"))
    batch = await world.commit(
        AddMembers(user_id=BEN, room_id=group, user_ids=(BEN,)),
        AddMembers(user_id=ANN, room_id=group, user_ids=(CAT, 99)),
        RemoveMember(user_id=ANN, room_id=group, target_id=BEN),
    )
    assert all(isinstance(outcome, DomainError) for outcome in batch.outcomes)
    assert batch.entries == []
    for user in (BEN, CAT):
        assert (await world.store.read(memberships, user))[0] == {}
