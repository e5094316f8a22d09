"""Who receives an entry is decided by membership at its position, batch or no batch."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
import trio
import trio.testing

from rpc.wire import decode_server
from store.changes.messages import MovePointer
from store.log import Batch, Entry, Kind, Stream
from tests.realtime.push.delivering import Delivering, delivering
from tests.realtime.rooms.town import ANN, BEN, CAT, DAN, Ear

alone_or_together = pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
from_where = pytest.mark.parametrize("offered", [True, False], ids=["offered", "from the table"])


async def deliver(kit: Delivering, batches: list[Batch], *, together: bool, offered: bool) -> None:
    """Brings the entries of the batches, in one piece or one by one."""
    entries = [entry for batch in batches for entry in batch.entries]
    if not offered:
        # As another node reads them: with no record at hand.
        entries = [
            Entry(**{**{f: getattr(e, f) for f in e.__struct_fields__}, "record": None})
            for e in entries
        ]
    for piece in [entries] if together else [[entry] for entry in entries]:
        await kit.delivery.deliver(piece)


async def sessions(kit: Delivering, *people: int) -> list[Ear]:
    return [await kit.come(one) for one in people]


@alone_or_together
@from_where
async def test_who_joins_sees_what_comes_after_and_who_leaves_what_came_before(
    autojump_clock: trio.testing.MockClock, together: bool, offered: bool
) -> None:
    async with delivering(run=False) as kit:
        room = await kit.town.group(ANN, BEN)
        kit.delivery.position = kit.town.batches[-1].head.position
        ann, ben, cat, dan = await sessions(kit, ANN, BEN, CAT, DAN)
        batches = [
            await kit.say(room, ANN, "one"),
            await kit.town.add(room, ANN, CAT),
            await kit.say(room, ANN, "two"),
            await kit.town.remove(room, ANN, BEN),
            await kit.say(room, ANN, "three"),
        ]
        await deliver(kit, batches, together=together, offered=offered)
        assert kit.kinds(ann) == [
            "message one", "member 3", "message two", "member 2", "message three",
        ]  # fmt: skip
        assert kit.kinds(ben) == ["message one", "member 3", "message two", "room_gone"]
        assert kit.kinds(cat) == ["room_joined", "message two", "member 2", "message three"]
        assert kit.kinds(dan) == []
        assert kit.delivery.position == batches[-1].head.position
        assert kit.town.here(room) == {ANN, CAT}


@alone_or_together
@from_where
async def test_a_room_is_made_for_all_its_members_at_once(
    autojump_clock: trio.testing.MockClock, together: bool, offered: bool
) -> None:
    async with delivering(run=False) as kit:
        ann, ben = await sessions(kit, ANN, BEN)
        room = await kit.town.direct(ANN, BEN)
        batches = [kit.town.batches[-1], await kit.say(room, BEN, "hello")]
        await deliver(kit, batches, together=together, offered=offered)
        frames = kit.frames(ann)
        joined = next(frame.room_joined for frame in frames if frame.HasField("room_joined"))
        assert joined.summary.room.id == room
        own = next(e for e in batches[0].entries if e.subject_id == ANN)
        assert joined.summary.base_sequence == own.sequence
        numbers = [frame.update.sequence for frame in frames if frame.HasField("update")]
        assert numbers[-1] == batches[1].entries[0].sequence
        assert kit.kinds(ben)[-1] == "message hello"


async def test_who_comes_and_goes_in_one_batch_is_told_of_both(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """There is no room to show any more when it is delivered."""
    async with delivering(run=False) as kit:
        room = await kit.town.group(ANN)
        kit.delivery.position = kit.town.batches[-1].head.position
        (cat,) = await sessions(kit, CAT)
        batches = [
            await kit.town.add(room, ANN, CAT),
            await kit.say(room, ANN, "hello"),
            await kit.town.remove(room, ANN, CAT),
            await kit.say(room, ANN, "alone"),
        ]
        await deliver(kit, batches, together=True, offered=True)
        assert kit.kinds(cat) == ["member 3", "message hello", "room_gone"]


@alone_or_together
async def test_a_message_mended_later_is_for_those_who_had_it(
    autojump_clock: trio.testing.MockClock, together: bool
) -> None:
    async with delivering(run=False) as kit:
        room = await kit.town.group(ANN, BEN, DAN)
        early = (await kit.say(room, ANN, "early")).entries[0].position
        await kit.town.remove(room, ANN, DAN)
        later = (await kit.say(room, ANN, "later")).entries[0].position
        await kit.town.add(room, ANN, CAT, DAN)
        await kit.hide(early, BEN)
        kit.delivery.position = kit.town.batches[-1].head.position
        ann, ben, cat, dan = await sessions(kit, ANN, BEN, CAT, DAN)
        batches = [await kit.edit(early, ANN, "EARLY"), await kit.edit(later, ANN, "LATER")]
        await deliver(kit, batches, together=together, offered=True)
        assert kit.kinds(ann) == ["message EARLY", "message LATER"]
        assert kit.kinds(ben) == ["skip", "message LATER"]  # he hid the first
        assert kit.kinds(cat) == ["skip", "skip"]  # never saw either
        assert kit.kinds(dan) == ["message EARLY", "skip"]  # was there for the first


async def test_a_skip_accounts_for_the_number(autojump_clock: trio.testing.MockClock) -> None:
    async with delivering(run=False) as kit:
        room = await kit.town.group(ANN)
        early = (await kit.say(room, ANN)).entries[0].position
        await kit.town.add(room, ANN, CAT)
        kit.delivery.position = kit.town.batches[-1].head.position
        (cat,) = await sessions(kit, CAT)
        edit = await kit.edit(early, ANN)
        await deliver(kit, [edit], together=True, offered=True)
        (frame,) = kit.frames(cat)
        skip: Any = frame.skip
        assert (getattr(skip, "from"), skip.to) == (edit.entries[0].sequence,) * 2
        assert skip.stream.id == room


@alone_or_together
@from_where
@pytest.mark.parametrize("others", [True, False], ids=["with others", "first of the room"])
async def test_who_returns_sees_what_becomes_of_what_he_had(
    autojump_clock: trio.testing.MockClock, together: bool, offered: bool, others: bool
) -> None:
    """Also when his return and the edit come in one piece; and what he hid stays hidden."""
    async with delivering(run=False) as kit:
        room = await kit.town.group(ANN, DAN)
        had, hidden = [(await kit.say(room, ANN, text)).entries[0].position for text in "ab"]
        await kit.hide(hidden, DAN)
        await kit.town.remove(room, ANN, DAN)
        missed = (await kit.say(room, ANN, "c")).entries[0].position
        kit.delivery.position = kit.town.batches[-1].head.position
        dan, *_ = await sessions(kit, *([DAN, ANN] if others else [DAN]))
        batches = [
            await kit.town.add(room, ANN, DAN),
            *[await kit.edit(one, ANN, "new") for one in (had, hidden, missed)],
        ]
        await deliver(kit, batches, together=together, offered=offered)
        assert kit.kinds(dan) == ["room_joined", "message new", "skip", "skip"]


async def test_live_and_by_resume_a_user_is_told_of_the_same_positions(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering() as kit:
        start = kit.delivery.position
        ears = dict(zip((ANN, BEN, CAT, DAN), await sessions(kit, ANN, BEN, CAT, DAN), strict=True))
        room = await kit.town.group(ANN, BEN)
        first = (await kit.say(room, ANN, "one")).entries[0].position
        await kit.town.add(room, ANN, CAT, DAN)
        await kit.edit(first, ANN)
        await kit.town.remove(room, ANN, DAN)
        second = (await kit.say(room, BEN, "two")).entries[0].position
        await kit.town.add(room, ANN, DAN)
        await kit.edit(second, BEN)
        await kit.town.direct(DAN, CAT)
        kit.offer(*kit.town.batches)
        await kit.settle()
        for user_id, ear in ears.items():
            assert kit.positions(ear) == await kit.by_resume(user_id, start), user_id


async def test_a_users_own_stream_goes_to_his_devices_and_to_nobody_else(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering() as kit:
        await kit.town.direct(ANN, BEN)
        kit.offer(*kit.town.batches)
        phone, laptop, ben = ears = await sessions(kit, ANN, ANN, BEN)
        await kit.settle()
        kit.forget(*ears)
        kit.offer(await kit.note(ANN, ANN))
        await kit.settle()
        assert kit.kinds(phone) == kit.kinds(laptop) == ["profile"]
        assert phone.pushed[-1][0] is laptop.pushed[-1][0]  # encoded once
        assert kit.kinds(ben) == []


async def test_a_room_of_many_gets_the_same_bytes(autojump_clock: trio.testing.MockClock) -> None:
    async with delivering() as kit:
        room = await kit.town.group(ANN, BEN, CAT)
        kit.offer(*kit.town.batches)
        ears = await sessions(kit, ANN, BEN, BEN, CAT)
        kit.offer(await kit.say(room, ANN))
        await kit.settle()
        assert len({id(ear.pushed[-1][0]) for ear in ears}) == 1


async def test_a_revoked_session_is_told_and_ended_and_the_others_are_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering(run=False) as kit:
        phone, laptop, ben = (
            await kit.come(ANN, 71), await kit.come(ANN, 72), await kit.come(BEN, 71),
        )  # fmt: skip
        entry = Entry(
            position=kit.delivery.position + 1,
            at_ms=0,
            kind=Kind.SESSION_REVOKED,
            stream=Stream.user(ANN),
            sequence=1,
            actor_id=ANN,
            subject_id=72,
        )
        await kit.delivery.deliver([entry])
        assert (phone.ended, laptop.ended, ben.ended) == ([], ["revoked"], [])
        assert kit.kinds(phone) == kit.kinds(laptop) == ["skip"]  # there is no such row here


async def test_a_pointer_reaches_the_room_and_one_without_a_row_is_no_news(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering() as kit:
        room = await kit.town.direct(ANN, BEN)
        kit.offer(*kit.town.batches)
        ann, ben = await sessions(kit, ANN, BEN)
        kit.offer(await kit.say(room, ANN))
        await kit.settle()
        moved = await kit.town.do(MovePointer(user_id=BEN, room_id=room, number=1, seen=True))
        kit.offer(moved)
        await kit.settle()
        assert kit.kinds(ann)[-1] == kit.kinds(ben)[-1] == "receipt"
        await kit.delivery.deliver(
            [
                Entry(
                    position=kit.delivery.position + 1,
                    at_ms=0,
                    kind=Kind.RECEIPT,
                    stream=Stream.room(room),
                    sequence=0,
                    actor_id=CAT,
                    subject_id=CAT,
                )
            ]
        )
        assert ann.pushed[-1][0] == b""


async def test_nothing_is_read_for_rooms_and_users_that_are_not_here(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with delivering(run=False) as kit:
        await sessions(kit, CAT)
        room = await kit.town.group(ANN, BEN)
        early = (await kit.say(room, ANN)).entries[0].position
        await kit.edit(early, ANN)
        await kit.note(ANN, ANN)
        await kit.town.remove(room, ANN, BEN)
        calls = len(kit.town.store.calls)
        await deliver(kit, kit.town.batches, together=True, offered=False)
        assert len(kit.town.store.calls) == calls


async def test_who_arrives_while_records_are_loaded_is_told_from_where_he_stands(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """His rooms are read behind the batch that is under way: it is not for him."""
    async with delivering() as kit:
        room = await kit.town.group(ANN, BEN)
        kit.offer(*kit.town.batches)
        ann = await kit.come(ANN)
        kit.forget(ann)
        kit.town.store.hold("seen")
        message = await kit.say(room, ANN, "before")
        note = await kit.note(ANN, ANN)  # has no record: the delivery has to read
        kit.offer(message, note)
        await kit.town.store.wait_held("seen")
        arrived: list[Ear] = []
        async with trio.open_nursery() as nursery:

            async def arrive() -> None:
                ear = Ear(BEN)
                position = await kit.town.attach(ear)
                await kit.delivery.wait_for(position)
                ear.pushed.clear()  # a session is live only from here on
                arrived.append(ear)

            nursery.start_soon(arrive)
            await kit.town.store.wait_held("seen", 2)
            kit.town.store.release("seen")
        kit.offer(await kit.say(room, ANN, "after"))
        await kit.settle()
        assert kit.kinds(arrived[0]) == ["message after"]
        assert kit.kinds(ann) == ["message before", "profile", "message after"]


async def test_a_session_that_is_gone_when_its_records_come_is_not_missed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with delivering() as kit:
            room = await kit.town.group(ANN, BEN)
            early = (await kit.say(room, ANN)).entries[0].position
            kit.offer(*kit.town.batches)
            await kit.settle()
            ann, ben = await sessions(kit, ANN, BEN)
            kit.town.store.hold("seen")
            kit.offer(await kit.edit(early, ANN), await kit.town.add(room, ANN, CAT))
            await kit.town.store.wait_held("seen")
            kit.town.hub.detach(ben)
            kit.town.store.release("seen")
            await kit.settle()
            assert ben.pushed == []
            assert kit.kinds(ann) == ["message mended", "member 3"]
            assert decode_server(ann.pushed[0][0])
    assert logs == []
