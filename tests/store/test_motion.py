"""Videos that are prepared: whose turn it is, what it leaves, and who hears of it."""

from __future__ import annotations

import hashlib

import pytest

from store.changes.media import ReserveMedia
from store.changes.messages import DeleteMessage
from store.changes.motion import SettlePreparation
from store.changes.posts import DeletePost
from store.collect import DropUnusedMedia
from store.log import Kind, Stream
from store.queries.chat import messages_by_id
from store.queries.media import referenced_blobs
from store.queries.motion import (
    FIRST,
    Work,
    add_work,
    claim_work,
    due_work,
    file_of,
    index_of,
    keep_work,
    leave_work,
    media_of_blob,
)
from store.queries.posts import posts_by_id
from store.records import FileKind, MediaFile, MotionState, PostRecord, Purpose
from tests.store.social import ANN, BEN, CAT, Social

ME, OTHER = b"m" * 16, b"o" * 16
INDEX = MediaFile(digest=b"i" * 32, kind=FileKind.INDEX, size=3)
SEGMENT = MediaFile(digest=b"s" * 32, kind=FileKind.SEGMENT, size=300)
POSTER = hashlib.sha256(b"poster").digest()
LONG = 60_000


async def source_of(world: Social, media_id: str) -> bytes:
    return (await world.media(media_id)).blob_hash


async def settle(world: Social, source: bytes, *files: MediaFile) -> int:
    done: int = await world.do(SettlePreparation(source=source, files=files))
    return done


async def state(world: Social, media_id: str) -> MotionState:
    motion = (await world.media(media_id)).motion
    assert motion is not None
    return motion.state


async def claim(world: Social, owner: bytes = ME, lifetime_ms: int = LONG) -> Work | None:
    """The first that is due."""
    for due in await world.store.read(due_work, FIRST, 1):
        return await world.store.write(claim_work, due.source, owner, lifetime_ms)
    return None


# Whose turn it is.


async def test_a_video_is_work_for_one_at_a_time(world: Social) -> None:
    source = await source_of(world, await world.film())
    assert await claim(world) == Work(source, 1)
    assert await claim(world, OTHER) is None
    assert await world.store.write(keep_work, source, ME, LONG)
    assert not await world.store.write(keep_work, source, OTHER, LONG)


async def test_who_dies_of_it_leaves_it_to_the_next_when_his_time_is_over(world: Social) -> None:
    source = await source_of(world, await world.film())
    assert await claim(world, ME, 0) == Work(source, 1)
    assert await claim(world, OTHER) == Work(source, 2)
    assert not await world.store.write(keep_work, source, ME, LONG)


async def test_of_two_who_saw_the_same_work_one_gets_it(world: Social) -> None:
    source = await source_of(world, await world.film())
    assert await world.store.write(claim_work, source, ME, LONG) == Work(source, 1)
    assert await world.store.write(claim_work, source, OTHER, LONG) is None
    assert await world.store.write(claim_work, b"n" * 32, ME, LONG) is None  # of what is no work


async def test_all_that_is_due_is_found_in_pages(world: Social) -> None:
    sources = {await source_of(world, await world.film()) for _ in range(5)}
    tried = sorted(sources)[0]
    assert await world.store.write(claim_work, tried, ME, 0) is not None
    found, last = [], FIRST
    while page := await world.store.read(due_work, last, 2):
        found += [one.source for one in page]
        last = page[-1]
    assert found == [*sorted(sources - {tried}), tried]


async def test_what_was_never_tried_comes_first(world: Social) -> None:
    first = await source_of(world, await world.film())
    assert await claim(world, ME, 0) == Work(first, 1)
    second = await source_of(world, await world.film())
    assert await claim(world) == Work(second, 1)
    assert await claim(world) == Work(first, 2)


async def test_work_that_is_left_waits_and_may_not_have_counted(world: Social) -> None:
    source = await source_of(world, await world.film())
    await claim(world)
    await world.store.write(leave_work, source, OTHER, 0, False)  # it is not his
    assert await claim(world) is None
    await world.store.write(leave_work, source, ME, 0, False)
    assert await claim(world) == Work(source, 1)
    await world.store.write(leave_work, source, ME, LONG, True)
    assert await claim(world) is None


# What it leaves.


async def test_a_prepared_video_says_so_and_has_its_files(world: Social) -> None:
    media_id = await world.film()
    source = await source_of(world, media_id)
    assert await state(world, media_id) is MotionState.PREPARING
    assert await world.store.read(index_of, source) is None
    assert await settle(world, source, INDEX, SEGMENT) == 1
    assert await state(world, media_id) is MotionState.READY
    assert await world.store.read(index_of, source) == INDEX
    assert await world.store.read(file_of, source, SEGMENT.digest) == SEGMENT
    assert await world.store.read(file_of, b"x" * 32, SEGMENT.digest) is None
    assert await claim(world) is None
    entry = (await world.entries())[-1]
    assert (entry.kind, entry.stream) == (Kind.MEDIA_PREPARED, Stream.user(ANN))
    assert entry.position == (await world.media(media_id)).changed


