"""Where consumers stand in the log: the durable offset of each generation of their rows."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from store.transaction import Transaction


class Role(IntEnum):
    """What a generation of a consumer's rows is. The numbers are stored."""

    LIVE = 0  # shown; there is one, once the consumer has begun
    BUILDING = 1  # built beside it, at most one
    LEAVING = 2  # to be removed


class Place(NamedTuple):
    generation: int
    role: Role
    position: int
    """Up to there it has taken effect."""
    paused: bool
    aside: int
    """Entries that are set aside."""
    seeded: int | None = None
    """Up to where it has been built from the state of things, while it is."""


class Places(NamedTuple):
    """All generations of a consumer."""

    live: Place
    building: Place | None
    leaving: tuple[Place, ...]

    def of(self, role: Role) -> Place | None:
        """The one of the two that consume."""
        return self.live if role is Role.LIVE else self.building


def shown(consumer: str) -> str:
    """A value in a statement: the generation that is shown of a projection's rows; NULL, so that
    there are no rows, before it has begun."""
    return f"(SELECT generation FROM offsets WHERE consumer = '{consumer}' AND role = 0)"


async def offset(tx: Transaction, consumer: str) -> int:
    """The position up to which a consumer has taken effect."""
    found = await tx.rows(
        "SELECT position FROM offsets WHERE consumer = ? AND role = 0", (consumer,)
    )
    return found[0][0] if found else 0


async def places_of(tx: Transaction, consumer: str) -> Places:
    """Where a consumer stands."""
    return (await _places(tx, consumer, "")) or Places(_BEGINNING, None, ())


async def lock_places(tx: Transaction, consumer: str) -> Places:
    """Where a consumer stands, who begins with this. Until the transaction ends, nobody else
    moves it, pauses it, or touches what it has set aside."""
    found = await _places(tx, consumer, tx.dialect.for_update())
    if found is None:
        found = Places(_BEGINNING, None, ())
        await add_place(tx, consumer, found.live, 0)
    return found


_BEGINNING = Place(0, Role.LIVE, 0, False, 0)


async def _places(tx: Transaction, consumer: str, lock: str) -> Places | None:
    found = [
        Place(row[0], Role(row[1]), row[2], bool(row[3]), row[4], row[5])
        for row in await tx.rows(
            "SELECT generation, role, position, paused_ms, (SELECT COUNT(*) FROM set_aside s "
            "WHERE s.consumer = o.consumer AND s.generation = o.generation), (SELECT up_to "
            "FROM seeds d WHERE d.consumer = o.consumer AND d.generation = o.generation) "
            f"FROM offsets o WHERE consumer = ? ORDER BY generation{lock}",
            (consumer,),
        )
    ]
    by_role = {one.role: one for one in found}
    if not found:
        return None
    leaving = tuple(one for one in found if one.role is Role.LEAVING)
    return Places(by_role[Role.LIVE], by_role.get(Role.BUILDING), leaving)


async def add_place(tx: Transaction, consumer: str, place: Place, now_ms: int) -> None:
    await tx.run(
        tx.dialect.insert_new(
            "offsets",
            ("consumer", "generation", "role", "position", "fence", "paused_ms", "updated_ms"),
        ),
        (consumer, place.generation, place.role, place.position, 0, 0, now_ms),
    )


async def move(
    tx: Transaction, consumer: str, generation: int, position: int, fence: int, now_ms: int
) -> None:
    """Sets the offset of a generation that there is."""
    await tx.run(
        "UPDATE offsets SET position = ?, fence = ?, updated_ms = ? "
        "WHERE consumer = ? AND generation = ?",
        (position, fence, now_ms, consumer, generation),
    )


async def seed_from(tx: Transaction, consumer: str, generation: int, up_to: int) -> None:
    """What has ids up to there has its rows; the others are to be built from the state of
    things."""
    await tx.run(
        tx.dialect.upsert("seeds", ("consumer", "generation"), ("up_to",)),
        (consumer, generation, up_to),
    )


async def set_role(tx: Transaction, consumer: str, generation: int, role: Role) -> None:
    await tx.run(
        "UPDATE offsets SET role = ? WHERE consumer = ? AND generation = ?",
        (role, consumer, generation),
    )
