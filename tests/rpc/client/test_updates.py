"""The judge of streams."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from rpc.client.updates import RECEIPTS, Mark, StreamKey, Tracker, Verdict
from rpc.proto import frames_pb2, models_pb2
from tests.rpc.client.fakes import message_update

ROOM = StreamKey(frames_pb2.STREAM_ROOM, 1)


def skip(first: int, last: int, position: int = 0) -> frames_pb2.Skip:
    frame = frames_pb2.Skip(
        stream=frames_pb2.Stream(kind=frames_pb2.STREAM_ROOM, id=1),
        to=last,
        position=position or 100 + last,
    )
    setattr(frame, "from", first)
    return frame


def test_the_first_sight_of_a_stream_is_adopted_and_then_it_is_dense() -> None:
    tracker = Tracker()
    assert tracker.update(message_update(5)) is Verdict.NEW
    assert tracker.update(message_update(5)) is Verdict.DUPLICATE
    assert tracker.update(message_update(4)) is Verdict.DUPLICATE
    assert tracker.update(message_update(6)) is Verdict.NEW
    assert tracker.update(message_update(8)) is Verdict.GAP
    assert tracker.gap == (ROOM, 7, 8)
    assert tracker.update(message_update(7)) is Verdict.NEW


def test_streams_do_not_disturb_each_other() -> None:
    tracker = Tracker()
    assert tracker.update(message_update(5)) is Verdict.NEW
    assert tracker.update(message_update(1, room=2)) is Verdict.NEW
    own = frames_pb2.Update(
        stream=frames_pb2.Stream(kind=frames_pb2.STREAM_USER, id=1), sequence=40
    )
    assert tracker.update(own) is Verdict.NEW
    assert tracker.update(message_update(6)) is Verdict.NEW


def test_a_skip_accounts_for_its_numbers() -> None:
    tracker = Tracker({ROOM: Mark(3)})
    assert tracker.skip(skip(4, 6)) is Verdict.NEW
    assert tracker.skip(skip(5, 6)) is Verdict.DUPLICATE
    assert tracker.skip(skip(5, 8)) is Verdict.NEW  # overlapping: only the rest is new
    assert tracker.update(message_update(9)) is Verdict.NEW
    assert tracker.skip(skip(11, 12)) is Verdict.GAP


def test_what_moved_is_told_once() -> None:
    tracker = Tracker({ROOM: Mark(3)})
    assert tracker.take_changed() == {}
    tracker.update(message_update(4))
    tracker.update(message_update(5))
    assert tracker.take_changed() == {ROOM: Mark(5)}
    tracker.update(message_update(5))
    assert tracker.take_changed() == {}


def test_a_room_begins_behind_its_base_and_ends_when_gone() -> None:
    tracker = Tracker()
    assert tracker.room_joined(1, 10, position=50) is Verdict.NEW
    assert tracker.update(message_update(12)) is Verdict.GAP
    assert tracker.update(message_update(11, position=51)) is Verdict.NEW
    assert tracker.room_gone(1, position=60) is Verdict.NEW
    assert tracker.room_gone(1, position=60) is Verdict.DUPLICATE
    assert tracker.update(message_update(11, position=51)) is Verdict.DUPLICATE
    # Joined again further on.
    assert tracker.room_joined(1, 20, position=70) is Verdict.NEW
    assert tracker.update(message_update(21, position=71)) is Verdict.NEW


def test_a_replay_of_leaving_and_joining_changes_nothing() -> None:
    tracker = Tracker()
    script: list[Callable[[], Verdict]] = [
        lambda: tracker.room_joined(1, 10, position=50),
        lambda: tracker.update(message_update(11, position=51)),
        lambda: tracker.room_gone(1, position=60),
        lambda: tracker.room_joined(1, 20, position=70),
        lambda: tracker.update(message_update(21, position=71)),
    ]
    assert [step() for step in script] == [Verdict.NEW] * 5
    assert [step() for step in script] == [Verdict.DUPLICATE] * 5
    assert tracker.update(message_update(22, position=72)) is Verdict.NEW


def test_a_stay_that_came_and_went_while_we_were_away_needs_no_announcement() -> None:
    tracker = Tracker({ROOM: Mark(11, 60, gone=True)})
    assert tracker.update(message_update(20, position=70)) is Verdict.NEW
    assert tracker.update(message_update(21, position=71)) is Verdict.NEW
    assert tracker.room_gone(1, position=80) is Verdict.NEW


def test_while_the_server_lags_what_comes_early_is_neither_taken_nor_a_gap() -> None:
    tracker = Tracker({ROOM: Mark(3)})
    tracker.lagging()
    assert tracker.update(message_update(6)) is Verdict.EARLY
    for number in (4, 5, 6):
        assert tracker.update(message_update(number)) is Verdict.NEW
    assert tracker.caught_up() is Verdict.NEW
    assert tracker.update(message_update(8)) is Verdict.GAP


def test_what_came_early_and_never_again_is_a_gap_once_caught_up() -> None:
    tracker = Tracker({ROOM: Mark(3)})
    tracker.lagging()
    assert tracker.update(message_update(6)) is Verdict.EARLY
    assert tracker.update(message_update(4)) is Verdict.NEW
    assert tracker.caught_up() is Verdict.GAP
    assert tracker.gap == (ROOM, 5, 6)


def test_a_loaded_list_bounds_the_first_update() -> None:
    tracker = Tracker()
    tracker.loaded(1, 8)
    assert tracker.update(message_update(10)) is Verdict.GAP
    assert tracker.update(message_update(7)) is Verdict.NEW  # since the cursor, before the list
    assert tracker.update(message_update(8)) is Verdict.NEW


def receipt(user: int, changed: int) -> frames_pb2.Update:
    return frames_pb2.Update(receipt=models_pb2.Receipt(room_id=1, user_id=user, changed=changed))


def test_receipts_are_outside_the_numbers_and_the_newest_wins() -> None:
    tracker = Tracker({ROOM: Mark(3)})
    assert tracker.update(receipt(1, 50)) is Verdict.NEW
    assert tracker.update(receipt(1, 50)) is Verdict.DUPLICATE
    assert tracker.update(receipt(2, 40)) is Verdict.NEW
    assert tracker.update(receipt(1, 49)) is Verdict.DUPLICATE
    assert tracker.update(receipt(1, 51)) is Verdict.NEW
    assert tracker.take_changed() == {}


def test_the_memory_of_receipts_is_bounded() -> None:
    tracker = Tracker()
    for user in range(RECEIPTS + 10):
        assert tracker.update(receipt(user, 1)) is Verdict.NEW
    assert tracker.update(receipt(RECEIPTS, 1)) is Verdict.DUPLICATE
    assert tracker.update(receipt(0, 1)) is Verdict.NEW  # forgotten: the app applies by `changed`


@given(data=st.data())
def test_any_interleaving_with_repeats_yields_each_number_once_and_in_order(
    data: st.DataObject,
) -> None:
    """A log of entries over several streams is sent in portions; after each the connection may
    drop, and the next portion starts again from any earlier place."""
    rooms = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=40), label="log")
    counts: dict[int, int] = {}
    log: list[tuple[int, int, bool]] = []
    for room in rooms:
        counts[room] = counts.get(room, 0) + 1
        log.append((room, counts[room], data.draw(st.booleans(), label="skip")))
    tracker = Tracker()
    got: list[tuple[int, int]] = []
    at = 0
    while at < len(log):
        start = data.draw(st.integers(0, at), label="resume from")
        if data.draw(st.booleans(), label="restart"):
            # What was stored at a checkpoint is all that a new process knows.
            tracker = Tracker(tracker._marks)
        end = data.draw(st.integers(at + 1, len(log)), label="cut at")
        for position, (room, number, skipped) in enumerate(log[start:end], start + 1):
            if skipped:
                frame = frames_pb2.Skip(
                    stream=frames_pb2.Stream(kind=frames_pb2.STREAM_ROOM, id=room),
                    to=number,
                    position=position,
                )
                setattr(frame, "from", number)
                verdict = tracker.skip(frame)
            else:
                verdict = tracker.update(message_update(number, room=room, position=position))
            if verdict is Verdict.NEW:
                got.append((room, number))
            else:
                assert verdict is Verdict.DUPLICATE
        at = end
    assert got == [(room, number) for room, number, _ in log]


@given(numbers=st.lists(st.integers(1, 30), max_size=60))
def test_whatever_comes_what_is_taken_is_dense(numbers: list[int]) -> None:
    tracker = Tracker({ROOM: Mark(10)})
    taken = [n for n in numbers if tracker.update(message_update(n)) is Verdict.NEW]
    assert taken == list(range(11, 11 + len(taken)))
