"""All that is to be said of one device (pure)."""

from __future__ import annotations

from realtime.demo.check import (
    Difference,
    check_receipts,
    check_stream,
    last_receipt_missing,
    match,
    name_stream,
)
from realtime.demo.record import Record
from realtime.demo.world import World


def has_all(world: World, user_id: int, session_id: int, record: Record) -> bool:
    """Whether everything that was acknowledged has reached the device."""
    for stream, items in world.expected(user_id, session_id).items():
        if match(items, record.streams.get(stream, ())).lost:
            return False
    return not any(
        last_receipt_missing(
            room.receipts_for(user_id, other), record.receipts.get((room.id, other), ())
        )
        for room in world.rooms.values()
        if user_id in room.stays
        for other in room.receipts
    )


def check_device(
    world: World, user_id: int, session_id: int, record: Record, who: str
) -> list[Difference]:
    """Every way in which what a device received is not what it should have received."""
    found = [Difference(who, "its streams", "restarted", trouble) for trouble in record.troubles]
    expected = world.expected(user_id, session_id)
    for stream in sorted(expected.keys() | record.streams.keys()):
        for one in check_stream(expected.get(stream, []), record.streams.get(stream, [])):
            found.append(Difference(who, name_stream(stream), *one))
    checked = set()
    for room in world.rooms.values():
        if user_id not in room.stays:
            continue
        for other, final in room.pointers.items():
            checked.add((room.id, other))
            got = record.receipts.get((room.id, other), ())
            where = f"receipts of {world.circles.people[other].username} in room {room.id}"
            for one in check_receipts(room.receipts_for(user_id, other), final, got):
                found.append(Difference(who, where, *one))
    for room_id, other in sorted(record.receipts.keys() - checked):
        detail = f"receipts of user {other}"
        found.append(Difference(who, f"room {room_id}", "unexpected", detail))
    return found
