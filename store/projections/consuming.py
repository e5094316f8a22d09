"""How a batch of entries takes effect exactly once: with the offset behind it, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Literal

import msgspec

from store.changes.base import Key, SingleChange
from store.log import Entry, WriteTransaction, entries_at, read_head
from store.projections import aside
from store.projections.base import (
    Consumer,
    CountsHint,
    Hint,
    HomeHint,
    Projection,
    VisibleProjection,
    lease_of,
)
from store.projections.offsets import Place, Role, lock_places, move, places_of, seed_from, set_role
from store.queries.leases import check_fence
from store.sources import Stretch, read_stretch
from store.transaction import Transaction

Halt = Literal["", "paused", "full", "gone", "left behind"]
"""Why nothing was taken although there may be something: an operator has paused the consumer;
too many entries are set aside; there is no such generation; the log has not got any more what
comes next."""


class Consumed(msgspec.Struct, frozen=True):
    """How far a consumer has come, and what the live sessions may be told."""

    position: int
    read: int  # entries taken in this step; 0: it has caught up, or was halted
    hints: tuple[HomeHint | CountsHint, ...] = ()
    halted: Halt = ""
    building: bool = False
    """Whether there is a generation to be built."""
    leaving: bool = False
    """Whether there is one to be removed."""
    switched: bool = False
    """Whether what was built is shown from now on."""
    left: bool = False
    """Whether there is something to carry on with."""
    seeding: bool = False
    """Whether it is built from the state of things, and there is more to be: see
    `store.projections.rebuilding.seed_step`."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a step is to do."""

    limit: int
    fence: int = 0
    """Of the consumer's lease: where that has another owner, `Fenced` is raised. With 0 there
    are no others."""
    given: Stretch | None = None
    """What was read from another source: it is taken if it follows right behind the offset;
    otherwise the table is read."""
    role: Role = Role.LIVE


Apply = Callable[[Sequence[Entry], int], Awaitable[list[Hint]]]
"""Projects entries into a generation."""


async def consume(
    tx: Transaction,
    projection: Projection,
    limit: int,
    now_ms: int,
    fence: int = 0,
    given: Stretch | None = None,
    role: Role = Role.LIVE,
) -> Consumed:
    """One step of an invisible projection, see `Order`: at most `limit` entries, and the
    offset."""

    async def apply(entries: Sequence[Entry], generation: int) -> list[Hint]:
        return await projection.project(tx, entries, generation)

    order = Order(limit=limit, fence=fence, given=given, role=role)
    return await _step(tx, projection, apply, order, now_ms)


class Consume(SingleChange[Consumed], frozen=True, kw_only=True):
    """One step of a visible projection, as a change of its own: the entries it appends, its
    rows and its offset are one commit."""

    RESULT: ClassVar[type[Consumed]] = Consumed

    projection: VisibleProjection
    limit: int
    fence: int = 0  # see `Order`
    given: Stretch | None = None  # the same

    def excludes(self) -> Sequence[Key]:
        return (("consumer", self.projection.name),)

    async def apply_one(self, tx: WriteTransaction) -> Consumed:
        async def apply(entries: Sequence[Entry], generation: int) -> list[Hint]:
            return await self.projection.project(tx, entries)

        order = Order(limit=self.limit, fence=self.fence, given=self.given)
        # Entries of this very batch are not in the table yet: they are for the next step.
        return await _step(tx, self.projection, apply, order, tx.now_ms, tx.start)


async def _step(
    tx: Transaction,
    consumer: Consumer,
    apply: Apply,
    order: Order,
    now_ms: int,
    head: int | None = None,
) -> Consumed:
    await check_fence(tx, lease_of(consumer.name), order.fence)
    places = await lock_places(tx, consumer.name)
    place = places.of(order.role)

    def answer(
        position: int,
        read: int = 0,
        hints: Sequence[Hint] = (),
        halted: Halt = "",
        switched: bool = False,
        left: bool = False,
    ) -> Consumed:
        return Consumed(
            position=position,
            read=read,
            hints=_known(hints),
            halted=halted,
            building=places.building is not None,
            leaving=bool(places.leaving),
            switched=switched,
            left=left,
            seeding=place is not None and place.seeded is not None,
        )

    if place is None:
        return answer(0, halted="gone")
    if places.live.paused:
        return answer(place.position, halted="paused")
    if place.position < (await read_head(tx)).floor:
        return answer(place.position, halted="left behind")
    if place.aside:
        key, positions = await aside.to_retry(tx, consumer.name, place.generation, order.limit)
        if positions:
            entries = await aside.read_aside(tx, positions)
            told = await apply(entries, place.generation)
            await aside.settle(tx, consumer.name, place.generation, key, positions)
            left = await consumer.left(tx, place.generation)
            return answer(place.position, len(entries), told, left=left)
        if place.aside >= aside.BOUND:
            return answer(place.position, halted="full")
    stretch = order.given
    if stretch is None or stretch.after != place.position:
        stretch = await read_stretch(tx, place.position, order.limit, consumer.kinds, head)
    parked, asked = 0, len(stretch.entries)
    if place.aside:
        stretch, parked = await aside.park(tx, consumer, place, stretch, now_ms)
    if asked and stretch.reached == place.position:
        return answer(place.position, halted="full")
    hints: list[Hint] = []
    if stretch.entries:
        hints = await apply(stretch.entries, place.generation)
    if stretch.reached > place.position:
        await move(tx, consumer.name, place.generation, stretch.reached, order.fence, now_ms)
    if place.seeded is not None:
        return answer(stretch.reached, parked + len(stretch.entries))
    left = await consumer.left(tx, place.generation)
    # As new as the rows that are shown, and nothing is missing in them.
    built = place.role is Role.BUILDING and stretch.reached >= places.live.position
    switched = built and not place.aside and not left
    if switched:
        await set_role(tx, consumer.name, places.live.generation, Role.LEAVING)
        await set_role(tx, consumer.name, place.generation, Role.LIVE)
    read = parked + len(stretch.entries)
    return answer(stretch.reached, read, hints, switched=switched, left=left)


