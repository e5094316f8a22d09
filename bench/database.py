"""What measurements on a database share: people in rooms, and the plainest change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from store.changes.base import Change
from store.changes.rooms import CreateGroup
from store.errors import DomainError
from store.interface import Store
from store.log import Kind, Stream, WriteTransaction
from store.transaction import Transaction

USERS = 200
SECONDS = 4.0


class Append(Change[int], frozen=True, kw_only=True):
    """An entry and nothing else: a like, whose row nobody keeps."""

    RESULT: ClassVar[type[int]] = int

    user_id: int
    post_id: int

    @classmethod
    async def apply(cls, tx: WriteTransaction, changes: Sequence[Self]) -> list[int | DomainError]:
        await tx.open_streams(Stream.user(change.user_id) for change in changes)
        outcomes: list[int | DomainError] = []
        for change in changes:
            stream = Stream.user(change.user_id)
            entry = await tx.append(
                Kind.POST_LIKED, stream, actor_id=change.user_id, subject_id=change.post_id
            )
            outcomes.append(entry.position)
        return outcomes


async def _people(tx: Transaction) -> None:
    await tx.run_many(
        "INSERT INTO users (id, username, username_key, name, about, avatar_id, password, "
        "created_ms, changed) VALUES (?, ?, ?, ?, '', '', '', 0, 0)",
        [(n, f"user{n}", f"user{n}", f"User {n}") for n in range(1, USERS + 1)],
    )
    await tx.run("UPDATE log_head SET position = 1000")


async def furnish(store: Store) -> list[int]:
    """Everybody is in each of the rooms that are returned."""
    await store.migrate()
    await store.write(_people)
    everybody = tuple(range(1, USERS + 1))
    changes = [CreateGroup(user_id=1, title="room", user_ids=everybody) for _ in range(USERS)]
    rooms: list[int] = []
    for change in changes:
        rooms += (await store.commit([change], 0)).outcomes
    return rooms


def share(values: Sequence[float], part: float) -> float:
    return values[min(len(values) - 1, int(len(values) * part))]
