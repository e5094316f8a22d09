"""What one device has received (pure)."""

from __future__ import annotations

from collections import Counter

from realtime.demo.items import (
    GONE,
    JOINED,
    NOTIFICATION,
    RECEIPT,
    SKIP,
    Slot,
    room_stream,
    shape_of,
)
from rpc.client import StreamKey, events
from rpc.client.events import Event
from rpc.proto import frames_pb2, models_pb2


class Record:
    """Everything durable in the order of its arrival, by stream, and the rows as an app would
    hold them: of each the one with the greatest `changed`."""

    def __init__(self) -> None:
        self.streams: dict[StreamKey, list[Slot]] = {}
        self.receipts: dict[tuple[int, int], list[models_pb2.Receipt]] = {}
        self.messages: dict[int, dict[int, models_pb2.Message]] = {}  # room -> id -> row
        self.notifications: dict[int, models_pb2.Notification] = {}  # those that stand
        self.ready = False  # a cursor is stored: from here on nothing may be missed
        self.begun = False  # the story has begun: starting afresh would be a fault
        self.troubles: list[str] = []
        self.counts: Counter[str] = Counter()

    def begin(self) -> None:
        self.begun = True

    def take(self, event: Event) -> None:
        match event:
            case events.UpdateReceived(update):
                self._update(update)
            case events.Skipped(skip):
                first: int = getattr(skip, "from")
                span = skip.to - first + 1
                of_user = skip.stream.kind == frames_pb2.STREAM_USER
                slot = Slot(SKIP, 0, (), skip.to, skip.position, span, of_user)
                self._put(StreamKey.of(skip.stream), slot)
            case events.RoomJoined(summary, position):
                room_id = summary.room.id
                self._put(
                    room_stream(room_id),
                    Slot(JOINED, room_id, (), summary.base_sequence, position, row=summary),
                )
            case events.RoomGone(room_id, position):
                self._put(room_stream(room_id), Slot(GONE, room_id, (), 0, position, 0))
            case events.CursorMoved():
                self.ready = True
            case events.Connected(_, _, resumed):
                self.counts["connects"] += 1
                if not resumed:
                    self._start_afresh("connected without resuming")
            case events.SignedIn():
                self._start_afresh("signed in again")
            case events.Resynced(reason):
                name = frames_pb2.Resync.Reason.Name(reason)
                self._start_afresh(f"told to load everything afresh ({name})")
            case events.GapFound(stream, expected, got):
                self.troubles.append(f"number {got} of {stream} came where {expected} was due")
            case events.SignedOut(reason):
                self.troubles.append(f"signed out: {reason}")
            case events.SignalReceived():
                self.counts["signals"] += 1
            case _:
                pass

    def _start_afresh(self, why: str) -> None:
        if self.begun:
            self.troubles.append(why)
        else:
            self.ready = False
            self.streams.clear()

    def _update(self, update: frames_pb2.Update) -> None:
        kind = update.WhichOneof("body")
        stream = StreamKey.of(update.stream)
        if kind == "receipt":
            who = (update.receipt.room_id, update.receipt.user_id)
            self.receipts.setdefault(who, []).append(update.receipt)
            self.counts[RECEIPT] += 1
            return
        name, subject, state = shape_of(update)
        if kind in ("notification", "notification_removed"):
            row = update.notification if kind == "notification" else None
            if row is None:
                self.notifications.pop(update.notification_removed.notification_id, None)
            else:
                self.notifications[row.id] = row
            slot = Slot(NOTIFICATION, subject, state, update.sequence, update.position, row=row)
            self._put(stream, slot)
            return
        if kind == "message":
            rows = self.messages.setdefault(update.message.room_id, {})
            known = rows.get(update.message.id)
            if known is None or known.changed <= update.message.changed:
                rows[update.message.id] = update.message
        self._put(stream, Slot(name, subject, state, update.sequence, update.position))

    def _put(self, stream: StreamKey, slot: Slot) -> None:
        self.streams.setdefault(stream, []).append(slot)
