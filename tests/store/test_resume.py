"""What a user missed: everything that concerned him, once, in order, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from store.changes.base import Change
from store.changes.messages import (
    DeleteMessage,
    EditMessage,
    HideMessage,
    MovePointer,
    SendMessage,
)
from store.changes.rooms import AddMembers, RemoveMember, UpdateRoom
from store.log import Entry, Kind, Stream, StreamKind
from store.queries.resume import Missed, Shown, missed, newest_home_post
from tests.contracts.backends import OpenStore
from tests.store.social import ANN, BEN, CAT, DAN, USERS, Social, social

EVERYTHING = 1 << 62


async def all_missed(
    world: Social, user: int, after: int = 0, limit: int = 1000
) -> list[tuple[Shown, Entry]]:
    """In portions of so many entries, up to the head."""
    head, found = await world.head(), []
    while True:
        part: Missed = await world.store.read(missed, user, after, head, limit)
        assert len(part.items) <= limit
        assert all(after < entry.position <= head for _, entry in part.items)
        found += part.items
        if part.done:
            assert part.position == head
            return found
        assert part.position == max(entry.position for _, entry in part.items)
        after = part.position


def said(items: list[tuple[Shown, Entry]]) -> list[tuple[Shown, Kind]]:
    return [(shown, entry.kind) for shown, entry in items]


async def test_nothing_is_missed_by_who_was_there(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    await world.send(ANN, room_id)
    head = await world.head()
    found = await world.store.read(missed, BEN, head, head, 100)
    assert (found.items, found.summaries, found.position, found.done) == ([], {}, head, True)
    assert await all_missed(world, CAT) == []


async def test_messages_of_ones_rooms_and_ones_own_stream_come_in_order(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    await world.group(ANN, CAT)
    start = await world.head()
    one = await world.send(ANN, room_id, "one")
    like = await world.like(BEN, (await world.post(ANN)).id)
    two = await world.send(BEN, room_id, "two")
    found = await all_missed(world, BEN, start)
    assert [entry.position for _, entry in found] == [one.id, like.changed, two.id]
    assert [entry.record for _, entry in found] == [one, like, two]
    assert {shown for shown, _ in found} == {Shown.UPDATE}
    assert [e.position for _, e in await all_missed(world, BEN, one.id)] == [like.changed, two.id]


async def test_ones_own_joining_brings_the_room_and_leaving_takes_it(world: Social) -> None:
    room_id = await world.group(ANN)
    await world.send(ANN, room_id, "before")
    start = await world.head()
    await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(BEN,)))
    await world.send(ANN, room_id, "during")
    found = await world.store.read(missed, BEN, start, EVERYTHING, 100)
    assert said(found.items) == [
        (Shown.JOINED, Kind.MEMBER_JOINED),
        (Shown.UPDATE, Kind.MESSAGE_SENT),
    ]
    assert found.summaries.keys() == {room_id}
    assert found.summaries[room_id].unread == 1
    await world.do(RemoveMember(user_id=ANN, room_id=room_id, target_id=BEN))
    await world.send(ANN, room_id, "after")
    found = await world.store.read(missed, BEN, start, EVERYTHING, 100)
    # He is out again: the joining is told as any other, the room is not there to be shown.
    assert said(found.items) == [
        (Shown.UPDATE, Kind.MEMBER_JOINED),
        (Shown.UPDATE, Kind.MESSAGE_SENT),
        (Shown.GONE, Kind.MEMBER_LEFT),
    ]
    assert found.summaries == {}
    others = await all_missed(world, ANN, start)
    assert {shown for shown, _ in others} == {Shown.UPDATE}


async def test_changes_of_what_one_may_not_see_are_passed_over_but_counted(world: Social) -> None:
    """The sequence of a room has no gap that its member could not explain."""
    room_id = await world.group(ANN, CAT)
    early = await world.send(ANN, room_id, "early")
    await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(BEN,)))
    start = await world.head()
    await world.do(EditMessage(user_id=ANN, message_id=early.id, text="edited"))
    late = await world.send(ANN, room_id, "late")
    await world.do(HideMessage(user_id=CAT, message_id=late.id))
    await world.do(EditMessage(user_id=ANN, message_id=late.id, text="later"))
    assert said(await all_missed(world, BEN, start)) == [
        (Shown.SKIP, Kind.MESSAGE_EDITED),
        (Shown.UPDATE, Kind.MESSAGE_SENT),
        (Shown.UPDATE, Kind.MESSAGE_EDITED),
    ]
    hider = await all_missed(world, CAT, start)
    assert said(hider) == [
        (Shown.UPDATE, Kind.MESSAGE_EDITED),
        (Shown.UPDATE, Kind.MESSAGE_SENT),
        (Shown.UPDATE, Kind.MESSAGE_HIDDEN),
        (Shown.SKIP, Kind.MESSAGE_EDITED),
    ]
    assert [e.record.text for _, e in await all_missed(world, ANN, start) if e.record] == [
        *("edited", "later", "later")
    ]


async def test_of_a_messages_many_changes_the_first_and_the_last_are_told(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    start = await world.head()
    sent = await world.send(ANN, room_id, "0")
    for text in "123":
        await world.do(EditMessage(user_id=ANN, message_id=sent.id, text=text))
    found = await all_missed(world, BEN, start)
    assert [shown for shown, _ in found] == [Shown.UPDATE, Shown.SKIP, Shown.SKIP, Shown.UPDATE]
    assert {entry.record.text for shown, entry in found if shown is Shown.UPDATE} == {"3"}


async def test_of_the_pointers_of_one_member_the_last_is_told(world: Social) -> None:
    room_id = await world.group(ANN, BEN, CAT)
    for _ in range(4):
        await world.send(ANN, room_id)
    start = await world.head()
    for user, number in ((BEN, 1), (CAT, 2), (BEN, 3), (BEN, 4)):
        await world.do(MovePointer(user_id=user, room_id=room_id, number=number, seen=True))
    found = await all_missed(world, ANN, start)
    assert [(e.subject_id, e.record.read_number) for _, e in found] == [(CAT, 2), (BEN, 4)]
    # In portions each tells of what it has; the state is the present one every time.
    found = await all_missed(world, ANN, start, limit=2)
    assert [(e.subject_id, e.record.read_number) for _, e in found] == [
        (BEN, 4),
        (CAT, 2),
        (BEN, 4),
    ]


async def test_a_slice_ends_where_it_is_told_to(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    sent = [await world.send(ANN, room_id) for _ in range(5)]
    found = await world.store.read(missed, BEN, sent[0].id, sent[3].id, 100)
    assert [entry.position for _, entry in found.items] == [one.id for one in sent[1:4]]
    assert (found.position, found.done) == (sent[3].id, True)
    found = await world.store.read(missed, BEN, sent[0].id, sent[3].id, 3)
    assert (len(found.items), found.position, found.done) == (3, sent[3].id, True)
    found = await world.store.read(missed, BEN, sent[0].id, sent[3].id, 2)
    assert (len(found.items), found.position, found.done) == (2, sent[2].id, False)


async def test_the_newest_post_of_a_timeline(world: Social) -> None:
    assert await world.store.read(newest_home_post, BEN) == 0
    await world.follow(BEN, ANN)
    first, second = await world.post(ANN), await world.post(ANN)
    await world.project()
    assert first.id < second.id == await world.store.read(newest_home_post, BEN)


def story(seed: int, rooms: list[int]) -> list[list[Change[Any]]]:
    """Batches of things that happen in a few rooms."""
    chance = random.Random(seed)
    one = chance.choice

    def change(number: int) -> Change[Any]:
        user, other, room = one(USERS), one(USERS), one(rooms)
        leaving = one((BEN, CAT, DAN))  # Ann stays, so that things go on
        message = 1000 + chance.randrange(60)
        return one(
            [
                *[
                    SendMessage(
                        sender_id=user, room_id=room, client_id=b"%d" % number, text=str(number)
                    )
                ]
                * 3,
                *[AddMembers(user_id=user, room_id=room, user_ids=(other,))] * 2,
                RemoveMember(user_id=ANN, room_id=room, target_id=leaving),
                RemoveMember(user_id=leaving, room_id=room, target_id=leaving),
                UpdateRoom(user_id=ANN, room_id=room, title=str(number)),
                MovePointer(user_id=user, room_id=room, number=chance.randrange(9), seen=True),
                EditMessage(user_id=user, message_id=message, text=f"edit {number}"),
                DeleteMessage(user_id=user, message_id=message),
                HideMessage(user_id=user, message_id=message),
            ]
        )

    return [[change(10 * n + m) for m in range(one((1, 3)))] for n in range(20)]


def concerning(entries: list[Entry], user: int) -> dict[int, Entry]:
    """By position, what the log alone says that the user is to account for: his own stream,
    and of each room what came from his joining to his leaving, both included."""
    inside: set[int] = set()
    found = {}
    for entry in entries:
        room, about_me = entry.stream.id, entry.subject_id == user
        if entry.stream == Stream.user(user):
            found[entry.position] = entry
        if entry.stream.kind is not StreamKind.ROOM:
            continue
        if entry.kind is Kind.MEMBER_JOINED and about_me:
            inside.add(room)
        if room in inside:
            found[entry.position] = entry
        if entry.kind is Kind.MEMBER_LEFT and about_me:
            inside.discard(room)
    return found


@pytest.mark.parametrize("limit", [1, 7, 1000])
@settings(max_examples=8)
@given(seed=st.integers(0, 1 << 32))
def test_a_user_accounts_for_all_that_concerns_him_and_nothing_else(
    open_store: OpenStore, limit: int, seed: int
) -> None:
    async def main() -> None:
        async with social(open_store) as world:
            rooms = [await world.group(ANN, BEN), await world.group(BEN, ANN, CAT)]
            for batch in story(seed, rooms):
                await world.commit(*batch)
            entries = await world.entries()
            middle = entries[len(entries) // 2].position
            for user in USERS:
                wanted = concerning(entries, user)
                for after in (0, middle):
                    items = await all_missed(world, user, after, limit)
                    got = [entry.position for _, entry in items]
                    assert got == sorted(set(got))
                    # Receipts are no part of a sequence: an earlier one may be left out.
                    must = {p for p in wanted if p > after and wanted[p].sequence}
                    assert must <= set(got) <= wanted.keys()
                    check_what_is_shown(items, user)

    trio.run(main)


def check_what_is_shown(items: list[tuple[Shown, Entry]], user: int) -> None:
    for shown, entry in items:
        mine = entry.subject_id == user
        if entry.kind is Kind.MEMBER_LEFT and mine:
            assert shown is Shown.GONE
        elif shown is Shown.JOINED:
            assert entry.kind is Kind.MEMBER_JOINED
            assert mine
        elif shown is Shown.SKIP:
            assert entry.kind in (Kind.MESSAGE_SENT, Kind.MESSAGE_EDITED, Kind.MESSAGE_DELETED)
        else:
            assert shown is Shown.UPDATE
            assert entry.record is not None
