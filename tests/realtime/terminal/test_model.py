"""What the chat client makes of events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.terminal.model import Model, RoomState, Tick, told
from rpc.client import events
from rpc.client.events import Event, UpdateReceived
from rpc.proto import frames_pb2, models_pb2
from rpc.proto.frames_pb2 import Update
from rpc.proto.models_pb2 import Member, Message, Notification, Receipt, Room, RoomSummary, User

ADA, BOB = User(id=1, username="ada"), User(id=2, username="bob")


def member(user: User, read: int = 0, delivered: int = 0) -> Member:
    return Member(
        room_id=9,
        user=user,
        role=models_pb2.ROLE_MEMBER,
        read_number=read,
        delivered_number=delivered,
    )


def model_with_room() -> tuple[Model, RoomState]:
    model = Model()
    model.me = ADA
    summary = RoomSummary(
        room=Room(id=9, kind=models_pb2.ROOM_DIRECT),
        me=member(ADA),
        members=[member(ADA), member(BOB)],
    )
    model.take_rooms([summary])
    room = model.rooms[9]
    room.loaded = True
    return model, room


def message(number: int, sender: User = BOB, changed: int = 0, **fields: str) -> Message:
    return Message(
        id=100 + number,
        room_id=9,
        number=number,
        sender_id=sender.id,
        client_id=b"client%02d" % number,
        changed=changed or 100 + number,
        **fields,  # type: ignore[arg-type]
    )


def arrived(one: Message) -> Event:
    return UpdateReceived(Update(message=one))


def receipt(user: User, read: int, delivered: int) -> Event:
    return UpdateReceived(
        Update(
            receipt=Receipt(
                room_id=9, user_id=user.id, read_number=read, delivered_number=delivered
            )
        )
    )


def test_unread_counts_and_what_clears_them() -> None:
    model, room = model_with_room()
    for number in (1, 2, 3):
        model.apply(arrived(message(number)), 0)
    assert room.unread == 3
    model.apply(receipt(ADA, 2, 3), 0)  # read on another device
    assert room.unread == 1
    model.apply(arrived(message(4, ADA)), 0)  # answering is having seen
    assert room.unread == 0


def test_ticks_go_from_sent_to_seen() -> None:
    model, room = model_with_room()
    model.apply(arrived(message(1, ADA)), 0)
    assert model.tick(room, 1) is Tick.SENT
    model.apply(receipt(BOB, 0, 1), 0)
    assert model.tick(room, 1) is Tick.DELIVERED
    model.apply(receipt(BOB, 1, 1), 0)
    assert model.tick(room, 1) is Tick.SEEN
    model.apply(receipt(BOB, 0, 1), 0)  # an older one, late
    assert model.tick(room, 1) is Tick.SEEN


def test_an_older_state_never_replaces_a_newer() -> None:
    model, room = model_with_room()
    model.apply(arrived(message(1, changed=50, text="edited")), 0)
    model.apply(arrived(message(1, changed=40, text="first")), 0)
    model.take_history(room, [message(1, changed=40, text="first")], more=False, latest=True)
    assert room.messages[1].text == "edited"
    model.apply(arrived(message(1, changed=60, text="again")), 0)
    assert room.messages[1].text == "again"


@given(st.permutations(range(12)), st.lists(st.integers(0, 11)))
def test_any_order_and_any_repeats_come_to_the_same(order: list[int], again: list[int]) -> None:
    script = [
        *(arrived(message(number, ADA if number % 2 else BOB)) for number in range(1, 7)),
        arrived(message(2, changed=200, text="edited")),
        arrived(message(6, ADA, changed=210, text="last edited")),
        receipt(BOB, 1, 5),
        receipt(BOB, 3, 4),
        receipt(ADA, 6, 6),
        receipt(ADA, 2, 6),
    ]

    def outcome(steps: list[int]) -> object:
        model, room = model_with_room()
        for step in steps:
            model.apply(script[step], 0)
        return (
            room.unread,
            room.room.last_number,
            sorted((n, m.text) for n, m in room.messages.items()),
            room.latest,
            [model.tick(room, n) for n in range(1, 7)],
        )

    assert outcome([*order, *again]) == outcome(list(range(12)))


def test_an_outgoing_message_ends_with_its_own_update() -> None:
    from realtime.terminal.model import Outgoing

    model, _ = model_with_room()
    model.outgoing[b"client01"] = Outgoing(b"client01", 9, "hi", 0)
    model.apply(arrived(message(1, BOB)), 0)  # another's equal client_id is another message
    assert model.queued_in(9)
    model.apply(arrived(message(1, ADA)), 0)
    assert not model.queued_in(9)


def test_typing_fades() -> None:
    model, room = model_with_room()
    typing = frames_pb2.Typing(
        room_id=9, user_id=2, activity=frames_pb2.ACTIVITY_TYPING, ttl_ms=5000
    )
    model.apply(events.SignalReceived(frames_pb2.Signal(typing=typing)), 10)
    assert model.typists(room, 14) == [("bob", frames_pb2.ACTIVITY_TYPING)]
    assert model.typists(room, 15) == []
    model.apply(events.SignalReceived(frames_pb2.Signal(typing=typing)), 20)
    model.apply(arrived(message(1)), 21)  # what was typed has come
    assert model.typists(room, 21) == []


def test_a_room_that_is_gone_is_closed() -> None:
    model, _ = model_with_room()
    model.current = 9
    model.apply(events.RoomGone(9, 50), 0)
    assert (model.rooms, model.current) == ({}, 0)


def test_strangers_are_asked_for() -> None:
    model, _ = model_with_room()
    model.apply(arrived(message(1, User(id=77))), 0)
    assert model.strangers() == {77}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": 1, "actor_count": 1}, "@bob liked your post"),
        ({"kind": 1, "actor_count": 2}, "@bob and 1 other liked your post"),
        (
            {"kind": 2, "actor_count": 4, "comment_text": "ah"},
            "@bob and 3 others commented on your post: ah",
        ),
        ({"kind": 3, "comment_text": "ah"}, "@bob answered your comment: ah"),
        ({"kind": 4}, "@bob started following you"),
        ({"kind": 5, "comment_id": 7, "comment_text": "ah"}, "@bob mentioned you in a comment: ah"),
        ({"kind": 5}, "@bob mentioned you in a post"),
        ({"kind": 99}, "@bob did something that this version does not know"),
    ],
)
def test_notifications_in_words(fields: dict[str, Any], words: str) -> None:
    assert told(Notification(actor=BOB, **{"actor_count": 1, **fields})) == words


def test_a_notification_is_new_again_only_when_it_moved_past_what_was_seen() -> None:
    model, _ = model_with_room()

    def comes(latest: int, changed: int) -> tuple[int, bool]:
        """How many are new, and whether there is a notice of it."""
        row = Notification(id=5, kind=models_pb2.NOTIFICATION_LIKE, latest=latest, changed=changed)
        model.notice = ""
        model.apply(UpdateReceived(Update(notification=row)), 0)
        return model.unseen, bool(model.notice)

    assert comes(4, 5) == (1, True)
    model.take_seen(4)
    assert model.unseen == 0
    assert comes(4, 6) == (0, False)
    assert comes(9, 10) == (1, True)
    assert comes(4, 12) == (0, False)  # the latest has taken it back: that is no news
    assert comes(9, 11)[0] == 0  # an older state
