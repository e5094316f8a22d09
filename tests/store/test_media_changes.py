"""Media objects in the store: reserved, stored, found by their bytes, seen by whom."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from store.changes.base import Change, Op
from store.changes.media import ReserveMedia, StoreMedia
from store.changes.messages import DeleteMessage, HideMessage, SendMessage
from store.changes.rooms import AddMembers, CreateGroup, OpenDirect, RemoveMember
from store.errors import Conflict, DomainError, Invalid, NotFound, OpKeyReused
from store.interface import Store
from store.log import Batch, Kind, Stream, read_entries
from store.queries.hydrate import hydrate
from store.queries.media import media_by_id
from store.queries.media_access import viewable, viewable_media
from store.records import MediaRecord, Purpose
from store.transaction import Transaction
from tests.contracts.backends import OpenStore
from tests.store.social import social

OWNER, FRIEND, OTHER, STRANGER = 1, 2, 3, 4
BYTES = b"the bytes of a photograph"
HASH = hashlib.sha256(BYTES).digest()


def media_id(number: int) -> str:
    return f"{number:032x}"


@asynccontextmanager
async def _store_with_users(open_store: OpenStore) -> AsyncIterator[Store]:
    async with social(open_store, (OWNER, FRIEND, OTHER, STRANGER)) as world:
        yield world.store


@pytest.fixture
def store(open_store: OpenStore) -> AbstractAsyncContextManager[Store]:
    return _store_with_users(open_store)


async def commit(store: Store, *changes: Change[Any], now_ms: int = 1000) -> Batch:
    return await store.commit(changes, now_ms)


async def do(store: Store, change: Change[Any], now_ms: int = 1000) -> Any:
    outcome = (await store.commit([change], now_ms)).outcomes[0]
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


def reserve(number: int = 1, **values: Any) -> ReserveMedia:
    fields: dict[str, Any] = {
        "owner_id": OWNER,
        "media_id": media_id(number),
        "purpose": Purpose.CHAT,
        "size": len(BYTES),
    }
    return ReserveMedia(**(fields | values))


def store_media(number: int = 1, **values: Any) -> StoreMedia:
    fields: dict[str, Any] = {
        "media_id": media_id(number),
        "blob_hash": HASH,
        "size": len(BYTES),
        "mime": "image/jpeg",
        "width": 40,
        "height": 30,
        "color": "#102030",
        "thumbhash": b"looks like",
    }
    return StoreMedia(**(fields | values))


async def stored(store: Store, number: int = 1, **values: Any) -> MediaRecord:
    await do(store, reserve(number, **values))
    record: MediaRecord = await do(store, store_media(number))
    return record


async def test_a_reserved_object_awaits_its_bytes_and_leaves_no_entry(store: Store) -> None:
    batch = await commit(store, reserve(name="beach.jpg"))
    record = batch.outcomes[0]
    assert (record.stored, record.name, record.size) == (False, "beach.jpg", len(BYTES))
    assert batch.entries == []
    assert await store.read(media_by_id, [media_id(1)]) == {media_id(1): record}


async def test_storing_fills_the_row_and_tells_the_owner(store: Store) -> None:
    await do(store, reserve())
    batch = await commit(store, store_media())
    record = batch.outcomes[0]
    assert record.stored
    assert (record.mime, record.width, record.height, record.color) == (
        "image/jpeg",
        40,
        30,
        "#102030",
    )
    assert record.thumbhash == b"looks like"
    (entry,) = batch.entries
    assert (entry.kind, entry.stream, entry.sequence) == (
        Kind.MEDIA_STORED,
        Stream.user(OWNER),
        1,
    )
    assert entry.record == record
    assert await store.read(media_by_id, [record.id]) == {record.id: record}


async def test_an_entry_read_from_the_log_finds_its_object_again(store: Store) -> None:
    first, second = await stored(store, 1), await stored(store, 2)

    async def read(tx: Transaction) -> list[Any]:
        entries = await read_entries(tx, 0, 1 << 62, 100)
        await hydrate(tx, entries)
        return [entry.record for entry in entries]

    assert await store.read(read) == [first, second]


async def test_the_same_bytes_again_change_nothing_and_others_are_a_conflict(store: Store) -> None:
    record = await stored(store)
    again = await commit(store, store_media())
    assert again.outcomes == [record]
    assert again.entries == []
    with pytest.raises(Conflict):
        await do(store, store_media(blob_hash=hashlib.sha256(b"other").digest()))


@pytest.mark.parametrize(
    ("announced", "values", "error"),
    [
        ({}, {"size": 3}, Invalid),
        ({"sha256": HASH}, {"blob_hash": b"\1" * 32}, Invalid),
        ({}, {"media_id": media_id(9)}, NotFound),
    ],
)
async def test_what_was_announced_must_come(
    store: Store, announced: dict[str, Any], values: dict[str, Any], error: type[DomainError]
) -> None:
    await do(store, reserve(**announced))
    with pytest.raises(error):
        await do(store, store_media(**values))
    assert not (await store.read(media_by_id, [media_id(1)]))[media_id(1)].stored


async def test_bytes_that_the_owner_has_stored_need_no_upload(store: Store) -> None:
    first = await stored(store)
    batch = await commit(store, reserve(2, sha256=HASH, purpose=Purpose.POST, name="again"))
    (second,) = batch.outcomes
    assert second.stored
    assert (second.id, second.purpose, second.name) == (media_id(2), Purpose.POST, "again")
    assert (second.blob_hash, second.mime, second.width) == (HASH, first.mime, first.width)
    assert [entry.record for entry in batch.entries] == [second]


async def test_another_users_bytes_stay_his(store: Store) -> None:
    """Knowing a digest is not having the file."""
    await stored(store)
    record = await do(store, reserve(2, owner_id=STRANGER, sha256=HASH))
    assert not record.stored


async def test_a_pending_object_does_not_count_as_known_bytes(store: Store) -> None:
    await do(store, reserve(1, sha256=HASH))
    assert not (await do(store, reserve(2, sha256=HASH))).stored


@pytest.mark.parametrize("values", [{"size": 0}, {"size": -1}, {"sha256": b"short"}])
async def test_senseless_reservations(store: Store, values: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await do(store, reserve(**values))


async def test_a_digest_with_the_wrong_size_is_refused(store: Store) -> None:
    await stored(store)
    with pytest.raises(Invalid):
        await do(store, reserve(2, sha256=HASH, size=5))


async def test_an_id_is_taken_once(store: Store) -> None:
    await do(store, reserve())
    with pytest.raises(Conflict):
        await do(store, reserve(owner_id=STRANGER))


async def test_a_repeated_reservation_answers_with_the_first(store: Store) -> None:
    op = Op(scope="u:1", key=b"k" * 16, digest=b"d" * 16)
    first = await do(store, reserve(1, op=op))
    assert await do(store, reserve(2, op=op)) == first
    assert await store.read(media_by_id, [media_id(2)]) == {}
    with pytest.raises(OpKeyReused):
        await do(store, reserve(3, op=Op(scope="u:1", key=b"k" * 16, digest=b"x" * 16)))


async def test_a_batch_of_reservation_and_bytes_is_applied_in_order(store: Store) -> None:
    batch = await commit(store, reserve(), store_media(), store_media())
    assert [outcome.stored for outcome in batch.outcomes] == [False, True, True]
    assert len(batch.entries) == 1


# Who may see it.


async def seen_by(store: Store, viewer: int, number: int = 1) -> bool:
    return await store.read(viewable, viewer, media_id(number)) is not None


async def send(store: Store, room_id: int, *numbers: int) -> int:
    message = await do(
        store,
        SendMessage(
            sender_id=OWNER,
            room_id=room_id,
            client_id=f"{room_id}:{numbers}".encode().ljust(16, b"\1"),
            text="",
            media_ids=tuple(media_id(one) for one in numbers),
        ),
    )
    found: int = message.id
    return found


async def test_public_media_are_seen_by_all_and_private_ones_by_their_owner(store: Store) -> None:
    await stored(store, 1, purpose=Purpose.POST)
    await stored(store, 2, purpose=Purpose.AVATAR)
    await stored(store, 3, purpose=Purpose.CHAT)
    ids = [media_id(one) for one in (1, 2, 3, 4)]
    assert set(await store.read(viewable_media, STRANGER, ids)) == set(ids[:2])
    assert set(await store.read(viewable_media, 0, ids)) == set(ids[:2])
    assert set(await store.read(viewable_media, OWNER, ids)) == set(ids[:3])


async def test_what_has_no_bytes_yet_is_seen_by_its_owner_alone(store: Store) -> None:
    await do(store, reserve(purpose=Purpose.POST))
    assert await seen_by(store, OWNER)
    assert not await seen_by(store, STRANGER)


async def test_an_attachment_is_seen_by_the_members_who_may_read_its_message(store: Store) -> None:
    await stored(store)
    room_id = await do(store, OpenDirect(user_id=OWNER, peer_id=FRIEND))
    assert not await seen_by(store, FRIEND)
    await send(store, room_id, 1)
    assert await seen_by(store, FRIEND)
    assert not await seen_by(store, STRANGER)


async def test_deleting_the_message_takes_the_attachment_back(store: Store) -> None:
    await stored(store)
    room_id = await do(store, OpenDirect(user_id=OWNER, peer_id=FRIEND))
    message_id = await send(store, room_id, 1)
    await do(store, DeleteMessage(user_id=OWNER, message_id=message_id))
    assert not await seen_by(store, FRIEND)
    assert await seen_by(store, OWNER)


async def test_hiding_the_message_takes_it_from_the_hider_alone(store: Store) -> None:
    await stored(store)
    room_id = await do(store, CreateGroup(user_id=OWNER, title="t", user_ids=(FRIEND, OTHER)))
    message_id = await send(store, room_id, 1)
    await do(store, HideMessage(user_id=FRIEND, message_id=message_id))
    assert not await seen_by(store, FRIEND)
    assert await seen_by(store, OTHER)


async def test_a_second_message_with_it_still_shows_it(store: Store) -> None:
    await stored(store)
    room_id = await do(store, OpenDirect(user_id=OWNER, peer_id=FRIEND))
    first = await send(store, room_id, 1)
    other_room = await do(store, CreateGroup(user_id=OWNER, title="t", user_ids=(FRIEND,)))
    await send(store, other_room, 1)
    await do(store, DeleteMessage(user_id=OWNER, message_id=first))
    assert await seen_by(store, FRIEND)


async def test_stays_bound_what_a_member_sees(store: Store) -> None:
    for number in (1, 2, 3):
        await stored(store, number)
    room_id = await do(store, CreateGroup(user_id=OWNER, title="t", user_ids=(OTHER,)))
    await send(store, room_id, 1)
    await do(store, AddMembers(user_id=OWNER, room_id=room_id, user_ids=(FRIEND,)))
    await send(store, room_id, 2)
    assert [await seen_by(store, FRIEND, one) for one in (1, 2)] == [False, True]

    await do(store, RemoveMember(user_id=OWNER, room_id=room_id, target_id=FRIEND))
    await send(store, room_id, 3)
    assert [await seen_by(store, FRIEND, one) for one in (1, 2, 3)] == [False, False, False]

    await do(store, AddMembers(user_id=OWNER, room_id=room_id, user_ids=(FRIEND,)))
    assert [await seen_by(store, FRIEND, one) for one in (1, 2, 3)] == [False, True, False]
    assert [await seen_by(store, OTHER, one) for one in (1, 2, 3)] == [True, True, True]
