"""A fresh look that shows something else than was acknowledged is found, whatever it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from realtime.demo.record import Record
from realtime.demo.state import Fetched, check_held, check_queue_order, check_state
from realtime.demo.world import World
from rpc.proto import models_pb2
from tests.realtime.demo.worlds import (
    ANN,
    BEN,
    CLEO,
    DIRECT,
    GROUP,
    fetched_of,
    message_row,
    small_world,
)


@pytest.fixture(name="world")
def _world() -> World:
    return small_world()


@pytest.mark.parametrize("user_id", [ANN, BEN, CLEO])
def test_what_was_acknowledged_makes_no_difference(world: World, user_id: int) -> None:
    fetched = fetched_of(world, user_id)
    assert check_state(world, user_id, fetched) == []


def _history(fetched: Fetched) -> list[models_pb2.Message]:
    return fetched.history[DIRECT]


ALTERATIONS: list[Callable[[Fetched], object]] = [
    lambda it: it.rooms.pop(DIRECT),
    lambda it: it.rooms.update({GROUP: models_pb2.RoomSummary()}),  # which she has left
    lambda it: setattr(it.rooms[DIRECT].room, "title", "x"),
    lambda it: setattr(it.rooms[DIRECT].room, "last_number", 9),
    lambda it: setattr(it.rooms[DIRECT].room, "member_count", 3),
    lambda it: setattr(it.rooms[DIRECT], "unread", 7),
    lambda it: _history(it).pop(),
    lambda it: _history(it).append(_history(it)[-1]),
    lambda it: _history(it).reverse(),
    lambda it: setattr(_history(it)[0], "text", "x"),
    lambda it: setattr(_history(it)[0], "edited_ms", 0),
    lambda it: setattr(_history(it)[1], "reply_to", 0),
    lambda it: setattr(_history(it)[2], "deleted", False),
    lambda it: it.members[DIRECT].pop(BEN),
    lambda it: setattr(it.members[DIRECT][ANN], "read_number", 1),
    lambda it: setattr(it.members[DIRECT][ANN], "delivered_number", 1),
    lambda it: it.home.pop(),
    lambda it: it.posts.pop(),
    lambda it: setattr(it.posts[0], "text", "x"),
    lambda it: setattr(it.posts[0], "likes", 9),
    lambda it: setattr(it.posts[0], "comments", 9),
    lambda it: setattr(it.posts[0], "liked_by_me", True),
    lambda it: it.likes.clear(),
    lambda it: next(iter(it.comments.values())).clear(),
    lambda it: setattr(next(iter(it.comments.values()))[0], "text", "x"),
    lambda it: it.notifications.pop(),
    lambda it: it.notifications.append(it.notifications[0]),
    lambda it: setattr(it.notifications[-1], "comment_text", "x"),
    lambda it: setattr(it.notifications[0], "actor_count", 9),
    lambda it: setattr(it.notifications[0].actor, "id", 9),
    lambda it: it.notifications.reverse(),
    lambda it: setattr(it.notifications[0], "seen", True),
    lambda it: setattr(it.notifications[-1], "seen", False),
    lambda it: setattr(it, "unseen", 0),
    lambda it: it.followers.reverse(),
    lambda it: it.followings.append(BEN),
    lambda it: setattr(it.profile, "about", "x"),
    lambda it: setattr(it.profile.user, "name", "x"),
    lambda it: it.profile.user.ClearField("avatar"),
    lambda it: setattr(it.profile, "posts", 9),
    lambda it: setattr(it.profile, "followers", 9),
    lambda it: setattr(it.profile, "followings", 9),
]


@pytest.mark.parametrize("number", range(len(ALTERATIONS)))
def test_every_alteration_is_found(world: World, number: int) -> None:
    fetched = fetched_of(world, ANN)
    ALTERATIONS[number](fetched)
    assert {one.what for one in check_state(world, ANN, fetched)} == {"state"}


def _held(fetched: Fetched) -> Record:
    """A device that has everything."""
    record = Record()
    for room_id, history in fetched.history.items():
        record.messages[room_id] = {row.id: row for row in history}
    record.notifications = {one.id: one for one in fetched.notifications}
    return record


def test_a_device_holds_what_the_server_shows(world: World) -> None:
    fetched = fetched_of(world, ANN)
    record = _held(fetched)
    assert check_held("ann", record, fetched) == []
    del record.notifications[fetched.notifications[0].id]
    assert {one.where for one in check_held("ann", record, fetched)} == {"notifications held"}
    record = _held(fetched)
    hello = fetched.history[DIRECT][0]
    stale = message_row(DIRECT, hello.id, (ANN, 1, "", "hello", (), 0, False, False), 1)
    record.messages[DIRECT][hello.id] = stale
    (first,) = check_held("ann", record, fetched)
    assert first.where == f"messages held of room {DIRECT}"
    assert 'text: "hello"' in first.detail
    assert "\n" not in first.detail


def test_a_message_that_overtakes_one_queued_before_it_is_found(world: World) -> None:
    assert check_queue_order(world) == []
    mine = [one for one in world.rooms[DIRECT].messages.values() if one.sender_id == ANN]
    mine[0].number, mine[1].number = mine[1].number, mine[0].number
    (found,) = check_queue_order(world)
    assert found.what == "reordered"


def test_a_hole_in_the_numbers_of_a_room_is_found(world: World) -> None:
    next(iter(world.rooms[DIRECT].messages.values())).number = 99
    assert "state" in {one.what for one in check_queue_order(world)}


def test_private_pictures_are_seen_by_who_may_read_their_message(world: World) -> None:
    (picture,) = world.private_pictures
    assert world.visible_pictures(BEN) == {picture}
    assert world.visible_pictures(ANN) == set()  # she has deleted it for herself
    assert world.visible_pictures(CLEO) == set()
