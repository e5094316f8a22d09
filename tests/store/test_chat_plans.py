"""What every connection and every look at a room asks is found by whole indexes: never by a
kind, a role or a stream's kind alone, which is to read all there is."""

from __future__ import annotations

import re
from functools import partial

import pytest

from store.changes.base import Op
from store.changes.messages import MovePointer, SendMessage
from store.changes.rooms import OpenDirect
from store.commit import commit_batch
from store.queries import chat, presence, resume, sessions
from store.transaction import Transaction
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


async def test_what_a_commit_asks_is_found_by_whole_indexes() -> None:
    world, room_id = await town()

    async def commit(tx: Transaction) -> None:
        for size in (1, 50):
            keys = [number.to_bytes(16, "big") for number in range(size)]
            messages = [
                SendMessage(
                    op=Op(scope=f"u:{ANN}", key=key, digest=key),
                    sender_id=ANN,
                    room_id=room_id,
                    client_id=bytes([size]) + key[1:],
                    text="sea",
                )
                for key in keys
            ]
            read = MovePointer(user_id=BEN, room_id=room_id, number=1, seen=True)
            await commit_batch(tx, [*messages, read], 0)

    steps = await world.store.write(plan, commit)
    searched = [step for step in steps if step.startswith("SEARCH")]
    assert any("ops" in step and "op_key=? AND scope=?" in step for step in searched)
    assert any(" m " in step and "client_id=? AND sender_id=?" in step for step in searched)
    assert not [step for step in searched if TOO_WIDE.search(step) and "log_head" not in step]
    assert not [
        step
        for step in steps
        if step.startswith("SCAN") and not re.search("CONSTANT ROW|subquery|-ROW VALUES", step)
    ]
