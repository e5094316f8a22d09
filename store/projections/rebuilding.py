"""Builds a projection's rows anew beside those that are shown.

The new rows are a generation of their own, with an offset of its own that begins where the log
does. The consumer's owner takes both on, each step in a transaction; as soon as the new ones are
as new as those that are shown, and none of their entries is set aside, the roles change within
that step (see `store.projections.consuming`). So whatever ends a process, the next owner goes on,
and nobody sees rows that are half made.
"""

from __future__ import annotations

from store.errors import Conflict
from store.log import read_head
from store.projections.base import Projection, lease_of
from store.projections.offsets import Place, Role, add_place, lock_places, set_role
from store.queries.leases import check_fence
from store.transaction import Transaction


async def start_rebuild(tx: Transaction, projection: Projection, now_ms: int) -> int:
    """Begins a new generation, and returns its number. Raises `Conflict` where that cannot be."""
    name = projection.name
    if not projection.tables:
        raise Conflict(f"{name} cannot be built anew")
    places = await lock_places(tx, name)
    if places.building is not None:
        raise Conflict(f"{name} is being built anew already, and is at {places.building.position}")
    floor = (await read_head(tx)).floor
    if floor:
        raise Conflict(
            f"{name} cannot be built anew: the log begins at {floor + 1}, what was before is gone"
        )
    generation = 1 + max(place.generation for place in (places.live, *places.leaving))
    await add_place(tx, name, Place(generation, Role.BUILDING, 0, False, 0), now_ms)
    return generation


async def cancel_rebuild(tx: Transaction, consumer: str) -> None:
    """Gives up the generation that is being built. Raises `Conflict` where there is none."""
    building = (await lock_places(tx, consumer)).building
    if building is None:
        raise Conflict(f"{consumer} is not being built anew")
    await set_role(tx, consumer, building.generation, Role.LEAVING)


async def sweep(tx: Transaction, projection: Projection, limit: int, fence: int = 0) -> bool:
    """Removes some of the rows that are not shown any more, at most `limit` of a table; returns
    whether there may be more. Raises `Fenced` as a step."""
    name = projection.name
    await check_fence(tx, lease_of(name), fence)
    leaving = (await lock_places(tx, name)).leaving
    if not leaving:
        return False
    generation = leaving[0].generation
    left = False
    for table, key in projection.tables.items():
        removed = await tx.run(
            tx.dialect.delete_some(table, key, "generation = ?"), (generation, limit)
        )
        left = left or removed == limit
    if left:
        return True
    for table in ("set_aside", "offsets"):
        await tx.run(
            f"DELETE FROM {table} WHERE consumer = ? AND generation = ?", (name, generation)
        )
    return len(leaving) > 1
