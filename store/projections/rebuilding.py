"""Builds a projection's rows anew beside those that are shown.

The new rows are a generation of their own, with an offset of its own. The consumer's owner takes
both on, each step in a transaction; as soon as the new ones are as new as those that are shown, and
none of their entries is set aside, the roles change within that step (see
`store.projections.consuming`). So whatever ends a process, the next owner goes on, and nobody sees
rows that are half made.

The offset begins where the log does. Where the log's own beginning is gone, the rows are *seeded*:
made by the state of things, a portion of ids at a time. Each portion is made with the head of the
log locked, after all entries up to it have been taken: so the rows of all portions are those of the
offset, however much happens between them.
"""

from __future__ import annotations

from msgspec.structs import replace

from store.errors import Conflict
from store.log import read_head
from store.projections.base import Projection, lease_of
from store.projections.consuming import Consumed, consume
from store.projections.offsets import Place, Role, add_place, lock_places, seed_from, set_role
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
    head = await read_head(tx)
    generation = 1 + max(place.generation for place in (places.live, *places.leaving))
    position = head.position if head.floor else 0
    await add_place(tx, name, Place(generation, Role.BUILDING, position, False, 0), now_ms)
    if head.floor:
        await seed_from(tx, name, generation, 0)
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
    for table in ("set_aside", "seeds", "offsets"):
        await tx.run(
            f"DELETE FROM {table} WHERE consumer = ? AND generation = ?", (name, generation)
        )
    return len(leaving) > 1


async def seed_step(
    tx: Transaction, projection: Projection, limit: int, ids: int, now_ms: int, fence: int = 0
) -> Consumed:
    """A step of a generation that is seeded: at most `limit` entries, and where these were all
    there are, the rows of the next so many `ids`. Raises `Fenced` as any step."""
    head = (await read_head(tx, lock=True)).position
    done = await consume(tx, projection, limit, now_ms, fence, None, Role.BUILDING)
    place = (await lock_places(tx, projection.name)).building
    if place is None or place.seeded is None or done.halted:
        return done
    if place.position < head:
        return done
    of = (projection.name, place.generation)
    up_to = min(head, place.seeded + ids)
    await projection.seed(tx, place.generation, place.seeded, up_to, now_ms)
    if up_to == head:
        await tx.run("DELETE FROM seeds WHERE consumer = ? AND generation = ?", of)
    else:
        await seed_from(tx, *of, up_to)
    return replace(done, read=done.read + 1, seeding=up_to < head)
