"""Waves keep the order of what conflicts."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from store.changes.base import Change
from store.changes.messages import MovePointer, SendMessage
from store.changes.rooms import RemoveMember
from store.changes.waves import waves

ROOM = st.integers(1, 3)
CHANGES: st.SearchStrategy[Change[Any]] = st.one_of(
    st.builds(
        SendMessage,
        sender_id=st.just(1),
        room_id=ROOM,
        client_id=st.sampled_from([b"a", b"b", b"c"]),
        text=st.just("x"),
    ),
    st.builds(RemoveMember, user_id=st.just(1), room_id=ROOM, target_id=st.just(2)),
    st.builds(MovePointer, user_id=st.just(1), room_id=ROOM, number=st.just(1), seen=st.just(True)),
)


def _conflict(one: Change[Any], other: Change[Any]) -> bool:
    alone, both = set(one.excludes()) | set(other.excludes()), set()
    for key in (*one.excludes(), *one.touches()):
        if key in (*other.excludes(), *other.touches()):
            both.add(key)
    return bool(both & alone) or (bool(both) and type(one) is not type(other))


@given(st.lists(CHANGES, max_size=12))
def test_conflicts_lie_in_different_waves_in_their_order(changes: list[Change[Any]]) -> None:
    place: dict[int, tuple[int, int]] = {}
    for number, wave in enumerate(waves(changes)):
        for indexes in wave.values():
            for at, index in enumerate(indexes):
                place[index] = (number, at)
    assert sorted(place) == list(range(len(changes)))
    for later in range(len(changes)):
        for earlier in range(later):
            if _conflict(changes[earlier], changes[later]):
                assert place[earlier][0] < place[later][0]
            elif type(changes[earlier]) is type(changes[later]) and set(
                changes[earlier].touches()
            ) & set(changes[later].touches()):
                assert place[earlier] < place[later]
