"""Entries of one room that are the same for all are pushed joined; their order stays that of the
log, whatever lies between them."""

from __future__ import annotations

from realtime.push.delivery import LONGEST_RUN, _runs
from rpc.wire import decode_server
from store.changes.messages import MovePointer, SendMessage
from store.log import Entry, Kind, Stream
from tests.realtime.push.delivering import delivering
from tests.realtime.rooms.town import ANN, BEN


def entry(position: int, kind: Kind = Kind.MESSAGE_SENT, room: int = 1) -> Entry:
    return Entry(
        position=position,
        at_ms=0,
        kind=kind,
        stream=Stream.room(room),
        sequence=position,
        actor_id=1,
        subject_id=position,
    )


def positions(entries: list[Entry]) -> list[list[int]]:
    return [[one.position for one in run] for run in _runs(entries)]


def test_runs_end_where_room_or_kind_changes() -> None:
    assert positions([]) == []
    assert positions([entry(1), entry(2), entry(3, room=2), entry(4), entry(5)]) == [
        [1, 2],
        [3],
        [4, 5],
    ]
    assert positions([entry(1), entry(2, Kind.MESSAGE_EDITED), entry(3), entry(4)]) == [
        [1],
        [2],
        [3, 4],
    ]
    joins = [entry(1, Kind.MEMBER_JOINED), entry(2, Kind.MEMBER_JOINED), entry(3)]
    assert positions(joins) == [[1], [2], [3]]
    assert positions([entry(1), entry(2, Kind.RECEIPT), entry(3)]) == [[1, 2, 3]]


def test_runs_are_bounded() -> None:
    many = [entry(n) for n in range(1, 2 * LONGEST_RUN + 2)]
    assert [len(run) for run in _runs(many)] == [LONGEST_RUN, LONGEST_RUN, 1]


async def test_a_busy_room_costs_a_member_one_push_and_loses_nothing() -> None:
    async with delivering() as kit:
        room = await kit.town.direct(ANN, BEN)
        ear = await kit.come(BEN)
        before = len(ear.pushed)
        changes = [
            SendMessage(sender_id=ANN, room_id=room, client_id=b"%016d" % n, text=str(n))
            for n in range(5)
        ]
        batch = await kit.town.store.commit(
            [*changes, MovePointer(user_id=BEN, room_id=room, number=3, seen=True)], 0
        )
        await kit.delivery.deliver(batch.entries)
        pushed = ear.pushed[before:]
        assert len(pushed) < len(batch.entries)
        assert pushed[0][1] == batch.entries[0].position
        frames = [frame.update for data, _ in pushed for frame in decode_server(data)]
        assert [one.position for one in frames] == [one.position for one in batch.entries]
