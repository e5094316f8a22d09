"""A few people and their rooms in a gated store, and sessions that keep what they receive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realtime.rooms.hub import Hub
from store.changes.base import Change
from store.changes.rooms import AddMembers, CreateGroup, OpenDirect, RemoveMember
from store.errors import DomainError
from store.log import Batch, Kind
from store.transaction import Transaction
from tests.store.gated import GatedStore, open_gated

ANN, BEN, CAT, DAN = PEOPLE = (1, 2, 3, 4)
START = 1000  # the log begins behind the ids of the people


class Ear:
    """A session, as the hub and the delivery see it (`realtime.rooms.hub.Receiver`)."""

    def __init__(self, user_id: int, session_id: int = 0, *, foreground: bool = True) -> None:
        self.user_id = user_id
        self.session_id = session_id
        self.foreground = foreground
        self.pushed: list[tuple[bytes, int]] = []
        self.signals: list[tuple[tuple[object, ...], bytes]] = []
        self.ended: list[str] = []
        self.dismissed: list[str] = []

    def push(self, data: bytes, position: int) -> None:
        self.pushed.append((data, position))

    def signal(self, key: tuple[object, ...], data: bytes) -> None:
        self.signals.append((key, data))

    def end(self, reason: str) -> None:
        self.ended.append(reason)

    def dismiss(self, reason: str) -> None:
        self.dismissed.append(reason)


class Town:
    """The store, a hub over it, and the changes that people make."""

    def __init__(self, store: GatedStore) -> None:
        self.store = store
        self.hub = Hub(store)
        self.now_ms = 1_700_000_000_000
        self.batches: list[Batch] = []

    async def attach(self, ear: Ear) -> int:
        """The position from which the hub has the session hear everything."""
        position, _ = await self.hub.attach(ear, _nothing)
        return position

    async def do(self, *changes: Change[Any]) -> Batch:
        """Commits the changes in one batch; a refusal is an error of the test."""
        self.now_ms += 1000
        batch = await self.store.inner.commit(changes, self.now_ms)
        for outcome in batch.outcomes:
            if isinstance(outcome, DomainError):
                raise outcome
        self.batches.append(batch)
        return batch

    async def direct(self, one: int, other: int) -> int:
        """The id of their room."""
        batch = await self.do(OpenDirect(user_id=one, peer_id=other))
        room_id: int = batch.outcomes[0]
        return room_id

    async def group(self, owner: int, *members: int) -> int:
        batch = await self.do(CreateGroup(user_id=owner, title="club", user_ids=members))
        room_id: int = batch.outcomes[0]
        return room_id

    async def add(self, room_id: int, owner: int, *members: int) -> Batch:
        return await self.do(AddMembers(user_id=owner, room_id=room_id, user_ids=members))

    async def remove(self, room_id: int, owner: int, member: int) -> Batch:
        return await self.do(RemoveMember(user_id=owner, room_id=room_id, target_id=member))

    def deliver(self, batch: Batch) -> None:
        """Applies the joins and leaves of a batch to the hub, as the delivery does."""
        for entry in batch.entries:
            if entry.kind is Kind.MEMBER_JOINED:
                self.hub.join(entry.stream.id, entry.subject_id, entry.position)
            elif entry.kind is Kind.MEMBER_LEFT:
                self.hub.leave(entry.stream.id, entry.subject_id, entry.position)

    def here(self, room_id: int) -> set[int]:
        """Who of the room is on this node."""
        return {place.id for place in self.hub.members(room_id)}


async def _add_people(tx: Transaction, people: Sequence[int]) -> None:
    await tx.run_many(
        "INSERT INTO users (id, username, username_key, name, about, avatar_id, password, "
        "created_ms, changed) VALUES (?, ?, ?, ?, '', '', '', 0, 0)",
        [(one, f"user{one}", f"user{one}", f"User {one}") for one in people],
    )
    await tx.run("UPDATE log_head SET position = ?", (START,))


async def open_town(people: Sequence[int] = PEOPLE) -> Town:
    store = await open_gated()
    await store.inner.write(_add_people, people)
    return Town(store)


async def _nothing(_: Transaction) -> None:
    pass
