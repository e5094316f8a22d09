"""All that is to be said of one device (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from realtime.demo.check import (
    Difference,
    check_receipts,
    check_stream,
    last_receipt_missing,
    match,
    name_stream,
)
from realtime.demo.items import user_stream
from realtime.demo.news import faces_of
from realtime.demo.record import Record
from realtime.demo.world import World


def has_all(world: World, user_id: int, session_id: int, record: Record) -> bool:
    """Whether everything that was acknowledged has reached the device."""
    for stream, items in world.expected(user_id, session_id).items():
        if match(items, record.streams.get(stream, ())).lost:
            return False
    if faces_of(record.notifications.values()) != world.circles.told(user_id):
        return False
    return not any(
        last_receipt_missing(
            room.receipts_for(user_id, other), record.receipts.get((room.id, other), ())
        )
        for room in world.rooms.values()
        if user_id in room.stays
        for other in room.receipts
    )


def told(world: World, user_id: int, record: Record) -> tuple[int, int]:
    """How many notifications a device should hold, and how many of them it holds as they are."""
    wanted = world.circles.told(user_id)
    return len(wanted), len(set(wanted).intersection(faces_of(record.notifications.values())))


def _check_news(world: World, user_id: int, record: Record) -> Iterator[tuple[str, str]]:
    """The notifications that a device has received, and those that it holds in the end."""
    circles = world.circles
    slots = record.streams.get(user_stream(user_id), ())
    yield from circles.news[user_id].troubles(slots, circles.texts)
    held = faces_of(record.notifications.values())
    wanted = circles.told(user_id)
    yield from (("lost", str(face)) for face in wanted if face not in held)
    yield from (("unexpected", str(face)) for face in held if face not in wanted)


def check_device(
    world: World, user_id: int, session_id: int, record: Record, who: str
) -> list[Difference]:
    """Every way in which what a device received is not what it should have received."""
    found = [Difference(who, "its streams", "restarted", trouble) for trouble in record.troubles]
    expected = world.expected(user_id, session_id)
    for stream in sorted(expected.keys() | record.streams.keys()):
        for one in check_stream(expected.get(stream, []), record.streams.get(stream, [])):
            found.append(Difference(who, name_stream(stream), *one))
    found += [Difference(who, "notifications", *one) for one in _check_news(world, user_id, record)]
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
