"""The model's notifications, and what is found when a device received others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from realtime.demo.items import user_stream
from realtime.demo.news import COMMENT, FOLLOW, LIKE, REPLY, Face, News
from realtime.demo.verdict import check_device, has_all
from realtime.demo.world import World
from rpc.client import events
from rpc.proto import frames_pb2, models_pb2
from tests.realtime.demo.worlds import (
    ANN,
    BEN,
    CLEO,
    SESSIONS,
    notification_row,
    receipts,
    record_of,
    skip_of,
    small_world,
    updates,
)


@pytest.fixture(name="world", scope="module")
def _world() -> World:
    return small_world()


def test_causes_are_grouped_by_what_they_are_about() -> None:
    news = News()
    for number, actor in enumerate((21, 22, 23, 24), 1):
        news.tell((LIKE, actor, 7, 0), number)
    news.tell((COMMENT, 21, 7, 5), 5)
    news.tell((COMMENT, 22, 7, 6), 6)
    news.tell((COMMENT, 21, 7, 8), 8)
    news.tell((REPLY, 21, 7, 9), 9, about=5)
    news.tell((REPLY, 22, 7, 10), 10, about=6)
    news.saw(9)
    news.tell((LIKE, 25, 7, 0), 11)
    news.tell((FOLLOW, 21, 0, 0), 12)
    news.take_back((LIKE, 23, 7, 0))
    texts = {5: ["a"], 6: ["b"], 8: ["c", "d"], 9: ["e"], 10: ["f"]}
    assert news.faces(texts) == [
        Face(FOLLOW, 0, 12, (21,), 1, 0, ""),
        Face(LIKE, 7, 11, (25,), 1, 0, ""),
        Face(REPLY, 7, 10, (22,), 1, 10, "f"),
        Face(REPLY, 7, 9, (21,), 1, 9, "e"),
        Face(COMMENT, 7, 8, (21, 22), 2, 8, "d"),
        Face(LIKE, 7, 4, (24, 22, 21), 3, 0, ""),
    ]
    news.take_back_post(7)
    assert [face.kind for face in news.faces(texts)] == [FOLLOW]


def _with(world: World, *more: events.Event) -> tuple[list[str], bool]:
    """What is found when Ann's phone receives more, in front of the rest; whether it has all."""
    device = (ANN, SESSIONS[ANN])
    streams = updates(world, *device)
    happened = [event for stream in streams.values() for event in stream]
    record = record_of([*more, *happened, *receipts(world, ANN)])
    found = [one.what for one in check_device(world, *device, record, "phone")]
    return found, has_all(world, *device, record)


def _told(row: models_pb2.Notification) -> events.Event:
    stream = frames_pb2.Stream(kind=frames_pb2.STREAM_USER, id=ANN)
    return events.UpdateReceived(
        frames_pb2.Update(stream=stream, sequence=4, position=5, notification=row)
    )


def _former(world: World) -> models_pb2.Notification:
    """A state of a notification that was true once: Cleo has liked the post."""
    face = world.circles.told(ANN)[-1]
    assert (face.kind, face.named) == (LIKE, (BEN,))
    former = face._replace(named=(CLEO, BEN), actors=2, latest=face.latest + 10)
    row = notification_row(former, changed=5)
    row.id = face.latest  # the present state follows
    return row


def test_a_former_state_and_a_number_for_one_are_no_difference(world: World) -> None:
    assert _with(world, _told(_former(world))) == ([], True)
    assert _with(world, skip_of(user_stream(ANN), 4, 5)) == ([], True)


ALTERATIONS: list[tuple[Callable[[models_pb2.Notification], object], str]] = [
    (lambda row: setattr(row.actor, "id", ANN), "unexpected"),
    (lambda row: setattr(row, "post_id", 1), "unexpected"),
    (lambda row: setattr(row, "kind", FOLLOW), "unexpected"),
    (lambda row: setattr(row, "actor_count", 3), "altered"),
    (lambda row: setattr(row, "actor_count", 1), "altered"),
    (lambda row: setattr(row, "comment_text", "x"), "altered"),
    (lambda row: setattr(row, "changed", 4), "altered"),
]


@pytest.mark.parametrize(("alter", "what"), ALTERATIONS)
def test_what_never_was_is_found(
    world: World, alter: Callable[[models_pb2.Notification], object], what: str
) -> None:
    row = _former(world)
    alter(row)
    assert _with(world, _told(row))[0] == [what]


def test_one_that_should_be_gone_is_found(world: World) -> None:
    row = _former(world)
    row.id = 1  # which nothing takes back
    found, complete = _with(world, _told(row))
    assert (found, complete) == (["unexpected"], False)
