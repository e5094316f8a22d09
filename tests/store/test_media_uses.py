"""What shows an object is counted, and what a user's objects come to; both equal a recount."""

from __future__ import annotations

import random

import pytest

from store.changes.accounts import UpdateProfile
from store.changes.media import ReserveMedia
from store.changes.messages import DeleteMessage, SendMessage
from store.changes.posts import DeletePost
from store.changes.rooms import CreateGroup, UpdateRoom
from store.collect import DropUnusedMedia
from store.errors import DomainError, OverQuota
from store.queries.media import Usage, forget_old_tickets, usage
from store.records import Purpose
from store.transaction import Transaction
from tests.store.social import ANN, BEN, Social

SIZE = 9  # bytes of a photograph of the network


async def counted(tx: Transaction) -> dict[str, int]:
    return {row[0]: row[1] for row in await tx.rows("SELECT id, uses FROM media")}


async def idle(tx: Transaction) -> set[str]:
    return {row[0] for row in await tx.rows("SELECT id FROM media WHERE unused_ms > 0")}


async def recounted(tx: Transaction) -> dict[str, int]:
    """From what shows them."""
    counts = {row[0]: 0 for row in await tx.rows("SELECT id FROM media")}
    for sql in (
        "SELECT media FROM posts",
        "SELECT media FROM messages",
        "SELECT avatar_id FROM users",
        "SELECT avatar_id FROM rooms",
    ):
        for row in await tx.rows(sql):
            for media_id in row[0].split():
                counts[media_id] += 1
    return counts


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_done_uses_equal_a_recount(world: Social, seed: int) -> None:
    chance = random.Random(seed)
    room = await world.group(ANN, BEN)
    pictures = {
        purpose: [await world.photograph(ANN, purpose) for _ in range(3)] for purpose in Purpose
    }
    posts: list[int] = []
    messages: list[int] = []

    def some(purpose: Purpose) -> tuple[str, ...]:
        return tuple(chance.choices(pictures[purpose], k=chance.randint(1, 3)))

    for number in range(60):
        match chance.randrange(7):
            case 0:
                posts.append((await world.post(ANN, "sea", *some(Purpose.POST))).id)
            case 1 if posts:
                await world.do(DeletePost(user_id=ANN, post_id=posts.pop(0)))
            case 2:
                sent = SendMessage(
                    room_id=room,
                    sender_id=ANN,
                    client_id=number.to_bytes(16, "big"),
                    text="",
                    media_ids=some(Purpose.CHAT),
                )
                messages.append((await world.do(sent)).id)
                await world.do(sent)  # a repeat shows nothing more
            case 3 if messages:
                message = chance.choice(messages)  # perhaps again
                await world.do(DeleteMessage(user_id=ANN, message_id=message))
            case 4:
                picture = chance.choice(["", *pictures[Purpose.AVATAR]])
                await world.do(UpdateProfile(user_id=ANN, avatar_id=picture))
            case 5:
                picture = chance.choice(["", *pictures[Purpose.AVATAR]])
                await world.do(UpdateRoom(user_id=ANN, room_id=room, avatar_id=picture))
            case 6:
                picture = chance.choice(pictures[Purpose.AVATAR])
                await world.do(CreateGroup(user_id=ANN, title="lake", avatar_id=picture))
        expected = await world.store.read(recounted)
        assert await world.store.read(counted) == expected
        unused = {media_id for media_id, uses in expected.items() if not uses}
        assert await world.store.read(idle) == unused
    gone = len(unused)
    drop = DropUnusedMedia(before_ms=world.now_ms + 1, limit=100)
    assert await world.do(drop) == gone
    kept = sum(len(of) for of in pictures.values()) - gone
    assert await world.store.read(usage, ANN) == Usage(kept, kept * SIZE)


async def test_a_refused_change_shows_nothing(world: Social) -> None:
    of_bob = await world.photograph(BEN)
    with pytest.raises(DomainError):
        await world.post(ANN, "sea", of_bob)
    assert await world.store.read(counted) == {of_bob: 0}


async def test_usage_counts_tickets_until_they_are_forgotten(world: Social) -> None:
    await world.photograph()
    await world.photograph(stored=False)
    assert await world.store.read(usage, ANN) == Usage(2, 2 * SIZE)
    assert await world.store.read(usage, BEN) == Usage(0, 0)
    assert await world.store.write(forget_old_tickets, world.now_ms + 1, 10) == 1
    assert await world.store.read(usage, ANN) == Usage(1, SIZE)


async def test_past_his_quota_a_user_gets_no_ticket(world: Social) -> None:
    async def reserve(number: int, owner: int = ANN) -> None:
        change = ReserveMedia(
            owner_id=owner,
            media_id=f"{number:032x}",
            purpose=Purpose.POST,
            size=SIZE,
            quota=2 * SIZE,
        )
        await world.do(change)

    await reserve(1)
    await reserve(2)
    with pytest.raises(OverQuota) as caught:
        await reserve(3)
    assert caught.value.details == {"quota": str(2 * SIZE), "used": str(2 * SIZE)}
    await reserve(4, BEN)
    assert await world.store.read(usage, ANN) == Usage(2, 2 * SIZE)
