"""Parts of uploads, and uploads that are made of others, in every database."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from store.changes.media import DropTicket, ReserveMedia, StoreMedia
from store.errors import Conflict, Invalid, NotFound
from store.queries.media import referenced_blobs
from store.queries.upload_partials import (
    Partial,
    add_partial,
    join_of,
    join_partials,
    partials_of,
)
from store.queries.upload_parts import (
    add_part,
    drop_partial,
    standing,
    upload_parts,
)
from store.records import Purpose
from tests.store.social import ANN, Social

MEDIA, ONE, TWO, THREE = (f"{number:032x}" for number in range(1, 5))
SIZE = 10


def digest(number: int) -> bytes:
    return hashlib.sha256(bytes([number])).digest()


async def reserve(world: Social) -> None:
    await world.do(ReserveMedia(owner_id=ANN, media_id=MEDIA, purpose=Purpose.POST, size=SIZE))


async def store(world: Social) -> None:
    await world.do(
        StoreMedia(
            media_id=MEDIA,
            blob_hash=digest(0),
            size=SIZE,
            mime="image/jpeg",
            width=1,
            height=1,
            color="#000000",
        )
    )


async def part(world: Social, partial: str, start: int, size: int, number: int) -> None:
    await world.store.write(add_part, MEDIA, partial, start, size, digest(number))


async def begun(world: Social) -> None:
    """Two partial uploads that make the whole."""
    await reserve(world)
    for partial, length, number in ((ONE, 4, 1), (TWO, 6, 2)):
        await world.store.write(add_partial, MEDIA, partial, length)
        await part(world, partial, 0, length, number)


async def read(world: Social, query: Any) -> Any:
    return await world.store.read(query, MEDIA)


async def test_parts_lie_end_to_end(world: Social) -> None:
    await reserve(world)
    assert await read(world, standing) == (0, "")
    await part(world, "", 0, 3, 1)
    for start in (0, 2, 4):
        with pytest.raises(Conflict):
            await part(world, "", start, 1, 2)
    with pytest.raises(Invalid):
        await part(world, "", 3, 8, 2)
    await part(world, "", 3, 7, 2)
    assert await read(world, standing) == (SIZE, "")
    assert [one.start for one in await read(world, upload_parts)] == [0, 3]
    await store(world)
    with pytest.raises(Conflict):
        await part(world, "", SIZE, 1, 3)
    assert await read(world, upload_parts) == []


async def test_partial_uploads_stand_each_for_itself(world: Social) -> None:
    await begun(world)
    await world.store.write(add_partial, MEDIA, THREE, 9)
    assert await read(world, partials_of) == [
        Partial(ONE, 4, 4, 1),
        Partial(TWO, 6, 6, 1),
        Partial(THREE, 9, 0, 0),
    ]
    assert await read(world, standing) == (0, "")
    wanted = {digest(1), digest(2)}
    assert await world.store.read(referenced_blobs, [*wanted, digest(3)]) == wanted
    await part(world, THREE, 0, 8, 3)
    await part(world, THREE, 8, 1, 4)
    with pytest.raises(Invalid):  # longer than it was to be
        await part(world, THREE, 9, 1, 5)
    with pytest.raises(NotFound):
        await part(world, "f" * 32, 0, 1, 5)
    await world.store.write(drop_partial, MEDIA, THREE)
    with pytest.raises(NotFound):
        await world.store.write(drop_partial, MEDIA, THREE)
    assert await world.store.read(referenced_blobs, [digest(3)]) == set()


async def test_partial_uploads_hold_twice_their_object_at_most(world: Social) -> None:
    await begun(world)
    await world.store.write(add_partial, MEDIA, THREE, SIZE)
    await part(world, THREE, 0, SIZE, 3)
    last = "a" * 32
    await world.store.write(add_partial, MEDIA, last, 1)
    with pytest.raises(Invalid):
        await part(world, last, 0, 1, 4)


async def test_what_an_upload_is_made_of_is_said_once(world: Social) -> None:
    await begun(world)
    said = [ONE, TWO, ONE]  # whether that makes a whole is not asked here
    with pytest.raises(NotFound):
        await world.store.write(join_partials, MEDIA, "final;x", [ONE, THREE])
    await world.store.write(join_partials, MEDIA, "final;x", said)
    await world.store.write(join_partials, MEDIA, "final;x", said)
    assert await read(world, standing) == (0, "final;x")
    found = await read(world, join_of)
    assert (found.concat, found.partials) == ("final;x", said)
    for wrong in (
        world.store.write(join_partials, MEDIA, "final;x", [TWO]),
        world.store.write(add_partial, MEDIA, THREE, 1),
        world.store.write(drop_partial, MEDIA, ONE),
        part(world, "", 0, 1, 3),
    ):
        with pytest.raises(Conflict):
            await wrong
    await store(world)
    assert await read(world, partials_of) == []
    assert await world.store.read(upload_parts, ONE) == []
    assert await read(world, standing) == (0, "final;x")


async def test_all_goes_with_the_ticket(world: Social) -> None:
    await begun(world)
    await world.store.write(join_partials, MEDIA, "final;x", [ONE, TWO])
    await world.do(DropTicket(media_id=MEDIA))
    assert await read(world, partials_of) == []
    assert await read(world, join_of) is None
    assert await world.store.read(referenced_blobs, [digest(1), digest(2)]) == set()
    for wrong in (
        world.store.write(add_partial, MEDIA, THREE, 1),
        part(world, "", 0, 1, 1),
    ):
        with pytest.raises(NotFound):
            await wrong


async def test_an_upload_of_its_own_bytes_is_not_made_of_others(world: Social) -> None:
    await begun(world)
    await part(world, "", 0, 1, 3)
    with pytest.raises(Conflict):
        await world.store.write(join_partials, MEDIA, "final;x", [ONE, TWO])