async def test_it_is_settled_once(world: Social) -> None:
    media_id = await world.film()
    source = await source_of(world, media_id)
    await settle(world, source, INDEX)
    before = await world.head()
    assert await settle(world, source, SEGMENT) == 0
    assert await settle(world, source) == 0
    assert await world.head() == before
    assert await world.store.read(file_of, source, SEGMENT.digest) is None
    assert await state(world, media_id) is MotionState.READY


async def test_one_of_which_nothing_can_be_made(world: Social) -> None:
    media_id = await world.film()
    await settle(world, await source_of(world, media_id))
    assert await state(world, media_id) is MotionState.FAILED
    assert await claim(world) is None


async def test_the_same_bytes_are_prepared_once_for_all_their_owners(world: Social) -> None:
    first, second = await world.film(ANN, data=b"same"), await world.film(BEN, data=b"same")
    source = await source_of(world, first)
    assert await claim(world) == Work(source, 1)
    assert await claim(world) is None
    assert await settle(world, source, INDEX) == 2
    assert [await state(world, one) for one in (first, second)] == [MotionState.READY] * 2
    third = await world.film(CAT, data=b"same")
    assert await state(world, third) is MotionState.READY
    assert await claim(world) is None
    again = await world.do(
        ReserveMedia(owner_id=ANN, media_id="a" * 32, purpose=Purpose.CHAT, size=9, sha256=source)
    )
    assert again.motion == (await world.media(first)).motion


async def test_files_go_with_the_last_object_of_their_original(world: Social) -> None:
    first, second = await world.film(ANN, data=b"same"), await world.film(BEN, data=b"same")
    await world.film(CAT)
    source = await source_of(world, first)
    await settle(world, source, INDEX, SEGMENT)
    digests = [INDEX.digest, SEGMENT.digest, POSTER, b"x" * 32]
    assert await world.store.read(referenced_blobs, digests) == set(digests[:3])
    post = await world.post(BEN, "sea", second)
    after = world.now_ms + 1
    assert await world.do(DropUnusedMedia(before_ms=after, limit=10)) == 2  # Ann's, and the other
    assert await world.store.read(referenced_blobs, digests) == set(digests[:3])
    assert await claim(world) is None  # the other's work is gone with it
    await world.do(DeletePost(user_id=BEN, post_id=post.id))
    assert await world.do(DropUnusedMedia(before_ms=world.now_ms + 1, limit=10)) == 1
    assert await world.store.read(referenced_blobs, digests) == set()
    assert await world.store.read(media_of_blob, source) == []


async def test_what_was_dropped_meanwhile_leaves_no_files(world: Social) -> None:
    source = await source_of(world, await world.film())
    await world.do(DropUnusedMedia(before_ms=world.now_ms + 1, limit=10))
    await world.store.write(add_work, source)
    assert await settle(world, source, INDEX) == 0
    assert await world.store.read(index_of, source) is None
    assert await claim(world) is None


# Who hears of it.


async def test_the_messages_that_show_it_say_so(world: Social) -> None:
    media_id = await world.film(ANN, Purpose.CHAT)
    room = await world.group(ANN, BEN)
    message_id = (await world.send(ANN, room, "", media_id)).id
    before = await world.head()
    await settle(world, await source_of(world, media_id), INDEX)
    entry = (await world.entries(before))[-1]
    assert (entry.kind, entry.stream, entry.subject_id) == (
        Kind.MESSAGE_PREPARED,
        Stream.room(room),
        message_id,
    )
    message = (await world.store.read(messages_by_id, [message_id]))[message_id]
    assert (message.changed, message.edited_ms) == (entry.position, 0)
    (shown,) = message.media
    assert shown.motion is not None
    assert shown.motion.state is MotionState.READY


async def test_the_posts_that_show_it_say_so(world: Social) -> None:
    await world.post(ANN)
    media_id = await world.film()
    other = await world.film()
    post = await world.post(ANN, "sea", media_id, other)
    await world.post(ANN, "sea", other)
    before = await world.head()
    await settle(world, await source_of(world, media_id), INDEX)
    _, entry = await world.entries(before)
    assert (entry.kind, entry.stream, entry.subject_id) == (
        Kind.POST_PREPARED,
        Stream.user(ANN),
        post.id,
    )
    now: PostRecord = (await world.store.read(posts_by_id, [post.id], ANN))[post.id]
    assert now.changed == entry.position
    assert [one.motion.state for one in now.media if one.motion] == [
        MotionState.READY,
        MotionState.PREPARING,
    ]


@pytest.mark.parametrize("shown", ["post", "message"])
async def test_what_was_deleted_says_nothing(world: Social, shown: str) -> None:
    media_id = await world.film(ANN, Purpose.POST if shown == "post" else Purpose.CHAT)
    if shown == "post":
        post = await world.post(ANN, "sea", media_id)
        await world.do(DeletePost(user_id=ANN, post_id=post.id))
    else:
        message = await world.send(ANN, await world.group(ANN, BEN), "", media_id)
        await world.do(DeleteMessage(user_id=ANN, message_id=message.id))
    before = await world.head()
    await settle(world, await source_of(world, media_id), INDEX)
    assert [entry.kind for entry in await world.entries(before)] == [Kind.MEDIA_PREPARED]
