"""The delivered and seen pointers, and when somebody was last here."""

from __future__ import annotations

from store.changes.messages import MovePointer
from store.changes.rooms import AddMembers, OpenDirect, RemoveMember
from store.errors import NotFound
from store.log import Kind, Stream
from store.queries import chat
from store.queries.hydrate import hydrate
from store.queries.presence import direct_peers, last_seen_of_peers, store_last_seen
from store.records import ReceiptRecord
from tests.store.social import ANN, BEN, CAT, DAN, Social


def move(room_id: int, number: int, *, user: int = BEN, seen: bool = True) -> MovePointer:
    return MovePointer(user_id=user, room_id=room_id, number=number, seen=seen)


async def room_with(world: Social, messages: int) -> int:
    """A group of Ann and Ben with messages of Ann's."""
    room_id = await world.group(ANN, BEN)
    for _ in range(messages):
        await world.send(ANN, room_id)
    return room_id


async def test_a_moved_pointer_is_an_entry_outside_the_sequence(world: Social) -> None:
    room_id = await room_with(world, 3)
    before = await world.head()
    receipt = await world.do(move(room_id, 2))
    (entry,) = await world.entries(before)
    assert receipt == ReceiptRecord(
        room_id=room_id, user_id=BEN, read_number=2, delivered_number=2, changed=entry.position
    )
    assert (entry.kind, entry.stream, entry.sequence) == (Kind.RECEIPT, Stream.room(room_id), 0)
    assert (entry.actor_id, entry.subject_id) == (BEN, BEN)
    await world.store.read(hydrate, [entry])
    assert entry.record == receipt
    sent = await world.send(ANN, room_id)
    (numbered,) = await world.entries(entry.position)
    assert (numbered.position, numbered.sequence) == (sent.id, 3 + 3 + 1)  # room, joins, messages


async def test_pointers_never_move_back_nor_past_the_last_message(world: Social) -> None:
    room_id = await room_with(world, 3)
    first = await world.do(move(room_id, 1 << 62))
    assert (first.read_number, first.delivered_number) == (3, 3)
    head = await world.head()
    for number in (-5, 0, 1, 3, 4):
        assert await world.do(move(room_id, number)) == first
        assert await world.do(move(room_id, number, seen=False)) == first
    assert await world.head() == head


async def test_what_is_seen_was_delivered(world: Social) -> None:
    room_id = await room_with(world, 5)
    steps = [(3, False, (0, 3)), (2, True, (2, 3)), (4, True, (4, 4)), (5, False, (4, 5))]
    for number, seen, pointers in steps:
        receipt = await world.do(move(room_id, number, seen=seen))
        assert (receipt.read_number, receipt.delivered_number) == pointers
    found = await world.store.read(chat.receipts_by_pair, [(room_id, BEN), (room_id, CAT)])
    assert found == {(room_id, BEN): receipt}


async def test_one_batch_moves_a_pointer_in_order(world: Social) -> None:
    room_id, other = await room_with(world, 4), await room_with(world, 2)
    batch = await world.commit(
        move(room_id, 3),
        move(room_id, 2),
        move(other, 1),
        move(room_id, 4, seen=False),
        move(room_id, 1, user=ANN),  # who wrote them has seen them
        move(room_id, 1, user=CAT),
    )
    pointers = [(one.read_number, one.delivered_number) for one in batch.outcomes[:5]]
    assert pointers == [(3, 3), (3, 3), (1, 1), (3, 4), (4, 4)]
    assert isinstance(batch.outcomes[5], NotFound)
    assert [(entry.stream.id, entry.actor_id) for entry in batch.entries] == [
        (room_id, BEN),
        (other, BEN),
        (room_id, BEN),
    ]
    found = await world.store.read(chat.receipts_by_pair, [(room_id, BEN)])
    assert found[room_id, BEN] == batch.outcomes[3]


async def test_who_has_left_moves_nothing(world: Social) -> None:
    room_id = await room_with(world, 2)
    await world.do(RemoveMember(user_id=BEN, room_id=room_id, target_id=BEN))
    for user in (BEN, CAT):
        outcome = (await world.commit(move(room_id, 1, user=user))).outcomes[0]
        assert isinstance(outcome, NotFound)
        assert str(outcome) == "no such room"
    await world.do(AddMembers(user_id=ANN, room_id=room_id, user_ids=(BEN,)))
    receipts = await world.store.read(chat.receipts_by_pair, [(room_id, BEN)])
    assert receipts[room_id, BEN].read_number == 2  # what was sent before he came


async def test_only_who_shares_a_room_is_told_when_one_was_here(world: Social) -> None:
    assert await world.store.read(direct_peers, [ANN]) == {}
    room_id = await world.group(ANN, BEN)
    await world.do(OpenDirect(user_id=ANN, peer_id=CAT))
    await world.store.write(store_last_seen, [(BEN, 10), (CAT, 20), (DAN, 30)])
    await world.store.write(store_last_seen, [(CAT, 21)])
    await world.store.write(store_last_seen, [])
    everyone = (ANN, BEN, CAT, DAN)
    assert await world.store.read(last_seen_of_peers, ANN, everyone) == {ANN: 0, BEN: 10, CAT: 21}
    assert await world.store.read(last_seen_of_peers, ANN, (BEN, BEN)) == {BEN: 10}
    assert await world.store.read(last_seen_of_peers, ANN, ()) == {}
    assert await world.store.read(last_seen_of_peers, CAT, everyone) == {ANN: 0, CAT: 21}
    assert await world.store.read(last_seen_of_peers, DAN, everyone) == {}
    assert await world.store.read(direct_peers, [ANN, BEN]) == {ANN: [CAT]}
    await world.do(RemoveMember(user_id=BEN, room_id=room_id, target_id=BEN))
    assert await world.store.read(last_seen_of_peers, ANN, (BEN,)) == {}
    assert await world.store.read(last_seen_of_peers, BEN, (ANN,)) == {}