async def carry_on(
    tx: Transaction,
    projection: Projection,
    fence: int = 0,
    role: Role = Role.LIVE,
    alone: bool = False,
) -> Consumed:
    """Does a part of what steps have left (see `Projection.carry_on`). Raises `Fenced` as a
    step."""
    await check_fence(tx, lease_of(projection.name), fence)
    places = await lock_places(tx, projection.name)
    place = places.of(role)
    if place is None:
        return Consumed(position=0, read=0, halted="gone")
    if places.live.paused:
        return Consumed(position=place.position, read=0, halted="paused")
    hints = await projection.carry_on(tx, place.generation, place.position, alone=alone)
    left = await projection.left(tx, place.generation)
    return Consumed(position=place.position, read=0, hints=_known(hints), left=left)


async def give_up(
    tx: Transaction,
    projection: Projection,
    error: str,
    now_ms: int,
    fence: int = 0,
    role: Role = Role.LIVE,
) -> int:
    """Drops the first piece of what steps have left, and sets the entry aside that has left it:
    tried again, it leaves it again. Returns its position; 0: there is none. Raises `Fenced` as a
    step."""
    await check_fence(tx, lease_of(projection.name), fence)
    place = (await lock_places(tx, projection.name)).of(role)
    if place is None:
        return 0
    position = await projection.give_up(tx, place.generation)
    for entry in await entries_at(tx, [position]):
        await aside.note_failure(tx, projection, place.generation, entry, error, now_ms)
    return position


def _known(hints: Sequence[Hint]) -> tuple[HomeHint | CountsHint, ...]:
    return tuple(hint for hint in hints if isinstance(hint, HomeHint | CountsHint))


async def upcoming(tx: Transaction, consumer: Consumer, role: Role = Role.LIVE) -> int:
    """The position of the entry that the consumer takes next; 0: there is none."""
    place = (await places_of(tx, consumer.name)).of(role)
    if place is None:
        return 0
    _, retried = await aside.to_retry(tx, consumer.name, place.generation, 1)
    return retried[0] if retried else await _following(tx, consumer, place)


async def _following(tx: Transaction, consumer: Consumer, place: Place) -> int:
    stretch = await read_stretch(tx, place.position, 1, consumer.kinds)
    return stretch.entries[0].position if stretch.entries else 0


async def set_aside(
    tx: Transaction,
    consumer: Consumer,
    position: int,
    error: str,
    now_ms: int,
    fence: int = 0,
    role: Role = Role.LIVE,
) -> bool:
    """Sets the entry at a position aside, because of an error, and moves on. Where it is not
    `upcoming` (an earlier call was made, and its answer lost), it does nothing and returns no.
    Raises `Fenced` as a step.

    Rows that are seeded have no need of it, and no is returned too: the state of things has its
    effect. But which of the rows were made before it, and which after, nobody knows: all are made
    once more.
    """
    name = consumer.name
    await check_fence(tx, lease_of(name), fence)
    place = (await lock_places(tx, name)).of(role)
    if place is None:
        return False
    key, retried = await aside.to_retry(tx, name, place.generation, 1)
    if retried == [position]:
        await aside.note_failure_again(tx, name, place.generation, key, position, error, now_ms)
        return True
    if retried or await _following(tx, consumer, place) != position:
        return False
    if place.seeded is not None:
        await move(tx, name, place.generation, position, fence, now_ms)
        await seed_from(tx, name, place.generation, 0)
        return False
    (entry,) = await entries_at(tx, [position])
    await aside.note_failure(tx, consumer, place.generation, entry, error, now_ms)
    await move(tx, name, place.generation, position, fence, now_ms)
    return True
