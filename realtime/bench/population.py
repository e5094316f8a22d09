"""Users, sessions and rooms for a measurement, written straight into a fresh store.

Going through sign-in would measure argon2 and the rate limits. The changes are the ones that
the services make, so the data is what a server would have written.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from store import tokens
from store.changes.accounts import SignUp
from store.changes.base import Change
from store.changes.rooms import CreateGroup, OpenDirect
from store.changes.sessions import NewSession
from store.interface import Store
from store.sqlite import SqliteStore

T = TypeVar("T")

CHUNK = 500  # changes a commit


class Person(msgspec.Struct):
    """A signed-up user with a living session, and the room that he writes to."""

    user_id: int
    token: str
    room_id: int = 0


async def populate(database: Path, count: int, rooms: str) -> list[Person]:
    """Makes `count` users in a new SQLite database and returns them: see `furnish`."""
    store = SqliteStore.open(database, readers=1)
    try:
        return await furnish(store, count, rooms)
    finally:
        await store.aclose()


async def furnish(store: Store, count: int, rooms: str) -> list[Person]:
    """Makes `count` users in an empty store and returns them.

    `rooms` says which rooms they have: `alone`, one each without anybody else; `pairs`, a
    direct room between each two neighbours; `one`, a single group with all of them.
    """
    await store.migrate()
    people = await sign_up(store, count)
    await _make_rooms(store, people, rooms)
    return people


async def sign_up(store: Store, count: int) -> list[Person]:
    people = []
    for start in range(0, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        sessions = [
            NewSession(nonce=b"", key=b"measured %d" % n, device="bench", client="bench")
            for n in numbers
        ]
        grants = await commit_all(
            store,
            [
                SignUp(
                    address=f"u{n}@example.org", username=f"user{n}", name=f"User {n}", session=one
                )
                for n, one in zip(numbers, sessions, strict=True)
            ],
        )
        people += [
            Person(grant.user_id, tokens.mint(grant.session_id, one.key))
            for grant, one in zip(grants, sessions, strict=True)
        ]
    return people


async def _make_rooms(store: Store, people: list[Person], rooms: str) -> None:
    changes: list[Change[int]]
    if rooms == "alone":
        owners = [[person] for person in people]
        changes = [CreateGroup(user_id=person.user_id, title="alone") for person in people]
    elif rooms == "pairs":
        owners = [list(pair) for pair in zip(people[::2], people[1::2], strict=True)]
        changes = [OpenDirect(user_id=one.user_id, peer_id=other.user_id) for one, other in owners]
    elif rooms == "one":
        owners = [people]
        everyone = tuple(person.user_id for person in people)
        changes = [CreateGroup(user_id=everyone[0], title="everyone", user_ids=everyone[1:])]
    else:
        raise ValueError(f"{rooms!r} is not alone, pairs or one")
    for start in range(0, len(changes), CHUNK):
        made = await commit_all(store, changes[start : start + CHUNK])
        for room_id, owned in zip(made, owners[start : start + CHUNK], strict=True):
            for person in owned:
                person.room_id = room_id


async def commit_all(store: Store, changes: Sequence[Change[T]]) -> list[T]:
    batch = await store.commit(changes, time.time_ns() // 1_000_000)
    for outcome in batch.outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return batch.outcomes
