"""A projection, its durable offset, and how a batch of it takes effect exactly once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from store.changes.base import Key, SingleChange
from store.log import Entry, Kind, WriteTransaction, read_entries, read_head
from store.queries.leases import check_fence
from store.sources import Stretch, read_stretch
from store.transaction import Transaction


class Hint(msgspec.Struct, frozen=True):
    """Something that live sessions may be told, and may miss: it becomes a signal."""


class HomeHint(Hint, frozen=True):
    """`author_id` has published a post: his followers' home timelines have changed."""

    author_id: int
    post_id: int


class CountsHint(Hint, frozen=True):
    """A post's counts have changed to these."""

    post_id: int
    author_id: int
    likes: int
    comments: int


class Projection(ABC):
    """Turns entries into rows of its own tables, which clients do not receive.

    `project` gets entries in order, each exactly once: its writes and the offset behind them
    are one transaction.
    """

    name: ClassVar[str]
    kinds: ClassVar[frozenset[Kind]]
    """What it wants to see: it is given no other entries, and woken by no other."""

    @abstractmethod
    async def project(self, tx: Transaction, entries: Sequence[Entry]) -> list[Hint]: ...


class VisibleProjection(ABC):
    """As `Projection`, but it makes what clients receive: it appends entries of its own, and
    each of its steps is a change in the log."""

    name: ClassVar[str]
    kinds: ClassVar[frozenset[Kind]]

    @abstractmethod
    async def project(self, tx: WriteTransaction, entries: Sequence[Entry]) -> list[Hint]: ...


class Consumed(msgspec.Struct, frozen=True):
    """How far a consumer has come, and what the live sessions may be told."""

    position: int
    read: int  # entries taken in this step; 0: it has caught up
    hints: tuple[HomeHint | CountsHint, ...] = ()


async def offset(tx: Transaction, name: str) -> int:
    """The position up to which a consumer has taken effect."""
    found = await tx.rows("SELECT position FROM consumers WHERE name = ?", (name,))
    return found[0][0] if found else 0


async def move(tx: Transaction, name: str, position: int, fence: int, now_ms: int) -> None:
    """Sets the offset of a consumer."""
    await tx.run(
        tx.dialect.upsert("consumers", ("name",), ("position", "fence", "updated_ms")),
        (name, position, fence, now_ms),
    )


def lease_of(name: str) -> str:
    """The name of the lease under which a consumer runs."""
    return f"consumer.{name}"


async def consume(
    tx: Transaction,
    projection: Projection,
    limit: int,
    now_ms: int,
    fence: int = 0,
    given: Stretch | None = None,
) -> Consumed:
    """One step of an invisible projection: at most `limit` entries, and the offset. Raises
    `Fenced` where the consumer's lease has another owner than the one with this fence; with 0
    there are no others. What was `given` from another source is taken if it follows right
    behind the offset; otherwise the table is read."""
    await check_fence(tx, lease_of(projection.name), fence)
    position = await offset(tx, projection.name)
    if given is None or given.after != position:
        given = await read_stretch(tx, position, limit, projection.kinds)
    _, reached, entries = given
    if reached == position:
        return Consumed(position=position, read=0)
    hints = await projection.project(tx, entries) if entries else []
    await move(tx, projection.name, reached, fence, now_ms)
    return Consumed(position=reached, read=len(entries), hints=_known(hints))


async def skip_entry(
    tx: Transaction,
    name: str,
    after: int,
    kinds: frozenset[Kind],
    error: str,
    now_ms: int,
    fence: int = 0,
) -> int:
    """Sets the entry that follows `after` aside as a dead letter, moves on and returns its
    position. Where the consumer is not at `after` (an earlier call was made and its answer
    lost), or nothing follows, it does nothing and returns 0. Raises `Fenced` as `consume`."""
    await check_fence(tx, lease_of(name), fence)
    if await offset(tx, name) != after:
        return 0
    head = await read_head(tx)
    entries = await read_entries(tx, after, head.position, 1, kinds)
    if not entries:
        return 0
    await tx.run(
        tx.dialect.insert_new("dead_letters", ("consumer", "position", "error", "at_ms")),
        (name, entries[0].position, error[:2000], now_ms),
    )
    await move(tx, name, entries[0].position, fence, now_ms)
    return entries[0].position


def _known(hints: Sequence[Hint]) -> tuple[HomeHint | CountsHint, ...]:
    return tuple(hint for hint in hints if isinstance(hint, HomeHint | CountsHint))


class Consume(SingleChange[Consumed], frozen=True, kw_only=True):
    """One step of a visible projection, as a change of its own: the entries it appends, its
    rows and its offset are one commit."""

    RESULT: ClassVar[type[Consumed]] = Consumed

    projection: VisibleProjection
    limit: int
    fence: int = 0  # see `consume`
    given: Stretch | None = None  # the same

    def excludes(self) -> Sequence[Key]:
        return (("consumer", self.projection.name),)

    async def apply_one(self, tx: WriteTransaction) -> Consumed:
        await check_fence(tx, lease_of(self.projection.name), self.fence)
        position = await offset(tx, self.projection.name)
        given = self.given
        if given is None or given.after != position:
            # Entries of this very batch are not in the table yet: they are for the next step.
            given = await read_stretch(tx, position, self.limit, self.projection.kinds, tx.start)
        _, reached, entries = given
        if reached == position:
            return Consumed(position=position, read=0)
        hints = await self.projection.project(tx, entries) if entries else []
        await move(tx, self.projection.name, reached, self.fence, tx.now_ms)
        return Consumed(position=reached, read=len(entries), hints=_known(hints))
