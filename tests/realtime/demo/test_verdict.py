"""The comparison finds what is lost, doubled, reordered or altered, wherever it happens."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest

from realtime.demo.check import Pointers, check_receipts, check_stream, tally
from realtime.demo.items import JOINED, MESSAGE, SKIP, Item, Slot, room_stream, user_stream
from realtime.demo.verdict import check_device, has_all, told
from realtime.demo.world import World
from rpc.client import StreamKey, events
from rpc.client.events import Event
from rpc.proto import frames_pb2, models_pb2
from tests.realtime.demo.worlds import (
    ANN,
    BEN,
    CLEO,
    DIRECT,
    GROUP,
    LAPTOP,
    SESSIONS,
    receipt_of,
    receipts,
    record_of,
    skip_of,
    small_world,
    updates,
)

DEVICES = [(ANN, SESSIONS[ANN]), (ANN, LAPTOP), (BEN, SESSIONS[BEN]), (CLEO, SESSIONS[CLEO])]


@pytest.fixture(name="world", scope="module")
def _world() -> World:
    return small_world()


def verdict(
    world: World, device: tuple[int, int], streams: dict[StreamKey, list[Event]]
) -> list[str]:
    """What is found when these events reach a device, and all receipts."""
    happened = [event for stream in streams.values() for event in stream]
    record = record_of([*happened, *receipts(world, device[0])])
    return [one.what for one in check_device(world, *device, record, "device")]


def places(world: World) -> Iterator[tuple[tuple[int, int], StreamKey, int]]:
    """Every place of every stream of every device."""
    for device in DEVICES:
        for stream, happened in updates(world, *device).items():
            for index in range(len(happened)):
                yield device, stream, index


@pytest.mark.parametrize("device", DEVICES)
def test_what_arrives_as_it_should_makes_no_difference(
    world: World, device: tuple[int, int]
) -> None:
    streams = updates(world, *device)
    assert sum(map(len, streams.values())) > 8
    assert verdict(world, device, streams) == []
    happened = [event for stream in streams.values() for event in stream]
    record = record_of([*happened, *receipts(world, device[0])])
    assert has_all(world, *device, record)
    wanted, came = tally(world.expected(*device), record.streams)
    assert wanted == came
    assert told(world, device[0], record)[0] == told(world, device[0], record)[1]
    assert wanted.total() + told(world, device[0], record)[0] == sum(map(len, streams.values()))


def _is_optional(device: tuple[int, int], stream: StreamKey, event: Event) -> bool:
    return (
        stream == user_stream(device[0])
        and isinstance(event, events.UpdateReceived)
        and event.update.position <= device[1]
    )


def test_each_event_that_is_lost_is_found(world: World) -> None:
    for device, stream, index in places(world):
        streams = updates(world, *device)
        lost = streams[stream].pop(index)
        if _is_optional(device, stream, lost):
            continue
        assert "lost" in verdict(world, device, streams), (device, stream, lost)
        happened = [event for one in streams.values() for event in one]
        record = record_of([*happened, *receipts(world, device[0])])
        assert not has_all(world, *device, record)


def test_what_was_before_the_session_may_be_missing_at_the_beginning(world: World) -> None:
    device = (CLEO, SESSIONS[CLEO])
    streams = updates(world, *device)
    del streams[user_stream(CLEO)][:2]
    assert verdict(world, device, streams) == []


def test_each_event_that_comes_twice_is_found(world: World) -> None:
    for device, stream, index in places(world):
        for later in (index + 1, len(updates(world, *device)[stream])):
            streams = updates(world, *device)
            streams[stream].insert(later, streams[stream][index])
            assert "doubled" in verdict(world, device, streams), (device, stream, index)


def test_each_two_events_that_change_places_are_found(world: World) -> None:
    for device, stream, index in places(world):
        streams = updates(world, *device)
        happened = streams[stream]
        if index == 0:
            continue
        happened[index - 1 : index + 1] = reversed(happened[index - 1 : index + 1])
        assert "reordered" in verdict(world, device, streams), (device, stream, index)


def _alter(event: Event) -> bool:
    """Makes another state of the one that the event carries; False where there is none."""
    if not isinstance(event, events.UpdateReceived):
        return False
    update = event.update
    match update.WhichOneof("body"):
        case "message":
            update.message.text += "!"
        case "room":
            update.room.title += "!"
        case "member":
            update.member.role = models_pb2.ROLE_ADMIN
        case "profile":
            update.profile.about += "!"
        case "post":
            update.post.text += "!"
        case "comment":
            update.comment.text += "!"
        case "like":
            update.like.liked = not update.like.liked
        case "follow":
            update.follow.following = not update.follow.following
        case "notification":
            update.notification.comment_text += "!"
        case "notifications_seen":
            update.notifications_seen.up_to += 1
        case "session":
            update.session.revoked = True
        case "media":
            update.media.size += 1
        case "message_hidden":
            update.message_hidden.room_id += 1
        case _:
            return False
    return True


def test_each_altered_content_is_found(world: World) -> None:
    seen = set()
    for device, stream, index in places(world):
        streams = copy.deepcopy(updates(world, *device))
        event = streams[stream][index]
        if _alter(event):
            assert isinstance(event, events.UpdateReceived)
            seen.add(event.update.WhichOneof("body"))
            assert "altered" in verdict(world, device, streams), (device, stream, event)
    assert len(seen) == 13


def test_each_update_whose_content_never_comes_is_found(world: World) -> None:
    """A number alone stands for a message only when another entry carries the newer state."""
    device = (BEN, SESSIONS[BEN])
    hello = min(world.rooms[DIRECT].messages)
    found = {}
    for stream, happened in updates(world, *device).items():
        for index, event in enumerate(happened):
            if not isinstance(event, events.UpdateReceived):
                continue
            streams = updates(world, *device)
            update = event.update
            streams[stream][index] = skip_of(stream, update.sequence, update.position)
            found[update.position] = verdict(world, device, streams)
    direct = [one for one in world.rooms[DIRECT].items if one.subject == hello]
    assert [found[one.position] for one in direct] == [[], [], ["lost"]]
    harmless = [position for position, whats in found.items() if not whats]
    changed = [
        item.position
        for room in world.rooms.values()
        for item in room.items
        if item.kind == MESSAGE and item is not _last(room.items, item)
    ]
    assert harmless == changed
    assert len(changed) == 4


def _last(items: list[Item], item: Item) -> Item:
    return [one for one in items if (one.kind, one.subject) == (item.kind, item.subject)][-1]


def test_an_entry_may_carry_the_newer_state_but_not_the_older(world: World) -> None:
    device, stream = (BEN, SESSIONS[BEN]), room_stream(DIRECT)
    hello = min(world.rooms[DIRECT].messages)

    def with_states(pick: Callable[[int], int]) -> list[str]:
        streams = copy.deepcopy(updates(world, *device))
        mine = [
            event.update
            for event in streams[stream]
            if isinstance(event, events.UpdateReceived) and event.update.message.id == hello
        ]
        rows = [copy.deepcopy(update.message) for update in mine]
        for index, update in enumerate(mine):
            update.message.CopyFrom(rows[pick(index)])
        return verdict(world, device, streams)

    assert with_states(lambda _: 2) == []
    assert with_states(lambda index: max(1, index)) == []
    assert "altered" in with_states(lambda _: 0)
    assert "altered" in with_states(lambda index: (2, 1, 2)[index])  # back and forth


def test_what_somebody_may_not_see_is_found(world: World) -> None:
    stranger, streams = (CLEO, SESSIONS[CLEO]), updates(world, CLEO, SESSIONS[CLEO])
    other = updates(world, ANN, SESSIONS[ANN])
    streams[room_stream(DIRECT)] = other[room_stream(DIRECT)]
    assert set(verdict(world, stranger, streams)) == {"unexpected"}

    # What was written before he came, and changed since, has a number for him, no content.
    streams = updates(world, *stranger)
    ours = streams[room_stream(GROUP)]
    (place,) = [n for n, one in enumerate(ours) if isinstance(one, events.Skipped)]
    hers = updates(world, BEN, SESSIONS[BEN])[room_stream(GROUP)]
    (shown,) = [
        one
        for one in hers
        if isinstance(one, events.UpdateReceived) and one.update.message.text == "before you"
    ]
    veiled = ours[place]
    assert isinstance(veiled, events.Skipped)
    update = copy.deepcopy(shown.update)
    update.sequence = veiled.skip.to
    ours[place] = events.UpdateReceived(update)
    assert verdict(world, stranger, streams) == ["unexpected"]

    # Who has left hears no more of it.
    streams = updates(world, ANN, SESSIONS[ANN])
    streams[room_stream(GROUP)].append(hers[-1])
    assert "unexpected" in verdict(world, (ANN, SESSIONS[ANN]), streams)


@pytest.mark.parametrize(
    "trouble",
    [
        events.Connected(BEN, SESSIONS[BEN], resumed=False),
        events.Resynced(frames_pb2.Resync.TOO_OLD),
        events.SignedIn("token", BEN, SESSIONS[BEN], 0),
        events.GapFound(room_stream(DIRECT), 3, 5),
        events.SignedOut("revoked"),
    ],
)
def test_a_device_that_begins_afresh_or_finds_a_gap_is_a_difference(
    world: World, trouble: Event
) -> None:
    streams = updates(world, BEN, SESSIONS[BEN])
    streams[user_stream(BEN)].append(trouble)
    assert verdict(world, (BEN, SESSIONS[BEN]), streams) == ["restarted"]


def test_a_skip_of_several_numbers_stands_for_each_of_them() -> None:
    items = [
        Item(JOINED, 1, (), position=10),
        *(Item(MESSAGE, 5, (text,), position=at) for text, at in (("a", 20), ("b", 21))),
        Item(MESSAGE, 5, ("c",), position=22),
    ]
    joined = Slot(JOINED, 1, (), 7, 10)
    newest = Slot(MESSAGE, 5, ("c",), 10, 22)
    assert check_stream(items, [joined, Slot(SKIP, 0, (), 9, 21, span=2), newest]) == []
    short = check_stream(items, [joined, Slot(SKIP, 0, (), 9, 21, span=1), newest])
    assert [one.what for one in short] == ["lost"]


def test_numbers_that_are_missing_without_an_item_are_told() -> None:
    items = [Item("like", 1, (True,), position=10), Item("like", 2, (True,), position=20)]
    slots = [Slot("like", 1, (True,), 3, 10), Slot("like", 2, (True,), 6, 20)]
    (found,) = check_stream(items, slots)
    assert found == ("lost", "numbers 4, 5")


# Receipts

SAID = [Pointers(10, 1, 1), Pointers(20, 2, 3), Pointers(30, 4, 4)]


def _receipts(*pointers: Pointers) -> list[models_pb2.Receipt]:
    found = [receipt_of(1, 2, one) for one in pointers]
    return [one.update.receipt for one in found if isinstance(one, events.UpdateReceived)]


@pytest.mark.parametrize(
    ("got", "whats"),
    [
        (SAID, []),
        (SAID[2:], []),  # those before it were missed together with it
        ([SAID[0], Pointers(30, 5, 5)], []),  # he has written since
        (SAID[:2], ["lost"]),
        ([], ["lost"]),
        ([*SAID, SAID[2]], ["doubled"]),
        ([SAID[1], SAID[0], SAID[2]], ["reordered"]),
        ([*SAID[:2], Pointers(25, 3, 3), SAID[2]], ["unexpected"]),
        ([*SAID[:2], Pointers(30, 3, 4)], ["altered"]),
        ([*SAID[:2], Pointers(30, 6, 6)], ["altered"]),
        ([*SAID[:2], Pointers(30, 4, 3)], ["altered"]),
    ],
)
def test_receipts(got: list[Pointers], whats: list[str]) -> None:
    found = check_receipts(SAID, (5, 5), _receipts(*got))
    assert [one.what for one in found] == whats


def test_receipts_that_nobody_should_have_had(world: World) -> None:
    device = (CLEO, SESSIONS[CLEO])
    streams = updates(world, *device)
    streams[user_stream(CLEO)].append(receipt_of(DIRECT, ANN, Pointers(500, 1, 1)))
    assert verdict(world, device, streams) == ["unexpected"]
