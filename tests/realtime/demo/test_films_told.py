"""What is told of films whose streams are made afterwards: to their owner, and with the messages
and posts that show them. Nobody can say before when that is, or whether it comes by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime.demo.check import check_stream
from realtime.demo.circles import Post
from realtime.demo.items import Item, Slot, room_stream, user_stream
from realtime.demo.sources import FILM, Source
from rpc.proto import chat_pb2, models_pb2
from tests.realtime.demo.worlds import BEN, DIRECT, SESSIONS, small_world

FILM_ID = "f" * 32
PREPARING, READY = int(models_pb2.MOTION_PREPARING), int(models_pb2.MOTION_READY)


def items_of(do: Callable[[Any], None], stream: Any) -> list[Item]:
    """What is expected at one of Ben's devices from then on."""
    world = small_world()
    before = len(world.expected(BEN, SESSIONS[BEN])[stream])
    media = models_pb2.MediaObject(id=FILM_ID, purpose=models_pb2.PURPOSE_CHAT)
    world.uploaded(BEN, media, Source(FILM, b"film!"))
    do(world)
    found = world.expected(BEN, SESSIONS[BEN])[stream][before:]
    return [item for item in found if item.kind != "media"] if stream.id == DIRECT else found


def said(items: list[Item], slots: list[tuple[str, Any, Any, int]]) -> list[str]:
    """Differences, when these came: kind, subject, state, position."""
    own = items[0].kind != "message"
    came = [
        Slot(kind, subject, state, number, position, of_user=own)
        for number, (kind, subject, state, position) in enumerate(slots, 5)
    ]
    return [one.what for one in check_stream(items, came)]


def media(state: int, position: int = 900) -> tuple[str, Any, Any, int]:
    return "media", FILM_ID, (int(models_pb2.PURPOSE_CHAT), 5, state), position


def skip(position: int = 900) -> tuple[str, Any, Any, int]:
    return "skip", 0, (), position


def test_the_owner_must_hear_that_it_is_ready() -> None:
    items = items_of(lambda world: None, user_stream(BEN))
    assert said(items, [media(PREPARING), media(READY, 910)]) == []
    assert said(items, [skip(), media(READY, 910)]) == []  # of what he missed he hears the newest
    assert said(items, [media(READY)]) == []  # it was known, and prepared, before
    assert "lost" in said(items, [media(PREPARING)])
    assert "lost" in said(items, [])
    assert said(items, [media(READY), media(PREPARING, 910)]) != []
    assert said(items, [media(PREPARING), media(READY, 910), media(READY, 920)]) == ["unexpected"]
    failed = int(models_pb2.MOTION_FAILED)
    assert said(items, [media(PREPARING), media(failed, 910)]) == ["altered"]


def send(world: Any) -> None:
    request = chat_pb2.SendMessageRequest(room_id=DIRECT, client_id=b"c", media_ids=[FILM_ID])
    world.sent(request, models_pb2.Message(id=700, number=9), 5, BEN)


def test_a_message_is_told_again_when_its_film_is_ready() -> None:
    items = items_of(send, room_stream(DIRECT))
    state = items[0].state
    first, again = ("message", 700, state, 700), ("message", 700, state, 720)
    assert said(items, [first]) == []  # it was ready when the message was sent
    assert said(items, [first, again]) == []
    assert said(items, [("skip", 0, (), 700), again]) == []
    assert said(items, [first, skip(720)]) == []  # a later entry has it
    assert said(items, [first, skip(720), skip(730)]) == ["unexpected"]
    assert "unexpected" in said(items, [first, again, ("message", 700, state, 730)])
    assert "lost" in said(items, [again])
    other = (*state[:3], "other words", *state[4:])
    assert said(items, [first, ("message", 700, other, 720)]) == ["altered"]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_post_is_told_again_when_its_film_is_ready(deleted: bool) -> None:
    def post(world: Any) -> None:
        one = Post(800, BEN, "a film", (FILM_ID,))
        world.circles.posted(one, films=True)
        if deleted:
            world.circles.deleted_post(one)

    items = items_of(post, user_stream(BEN))[2:]
    first, again = ("post", 800, items[0].state, 800), ("post", 800, items[0].state, 820)
    gone = [("post", 800, ("", (), False, True), 830)] if deleted else []
    assert said(items, [first, *gone]) == []
    assert said(items, [first, again, *gone]) == []
    assert "lost" in said(items, [again, *gone])
    if deleted:
        assert "lost" in said(items, [first, again])
