"""What every connection and every look at a room asks is found by whole indexes: never by a
kind, a role or a stream's kind alone, which is to read all there is."""

from __future__ import annotations

import re
from functools import partial

import pytest

from store.changes.rooms import OpenDirect
from store.queries import chat, presence, resume, sessions
from tests.store.social import ANN, BEN, CAT, Social, open_social
from tests.store.test_social_plans import plan

TOO_WIDE = re.compile(r"\((kind|stream_kind|role|[a-z_]*partition)=\?\)$")


async def town() -> tuple[Social, int]:
    world = await open_social()
    room_id = await world.group(ANN, BEN, CAT)
    await world.do(OpenDirect(user_id=ANN, peer_id=BEN))
    for user in (ANN, BEN, CAT):
        for _ in range(5):
            await world.send(user, room_id)
    return world, room_id


@pytest.mark.parametrize(
    "name",
    [
        "missed",
        "memberships",
        "direct_peers",
        "last_seen",
        "summaries",
        "list_rooms",
        "history",
        "members",
        "roles",
        "sessions",
        "authenticate",
    ],
)
async def test_no_search_is_wider_than_its_question(name: str) -> None:
    world, room_id = await town()
    asked: dict[str, tuple[object, tuple[object, ...]]] = {
        "missed": (resume.missed, (ANN, 1, 10_000, 100)),
        "memberships": (resume.memberships, (ANN,)),
        "direct_peers": (presence.direct_peers, ([ANN, BEN],)),
        "last_seen": (presence.last_seen_of_peers, (ANN, [BEN, CAT])),
        "summaries": (chat.summaries, (ANN, [room_id])),
        "list_rooms": (chat.list_rooms, (ANN, 0, 10)),
        "history": (partial(chat.history, before=0, after=0, limit=10), (room_id, ANN)),
        "members": (chat.list_members, (room_id, 0, 10)),
        "roles": (chat.roles, ([(room_id, ANN), (room_id, BEN)],)),
        "sessions": (sessions.list_sessions, (ANN, 0)),
        "authenticate": (sessions.authenticate, (b"x" * 32, 0)),
    }
    query, args = asked[name]
    steps = await world.store.read(plan, query, *args)
    assert any(step.startswith("SEARCH") for step in steps)
    wide = [step for step in steps if TOO_WIDE.search(step) and "log_head" not in step]
    assert not wide
    scanned = [
        step
        for step in steps
        if step.startswith("SCAN") and not re.search("CONSTANT ROW|subquery", step)
    ]
    assert not scanned
