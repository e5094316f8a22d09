"""Rooms: made, joined, left, changed, listed; and who may do it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from store import rules
from store.changes.base import Change
from store.changes.rooms import AddMembers, CreateGroup, OpenDirect, RemoveMember, UpdateRoom
from store.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from store.log import Entry, Kind, Stream
from store.queries import chat
from store.queries.hydrate import hydrate
from store.records import Purpose, Role, RoomKind, RoomRecord, RoomSummaryRecord
from tests.contracts.backends import OpenStore
from tests.store.social import ANN, BEN, CAT, DAN, NOBODY, Social, social

NONE, MEMBER, ADMIN, OWNER = Role


async def room_of(world: Social, room_id: int) -> RoomRecord:
    return (await world.store.read(chat.rooms_by_id, [room_id]))[room_id]


async def roles_of(world: Social, room_id: int) -> dict[int, Role]:
    """The members of a room."""
    members = await world.store.read(chat.list_members, room_id, 0, 1000)
    return {member.user.id: member.role for member in members}


async def give_role(world: Social, room_id: int, user: int, role: Role) -> None:
    """No change hands out admins yet."""
    await world.run(
        "UPDATE members SET role = ? WHERE room_id = ? AND user_id = ?", int(role), room_id, user
    )


async def summary(world: Social, room_id: int, user: int) -> RoomSummaryRecord:
    (found,) = await world.store.read(chat.summaries, user, [room_id])
    return found


def facts(entries: list[Entry]) -> list[tuple[Kind, int, int, int]]:
    return [(e.kind, e.sequence, e.actor_id, e.subject_id) for e in entries]


async def test_a_group_is_its_rows_and_entries_in_its_own_stream(world: Social) -> None:
    avatar = await world.photograph(ANN, Purpose.AVATAR)
    batch = await world.commit(
        CreateGroup(user_id=ANN, title="boats", user_ids=(BEN, CAT, ANN, BEN), avatar_id=avatar)
    )
    room_id = batch.outcomes[0]
    assert {entry.stream for entry in batch.entries} == {Stream.room(room_id)}
    assert facts(batch.entries) == [
        (Kind.ROOM_CREATED, 1, ANN, room_id),
        (Kind.MEMBER_JOINED, 2, ANN, ANN),
        (Kind.MEMBER_JOINED, 3, ANN, BEN),
        (Kind.MEMBER_JOINED, 4, ANN, CAT),
    ]
    assert batch.entries[0].position == room_id
    room = await room_of(world, room_id)
    assert (room.kind, room.title, room.about) == (RoomKind.GROUP, "boats", "")
    assert room.avatar is not None
    assert room.avatar.id == avatar
    assert (room.last_number, room.activity, room.member_count) == (0, room_id, 3)
    assert (room.changed, room.created_ms) == (room_id, world.now_ms)
    assert await roles_of(world, room_id) == {ANN: OWNER, BEN: MEMBER, CAT: MEMBER}


async def test_two_have_one_direct_room_whoever_opens_it(world: Social) -> None:
    batch = await world.commit(
        OpenDirect(user_id=ANN, peer_id=BEN),
        OpenDirect(user_id=BEN, peer_id=ANN),
        OpenDirect(user_id=ANN, peer_id=CAT),
    )
    first, same, other = batch.outcomes
    assert first == same != other
    assert await world.do(OpenDirect(user_id=BEN, peer_id=ANN)) == first
    assert (await room_of(world, first)).kind is RoomKind.DIRECT
    assert await roles_of(world, first) == {ANN: MEMBER, BEN: MEMBER}
    for peer, refusal in ((ANN, Invalid), (NOBODY, NotFound)):
        with pytest.raises(refusal):
            await world.do(OpenDirect(user_id=ANN, peer_id=peer))


async def test_a_group_is_of_users_and_its_picture_is_the_creators(world: Social) -> None:
    before = await world.head()
    for change, refusal in (
        (CreateGroup(user_id=ANN, title="t", user_ids=(BEN, NOBODY)), NotFound),
        (CreateGroup(user_id=NOBODY, title="t"), NotFound),
        (CreateGroup(user_id=ANN, title="t", avatar_id="f" * 32), NotFound),
    ):
        with pytest.raises(refusal):
            await world.do(change)
    assert await world.head() == before
    avatar = await world.photograph(BEN, Purpose.AVATAR)
    with pytest.raises(NotFound):
        await world.do(CreateGroup(user_id=ANN, title="t", avatar_id=avatar))
    assert await world.rows("SELECT * FROM rooms") == []


async def test_adding_leaves_those_who_are_there_as_they_are(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    before = await world.head()
    added = await world.do(AddMembers(user_id=BEN, room_id=room_id, user_ids=(ANN, CAT, BEN, CAT)))
    assert added == 1
    assert facts(await world.entries(before)) == [(Kind.MEMBER_JOINED, 4, BEN, CAT)]
    assert await roles_of(world, room_id) == {ANN: OWNER, BEN: MEMBER, CAT: MEMBER}
    assert (await room_of(world, room_id)).member_count == 3
    assert await world.do(AddMembers(user_id=BEN, room_id=room_id, user_ids=(CAT,))) == 0
    assert len(await world.entries(before)) == 1
    with pytest.raises(NotFound):
        await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(DAN, NOBODY)))
    assert (await room_of(world, room_id)).member_count == 3


async def test_what_was_sent_before_one_came_counts_as_seen(world: Social) -> None:
    room_id = await world.group(ANN)
    for _ in range(3):
        await world.send(ANN, room_id)
    await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(BEN,)))
    found = await summary(world, room_id, BEN)
    assert (found.unread, found.last_message) == (0, None)
    assert (found.me.read_number, found.me.delivered_number) == (3, 3)
    await world.send(ANN, room_id, "welcome")
    found = await summary(world, room_id, BEN)
    assert found.unread == 1
    assert found.last_message is not None
    assert found.last_message.text == "welcome"


async def test_who_leaves_is_out_and_may_come_again(world: Social) -> None:
    room_id = await world.group(ANN, BEN, CAT)
    before = await world.head()
    assert await world.do(RemoveMember(user_id=BEN, room_id=room_id, target_id=BEN)) == 0
    assert facts(await world.entries(before)) == [(Kind.MEMBER_LEFT, 5, BEN, BEN)]
    assert await roles_of(world, room_id) == {ANN: OWNER, CAT: MEMBER}
    assert await world.store.read(chat.role, room_id, BEN) is NONE
    assert await world.store.read(chat.summaries, BEN, [room_id]) == []
    assert (await room_of(world, room_id)).member_count == 2
    assert await world.do(AddMembers(user_id=CAT, room_id=room_id, user_ids=(BEN,))) == 1
    assert await roles_of(world, room_id) == {ANN: OWNER, BEN: MEMBER, CAT: MEMBER}


@pytest.mark.parametrize("admin", [None, DAN])
async def test_an_owner_who_leaves_hands_the_group_on(world: Social, admin: int | None) -> None:
    """To the highest, and among equals to the one who has been there longest."""
    room_id = await world.group(ANN, BEN, CAT)
    await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(DAN,)))
    await world.do(RemoveMember(user_id=ANN, room_id=room_id, target_id=BEN))
    await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(BEN,)))  # he is the latest
    if admin:
        await give_role(world, room_id, admin, ADMIN)
    before = await world.head()
    heir = admin or CAT
    assert await world.do(RemoveMember(user_id=ANN, room_id=room_id, target_id=ANN)) == heir
    assert [(kind, subject) for kind, _, _, subject in facts(await world.entries(before))] == [
        (Kind.MEMBER_LEFT, ANN),
        (Kind.MEMBER_CHANGED, heir),
    ]
    assert (await roles_of(world, room_id))[heir] is OWNER


async def test_the_last_who_leaves_leaves_an_empty_room(world: Social) -> None:
    room_id = await world.group(ANN)
    assert await world.do(RemoveMember(user_id=ANN, room_id=room_id, target_id=ANN)) == 0
    assert await roles_of(world, room_id) == {}
    assert (await room_of(world, room_id)).member_count == 0
    with pytest.raises(NotFound):
        await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(ANN,)))


async def test_a_change_of_the_room_leaves_what_it_does_not_name(world: Social) -> None:
    avatar = await world.photograph(ANN, Purpose.AVATAR)
    room_id = await world.group(ANN, BEN)
    before = await world.head()
    change = UpdateRoom(user_id=ANN, room_id=room_id, title=" ships ", avatar_id=avatar)
    assert await world.do(change) == room_id
    await world.do(UpdateRoom(user_id=ANN, room_id=room_id, about="of the line"))
    room = await room_of(world, room_id)
    assert room.avatar is not None
    assert (room.title, room.about, room.avatar.id) == ("ships", "of the line", avatar)
    entries = await world.entries(before)
    assert [entry.kind for entry in entries] == [Kind.ROOM_CHANGED] * 2
    assert room.changed == entries[-1].position
    await world.do(UpdateRoom(user_id=ANN, room_id=room_id, avatar_id="", about=""))
    assert (await room_of(world, room_id)).avatar is None
    photograph = await world.photograph(ANN)
    for senseless in (
        UpdateRoom(user_id=ANN, room_id=room_id, title=" "),
        UpdateRoom(user_id=ANN, room_id=room_id, avatar_id=photograph),
    ):
        with pytest.raises(Invalid):
            await world.do(senseless)


async def test_a_group_has_its_limit(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_GROUP_MEMBERS", 5)
    async with social(open_store, range(1, 8)) as world:
        with pytest.raises(Invalid):
            await world.group(1, 2, 3, 4, 5, 6)
        room_id = await world.group(1, 2, 3, 4)
        with pytest.raises(Conflict):
            await world.do(AddMembers(user_id=1, room_id=room_id, user_ids=(5, 6)))
        assert await world.do(AddMembers(user_id=1, room_id=room_id, user_ids=(5, 4, 3))) == 1
        with pytest.raises(Conflict):
            await world.do(AddMembers(user_id=1, room_id=room_id, user_ids=(6,)))
        await world.do(RemoveMember(user_id=2, room_id=room_id, target_id=2))
        assert await world.do(AddMembers(user_id=1, room_id=room_id, user_ids=(6,))) == 1
        assert (await room_of(world, room_id)).member_count == 5


async def test_entries_carry_what_the_tables_say(world: Social) -> None:
    room_id = await world.group(ANN, BEN, CAT)
    await world.do(UpdateRoom(user_id=ANN, room_id=room_id, title="ships"))
    await world.do(RemoveMember(user_id=ANN, room_id=room_id, target_id=ANN))
    entries = [entry for entry in await world.entries() if entry.stream == Stream.room(room_id)]
    await world.store.read(hydrate, entries)
    room = await room_of(world, room_id)
    for entry in entries:
        if entry.kind in (Kind.ROOM_CREATED, Kind.ROOM_CHANGED):
            assert entry.record == room
        else:
            found = await world.store.read(chat.members_by_pair, [(room_id, entry.subject_id)])
            assert entry.record == found[room_id, entry.subject_id]
    assert [entry.record.role for entry in entries if entry.kind is Kind.MEMBER_LEFT] == [NONE]
    assert entries[-1].record.role is OWNER


async def test_rooms_are_listed_by_their_last_message_and_pages_stand_still(world: Social) -> None:
    first, second, third = [await world.group(ANN, BEN) for _ in range(3)]
    await world.group(CAT)
    await world.send(BEN, first)
    page, more = await world.store.read(chat.list_rooms, ANN, 0, 2)
    assert [one.room.id for one in page] == [first, third]
    await world.send(BEN, third)
    rest, end = await world.store.read(chat.list_rooms, ANN, more, 2)
    assert ([one.room.id for one in rest], end) == ([second], 0)
    page, _ = await world.store.read(chat.list_rooms, ANN, 0, 30)
    assert [(one.room.id, one.unread) for one in page] == [(third, 1), (first, 1), (second, 0)]
    assert await world.store.read(chat.list_rooms, DAN, 0, 30) == ([], 0)
    members = await world.store.read(chat.list_members, first, 0, 1)
    assert [member.user.id for member in members] == [ANN]
    members = await world.store.read(chat.list_members, first, ANN, 1)
    assert [member.user.id for member in members] == [BEN]


# Who may do it: the changes ask the rules, with what is so at that moment.

ASKED: dict[str, tuple[Callable[[int, int, int], Change[Any]], Callable[..., Any]]] = {
    "add": (
        lambda user, room, other: AddMembers(user_id=user, room_id=room, user_ids=(DAN,)),
        lambda kind, role, other: rules.add_members(kind, role),
    ),
    "remove": (
        lambda user, room, other: RemoveMember(user_id=user, room_id=room, target_id=other),
        lambda kind, role, other: rules.remove_member(kind, role, other, self_=False),
    ),
    "leave": (
        lambda user, room, other: RemoveMember(user_id=user, room_id=room, target_id=user),
        lambda kind, role, other: rules.remove_member(kind, role, role, self_=True),
    ),
    "change": (
        lambda user, room, other: UpdateRoom(user_id=user, room_id=room, title="mine"),
        lambda kind, role, other: rules.change_room(kind, role),
    ),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("kind", RoomKind)
async def test_the_rules_are_asked(world: Social, asked: str, kind: RoomKind) -> None:
    make, rule = ASKED[asked]
    seen = set()
    for role, other in itertools.product(Role, Role):
        if kind is RoomKind.GROUP:
            room_id = await world.group(ANN, BEN, CAT)
        else:
            room_id = await world.do(OpenDirect(user_id=BEN, peer_id=CAT))
        await give_role(world, room_id, BEN, role)
        await give_role(world, room_id, CAT, other)
        before = await world.head()
        outcome = (await world.commit(make(BEN, room_id, CAT))).outcomes[0]
        refusal = rule(kind, role, other)
        if refusal is None:
            assert not isinstance(outcome, DomainError)
        else:
            assert (type(outcome), str(outcome)) == (type(refusal), str(refusal))
            assert await world.head() == before
        seen.add(type(refusal))
        await world.run("DELETE FROM rooms WHERE kind = 1")
        await world.run("DELETE FROM members WHERE room_id = ?", room_id)
        await world.run("DELETE FROM stays WHERE room_id = ?", room_id)
    expected = {NotFound, Invalid} if kind is RoomKind.DIRECT else {NotFound, type(None)}
    assert seen - {Forbidden} == expected


async def test_a_stranger_learns_the_same_of_any_room(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    answers = set()
    for room in (room_id, NOBODY):
        for change in (
            AddMembers(user_id=CAT, room_id=room, user_ids=(CAT,)),
            RemoveMember(user_id=CAT, room_id=room, target_id=BEN),
            RemoveMember(user_id=CAT, room_id=room, target_id=CAT),
            UpdateRoom(user_id=CAT, room_id=room, title="mine"),
        ):
            with pytest.raises(NotFound) as caught:
                await world.do(change)
            answers.add((str(caught.value), *caught.value.details))
    assert answers == {("no such room",)}
