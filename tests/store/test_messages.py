"""Messages: sent, edited, deleted, hidden, and read back in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from store import rules
from store.changes.base import Change
from store.changes.messages import (
    DeleteMessage,
    EditMessage,
    HideMessage,
    MovePointer,
    SendMessage,
)
from store.changes.rooms import AddMembers, OpenDirect, RemoveMember
from store.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from store.log import Kind, Stream
from store.queries import chat
from store.queries.hydrate import hydrate
from store.records import HiddenRecord, MessageRecord, Purpose, RoomSummaryRecord
from tests.store.social import ANN, BEN, CAT, DAN, Social, statements


async def summary(world: Social, room_id: int, user: int) -> RoomSummaryRecord:
    (found,) = await world.store.read(chat.summaries, user, [room_id])
    return found


async def texts(
    world: Social, room_id: int, user: int, *, before: int | None = 0, after: int = 0
) -> list[str]:
    found, more = await world.store.read(
        chat.history, room_id, user, before=before, after=after, limit=100
    )
    assert not more
    return [message.text for message in found]


async def test_a_message_is_a_row_and_an_entry_in_its_rooms_stream(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    media = await world.photograph(BEN, Purpose.CHAT)
    first = await world.send(ANN, room_id, "sea \U0001f41f")
    second = await world.send(BEN, room_id, "", media, reply_to=first.id)
    entries = [e for e in await world.entries() if e.kind is Kind.MESSAGE_SENT]
    assert [(e.position, e.subject_id, e.actor_id) for e in entries] == [
        (first.id, first.id, ANN),
        (second.id, second.id, BEN),
    ]
    assert {entry.stream for entry in entries} == {Stream.room(room_id)}
    assert (first.number, second.number) == (1, 2)
    assert [one.id for one in second.media] == [media]
    assert second == MessageRecord(
        id=second.id,
        room_id=room_id,
        number=2,
        sender_id=BEN,
        client_id=second.client_id,
        text="",
        media=second.media,
        reply_to=first.id,
        created_ms=world.now_ms,
        edited_ms=0,
        deleted=False,
        changed=second.id,
    )
    found = await world.store.read(chat.messages_by_id, [first.id, second.id, 5])
    assert found == {first.id: first, second.id: second}
    await world.store.read(hydrate, entries)
    assert [entry.record for entry in entries] == [first, second]
    room = (await world.store.read(chat.rooms_by_id, [room_id]))[room_id]
    assert (room.last_number, room.activity) == (2, second.id)


async def test_one_batch_numbers_each_room_in_order(world: Social) -> None:
    one, other = await world.group(ANN, BEN), await world.group(ANN, BEN)
    batch = await world.commit(
        *(
            SendMessage(
                sender_id=(ANN, BEN, CAT)[n % 3],
                room_id=(one, other)[n % 2],
                client_id=bytes([n]),
                text=str(n),
            )
            for n in range(12)
        )
    )
    refused = [n for n in range(12) if isinstance(batch.outcomes[n], NotFound)]
    assert refused == [2, 5, 8, 11]  # Cat is a stranger
    for room_id, rest in ((one, 0), (other, 1)):
        sent = [n for n in range(12) if n % 2 == rest and n not in refused]
        assert [batch.outcomes[n].number for n in sent] == [1, 2, 3, 4]
        assert await texts(world, room_id, ANN) == [str(n) for n in sent]
        last = batch.outcomes[sent[-1]]
        room = (await world.store.read(chat.rooms_by_id, [room_id]))[room_id]
        assert (room.last_number, room.activity) == (4, last.id)


async def test_a_client_id_is_used_once(world: Social) -> None:
    one, other = await world.group(ANN, BEN), await world.group(ANN, BEN)

    def message(sender: int = ANN, room_id: int = one, text: str = "ahoy") -> SendMessage:
        return SendMessage(sender_id=sender, room_id=room_id, client_id=b"k" * 16, text=text)

    batch = await world.commit(message(), message(text="again"), message(room_id=other))
    first = batch.outcomes[0]
    assert batch.outcomes[1] == first
    assert isinstance(batch.outcomes[2], Conflict)
    assert len(batch.entries) == 1
    assert await world.do(message()) == first
    assert (await world.do(message(sender=BEN))).id != first.id  # another's is another
    # Deleted meanwhile: the answer is what has become of it.
    await world.do(DeleteMessage(user_id=ANN, message_id=first.id))
    again = await world.do(message())
    assert (again.id, again.deleted, again.text) == (first.id, True, "")


async def test_a_reply_answers_what_its_sender_may_read(world: Social) -> None:
    room_id, other = await world.group(ANN, BEN), await world.group(ANN, CAT)
    early = await world.send(ANN, room_id)
    elsewhere = await world.send(ANN, other)
    await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(CAT,)))
    hidden = await world.send(ANN, room_id)
    await world.do(HideMessage(user_id=CAT, message_id=hidden.id))
    for reply_to in (early.id, elsewhere.id, hidden.id, 5):
        with pytest.raises(NotFound):
            await world.send(CAT, room_id, reply_to=reply_to)
    assert (await world.send(BEN, room_id, reply_to=early.id)).reply_to == early.id


async def test_what_is_attached_is_the_senders_own_for_chats(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    mine = await world.photograph(ANN, Purpose.CHAT)
    for media, refusal in (
        (await world.photograph(BEN, Purpose.CHAT), NotFound),
        (await world.photograph(ANN, Purpose.POST), Invalid),
        (await world.photograph(ANN, Purpose.CHAT, stored=False), Conflict),
        ("f" * 32, NotFound),
    ):
        with pytest.raises(refusal):
            await world.send(ANN, room_id, "", mine, media)
    assert await world.rows("SELECT * FROM messages") == []
    sent = await world.send(ANN, room_id, "", mine, mine)
    assert [one.id for one in sent.media] == [mine, mine]
    assert await world.rows("SELECT media_id, message_id, room_id FROM message_media") == [
        (mine, sent.id, room_id)
    ]


async def test_history_goes_both_ways(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    for number in range(1, 8):
        await world.send(ANN, room_id, str(number))

    async def page(before: int | None, after: int, limit: int) -> tuple[str, bool]:
        found, more = await world.store.read(
            chat.history, room_id, BEN, before=before, after=after, limit=limit
        )
        return "".join(message.text for message in found), more

    assert await page(0, 0, 3) == ("567", True)
    assert await page(5, 0, 3) == ("234", True)
    assert await page(2, 0, 3) == ("1", False)
    assert await page(1, 0, 3) == ("", False)
    assert await page(None, 0, 3) == ("123", True)
    assert await page(None, 3, 4) == ("4567", False)
    assert await page(None, 7, 4) == ("", False)
    assert await page(0, 0, 7) == ("1234567", False)
    for limit in (1, 6):
        assert await world.store.read(statements, _latest, room_id, limit) == 1


async def _latest(tx: object, room_id: int, limit: int) -> None:
    await chat.history(tx, room_id, BEN, before=0, after=0, limit=limit)  # type: ignore[arg-type]


async def test_a_member_reads_what_was_sent_while_he_was_there(world: Social) -> None:
    room_id = await world.group(ANN)
    await world.send(ANN, room_id, "before")
    for number in (1, 2):
        await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(BEN,)))
        await world.send(ANN, room_id, f"during {number}")
        await world.do(RemoveMember(user_id=ANN, room_id=room_id, target_id=BEN))
        await world.send(ANN, room_id, f"between {number}")
    await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(BEN,)))
    assert await texts(world, room_id, BEN) == ["during 1", "during 2"]
    assert await texts(world, room_id, BEN, before=None) == ["during 1", "during 2"]
    assert len(await texts(world, room_id, ANN)) == 5
    assert await texts(world, room_id, CAT) == []


async def test_an_edit_is_seen_by_all_and_keeps_the_place(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    sent = await world.send(ANN, room_id, "see")
    await world.send(BEN, room_id, "what?")
    edited = await world.do(EditMessage(user_id=ANN, message_id=sent.id, text="sea"))
    assert (edited.id, edited.number, edited.text) == (sent.id, 1, "sea")
    assert (edited.edited_ms, edited.created_ms) == (world.now_ms, sent.created_ms)
    assert edited.changed == await world.head()
    assert await texts(world, room_id, BEN) == ["sea", "what?"]
    with pytest.raises(Invalid):
        await world.do(EditMessage(user_id=ANN, message_id=sent.id, text=""))


@pytest.mark.parametrize("late", [0, 1])
async def test_a_message_is_edited_to_the_last_millisecond_of_its_time(
    world: Social, late: int
) -> None:
    room_id = await world.group(ANN)
    sent = await world.send(ANN, room_id, "see")
    world.now_ms += rules.EDIT_WINDOW_MS - 1000 + late  # the commit is a second later
    outcome = (
        await world.commit(EditMessage(user_id=ANN, message_id=sent.id, text="sea"))
    ).outcomes
    assert isinstance(outcome[0], Conflict) == bool(late)


async def test_a_deleted_message_leaves_its_number(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    media = await world.photograph(ANN, Purpose.CHAT)
    sent = await world.send(ANN, room_id, "sea", media)
    await world.send(ANN, room_id, "hill")
    assert (await summary(world, room_id, BEN)).unread == 2
    gone = await world.do(DeleteMessage(user_id=ANN, message_id=sent.id))
    assert (gone.deleted, gone.text, gone.media, gone.number) == (True, "", (), 1)
    assert gone.changed == await world.head()
    assert await world.rows("SELECT * FROM message_media") == []
    assert await texts(world, room_id, BEN) == ["", "hill"]
    assert (await summary(world, room_id, BEN)).unread == 1
    assert await world.do(DeleteMessage(user_id=ANN, message_id=sent.id)) == gone
    assert await world.head() == gone.changed
    with pytest.raises(Conflict):
        await world.do(EditMessage(user_id=ANN, message_id=sent.id, text="sea"))
    assert (await world.send(BEN, room_id, reply_to=gone.id)).number == 3


async def test_a_hidden_message_is_gone_for_one_alone(world: Social) -> None:
    room_id = await world.group(ANN, BEN, CAT)
    sent = await world.send(ANN, room_id, "sea")
    await world.send(ANN, room_id, "hill")
    before = await world.head()
    hidden = await world.do(HideMessage(user_id=BEN, message_id=sent.id))
    assert hidden == HiddenRecord(room_id=room_id, message_id=sent.id)
    (entry,) = await world.entries(before)
    assert (entry.kind, entry.stream, entry.subject_id, entry.other_id) == (
        *(Kind.MESSAGE_HIDDEN, Stream.user(BEN)),
        *(sent.id, room_id),
    )
    await world.store.read(hydrate, [entry])
    assert entry.record == hidden
    assert await texts(world, room_id, BEN) == ["hill"]
    assert await texts(world, room_id, CAT) == ["sea", "hill"]
    assert (await summary(world, room_id, BEN)).unread == 1
    assert (await summary(world, room_id, CAT)).unread == 2
    with pytest.raises(NotFound):
        await world.do(HideMessage(user_id=BEN, message_id=sent.id))


async def test_what_is_unread_is_what_others_wrote_since(world: Social) -> None:
    room_id = await world.group(ANN, BEN)

    async def unread() -> tuple[int, int]:
        return (
            (await summary(world, room_id, ANN)).unread,
            (await summary(world, room_id, BEN)).unread,
        )

    for _ in range(3):
        await world.send(ANN, room_id)
    assert await unread() == (0, 3)
    await world.do(MovePointer(user_id=BEN, room_id=room_id, number=2, seen=False))
    assert await unread() == (0, 3)  # delivered is not seen
    await world.do(MovePointer(user_id=BEN, room_id=room_id, number=2, seen=True))
    assert await unread() == (0, 1)
    await world.send(BEN, room_id)  # who answers has seen what came before
    assert await unread() == (1, 0)
    me = (await summary(world, room_id, BEN)).me
    assert (me.read_number, me.delivered_number) == (4, 4)


# Who may do it: the changes ask the rules, with what is so at that moment.

ON_A_MESSAGE: dict[str, Callable[[int, int], Change[Any]]] = {
    "edit": lambda user, message: EditMessage(user_id=user, message_id=message, text="x"),
    "delete": lambda user, message: DeleteMessage(user_id=user, message_id=message),
    "hide": lambda user, message: HideMessage(user_id=user, message_id=message),
}


@pytest.mark.parametrize("what", ON_A_MESSAGE)
async def test_who_may_not_read_it_is_told_that_there_is_none(world: Social, what: str) -> None:
    """A stranger, one who came later, one who has left, one who hid it."""
    room_id = await world.group(ANN, BEN, DAN)
    sent = await world.send(BEN, room_id)
    await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(CAT,)))
    await world.do(RemoveMember(user_id=ANN, room_id=room_id, target_id=BEN))
    await world.do(HideMessage(user_id=DAN, message_id=sent.id))
    before = await world.head()
    answers = set()
    for user, message in ((BEN, sent.id), (CAT, sent.id), (DAN, sent.id), (99, sent.id), (ANN, 5)):
        with pytest.raises(NotFound) as caught:
            await world.do(ON_A_MESSAGE[what](user, message))
        answers.add(str(caught.value))
    assert answers == {"no such message"}
    assert await world.head() == before
    with pytest.raises(NotFound):
        await world.send(BEN, room_id)


async def test_a_message_is_its_senders_and_an_admins_to_delete(world: Social) -> None:
    room_id = await world.group(ANN, BEN, CAT)
    sent = [await world.send(BEN, room_id) for _ in range(3)]
    for user in (ANN, CAT):
        with pytest.raises(Forbidden):
            await world.do(EditMessage(user_id=user, message_id=sent[0].id, text="x"))
    with pytest.raises(Forbidden):
        await world.do(DeleteMessage(user_id=CAT, message_id=sent[0].id))
    assert (await world.do(DeleteMessage(user_id=ANN, message_id=sent[0].id))).deleted
    assert (await world.do(DeleteMessage(user_id=BEN, message_id=sent[1].id))).deleted
    # Nobody outranks another in a direct room.
    direct = await world.do(OpenDirect(user_id=ANN, peer_id=BEN))
    mine = await world.send(BEN, direct)
    outcome = (await world.commit(DeleteMessage(user_id=ANN, message_id=mine.id))).outcomes[0]
    assert isinstance(outcome, DomainError)
    assert type(outcome) is Forbidden


async def test_a_kick_comes_before_the_message_behind_it(world: Social) -> None:
    room_id = await world.group(ANN, BEN)
    batch = await world.commit(
        SendMessage(sender_id=BEN, room_id=room_id, client_id=b"1", text="one"),
        RemoveMember(user_id=ANN, room_id=room_id, target_id=BEN),
        SendMessage(sender_id=BEN, room_id=room_id, client_id=b"2", text="two"),
        AddMembers(user_id=ANN, room_id=room_id, user_ids=(BEN,)),
        SendMessage(sender_id=BEN, room_id=room_id, client_id=b"3", text="three"),
    )
    assert [isinstance(one, NotFound) for one in batch.outcomes] == [
        False,
        False,
        True,
        False,
        False,
    ]
    assert await texts(world, room_id, BEN) == ["one", "three"]
    assert await texts(world, room_id, ANN) == ["one", "three"]
