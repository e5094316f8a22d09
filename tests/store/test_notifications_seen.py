"""The pointer up to which a user has seen his notifications."""

from __future__ import annotations

from store.changes.notifications import MarkSeen
from store.log import Kind, Stream
from store.queries.hydrate import hydrate
from store.queries.notifications import notifications_page, unseen
from store.records import SeenRecord
from tests.store.social import ANN, BEN, CAT, DAN, Social, statements


async def three_likes(world: Social) -> list[int]:
    """Ann has three notifications; where they stand in her list, the earliest first."""
    for user in (BEN, CAT, DAN):
        post = await world.post(ANN, "sea", await world.photograph())
        await world.like(user, post.id)
    await world.project()
    return [one.latest for one in reversed(await world.told(ANN))]


async def test_seeing_is_an_entry_with_the_pointer(world: Social) -> None:
    ids = await three_likes(world)
    before = await world.head()
    seen = await world.do(MarkSeen(user_id=ANN, up_to=ids[1]))
    (entry,) = await world.entries(before)
    assert seen == SeenRecord(up_to=ids[1], changed=entry.position)
    assert (entry.kind, entry.stream) == (Kind.NOTIFICATIONS_SEEN, Stream.user(ANN))
    await world.store.read(hydrate, [entry])
    assert entry.record == seen
    assert [one.seen for one in await world.told(ANN)] == [False, True, True]
    assert await world.store.read(unseen, ANN) == 1


async def test_the_pointer_never_moves_back_nor_past_what_there_is(world: Social) -> None:
    ids = await three_likes(world)
    assert await world.do(MarkSeen(user_id=BEN, up_to=1 << 60)) == SeenRecord(up_to=0, changed=0)
    before = await world.head()
    first = await world.do(MarkSeen(user_id=ANN, up_to=1 << 60))
    assert first.up_to == ids[-1]
    for up_to in (ids[0], ids[-1], 1 << 60):
        assert await world.do(MarkSeen(user_id=ANN, up_to=up_to)) == first
    assert len(await world.entries(before)) == 1
    await world.comment(BEN, (await world.rows("SELECT id FROM posts"))[0][0])
    await world.project()
    assert await world.store.read(unseen, ANN) == 1
    assert [one.seen for one in await world.told(ANN)] == [False, True, True, True]


async def test_pages_of_notifications_stand_still_and_cost_the_same(world: Social) -> None:
    ids = await three_likes(world)
    page, more = await world.store.read(notifications_page, ANN, 0, 2)
    assert [one.latest for one in page] == ids[:0:-1]
    await world.follow(BEN, ANN)
    await world.project()
    rest, end = await world.store.read(notifications_page, ANN, more, 2)
    assert ([one.latest for one in rest], end) == ([ids[0]], 0)
    assert await world.store.read(
        statements, notifications_page, ANN, 0, 4
    ) == await world.store.read(statements, notifications_page, ANN, ids[0] + 1, 1)
    assert await world.store.read(notifications_page, BEN, 0, 30) == ([], 0)
