"""Knows of every stream how far it has come (pure).

An update is new, a duplicate, or proof that something is missing, by its stream's dense
sequence number alone; the cursor plays no part in it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from rpc.proto import frames_pb2

RECEIPTS = 10_000  # (room, user) pairs whose latest receipt is remembered


class StreamKey(NamedTuple):
    kind: int  # frames_pb2.StreamKind
    id: int

    @classmethod
    def of(cls, stream: frames_pb2.Stream) -> StreamKey:
        return cls(int(stream.kind), stream.id)


class Mark(NamedTuple):
    """How far a stream has come."""

    sequence: int
    position: int = 0  # of the last RoomJoined or RoomGone; 0 when none was seen
    gone: bool = False


class Verdict(Enum):
    NEW = "new"
    DUPLICATE = "duplicate"  # had before: say nothing of it
    EARLY = "early"  # ahead of its turn while the server catches up; it will come again
    GAP = "gap"  # numbers before it are missing


class Gap(NamedTuple):
    stream: StreamKey
    expected: int
    got: int


class Tracker:
    """Judges frames in the order of their arrival. A NEW verdict moves the stream."""

    def __init__(self, marks: Mapping[StreamKey, Mark] | None = None) -> None:
        self._marks: dict[StreamKey, Mark] = dict(marks or {})
        self._changed: dict[StreamKey, Mark] = {}
        self._ceilings: dict[StreamKey, int] = {}
        self._receipts: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._early: dict[StreamKey, int] = {}
        self._lagging = False
        self.gap: Gap | None = None  # the one that the last GAP verdict found

    def update(self, update: frames_pb2.Update) -> Verdict:
        if not update.sequence:
            return self._outside(update)
        key = StreamKey.of(update.stream)
        return self._span(key, update.sequence, update.sequence, update.position)

    def skip(self, skip: frames_pb2.Skip) -> Verdict:
        # `from` is a Python keyword.
        first: int = getattr(skip, "from")
        return self._span(StreamKey.of(skip.stream), first, skip.to, skip.position)

    def room_joined(self, room_id: int, base: int, position: int) -> Verdict:
        """The room's stream starts behind `base`, which the summary includes."""
        key = StreamKey(frames_pb2.STREAM_ROOM, room_id)
        mark = self._marks.get(key)
        if mark is not None and position <= mark.position:
            return Verdict.DUPLICATE
        if mark is not None and not mark.gone:
            base = max(base, mark.sequence)  # known without a RoomJoined until now
        self._move(key, Mark(base, position))
        return Verdict.NEW

    def room_gone(self, room_id: int, position: int) -> Verdict:
        """The room's stream ends here, until a later RoomJoined."""
        key = StreamKey(frames_pb2.STREAM_ROOM, room_id)
        mark = self._marks.get(key, Mark(0))
        if position <= mark.position:
            return Verdict.DUPLICATE
        self._early.pop(key, None)
        self._move(key, Mark(mark.sequence, position, gone=True))
        return Verdict.NEW

    def loaded(self, room_id: int, base: int) -> None:
        """A list loaded after the cursor was adopted includes the room up to `base`: its first
        update must not lie beyond `base` + 1."""
        key = StreamKey(frames_pb2.STREAM_ROOM, room_id)
        if key not in self._marks:
            self._ceilings[key] = min(base, self._ceilings.get(key, base))

    def lagging(self) -> None:
        """From here to `caught_up` the server may send a stream out of turn."""
        self._lagging = True

    def caught_up(self) -> Verdict:
        """GAP when something that came early did not come again."""
        self._lagging = False
        early, self._early = self._early, {}
        for key, sequence in early.items():
            mark = self._marks.get(key, Mark(0))
            if mark.sequence < sequence:
                return self._gap(key, mark.sequence + 1, sequence)
        return Verdict.NEW

    def new_connection(self) -> None:
        self._lagging = False
        self._early.clear()

    def reset(self) -> None:
        """Forgets every stream: the lists are to be loaded afresh."""
        self._marks.clear()
        self._changed.clear()
        self._ceilings.clear()
        self._receipts.clear()
        self.new_connection()

    def take_changed(self) -> dict[StreamKey, Mark]:
        """What has moved since the last time this was asked."""
        changed, self._changed = self._changed, {}
        return changed

    def _span(self, key: StreamKey, first: int, last: int, position: int) -> Verdict:
        mark = self._marks.get(key)
        if mark is None:
            # Numbers are adopted at the first sight of a stream.
            ceiling = self._ceilings.get(key)
            if ceiling is not None and first > ceiling + 1:
                return self._ahead(key, ceiling + 1, first, last)
            mark = Mark(first - 1)
        elif mark.gone:
            if position <= mark.position:
                return Verdict.DUPLICATE
            # A stay that has ended again is told without a RoomJoined.
            mark = Mark(first - 1, mark.position)
        if last <= mark.sequence:
            return Verdict.DUPLICATE
        if first > mark.sequence + 1:
            return self._ahead(key, mark.sequence + 1, first, last)
        self._move(key, mark._replace(sequence=last))
        return Verdict.NEW

    def _ahead(self, key: StreamKey, expected: int, first: int, last: int) -> Verdict:
        if not self._lagging:
            return self._gap(key, expected, first)
        self._early[key] = max(last, self._early.get(key, 0))
        return Verdict.EARLY

    def _gap(self, key: StreamKey, expected: int, got: int) -> Verdict:
        self.gap = Gap(key, expected, got)
        return Verdict.GAP

    def _move(self, key: StreamKey, mark: Mark) -> None:
        self._marks[key] = self._changed[key] = mark
        self._ceilings.pop(key, None)

    def _outside(self, update: frames_pb2.Update) -> Verdict:
        """A pointer outside the sequence: the newest wins, by `changed`."""
        if update.WhichOneof("body") != "receipt":
            return Verdict.NEW
        receipt = update.receipt
        who = (receipt.room_id, receipt.user_id)
        if receipt.changed <= self._receipts.get(who, -1):
            return Verdict.DUPLICATE
        self._receipts[who] = receipt.changed
        self._receipts.move_to_end(who)
        if len(self._receipts) > RECEIPTS:
            self._receipts.popitem(last=False)
        return Verdict.NEW
