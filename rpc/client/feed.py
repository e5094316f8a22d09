"""From the server's frames to the app's events, and from handled events to the cursor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rpc.client import events
from rpc.client.events import Event
from rpc.client.mailbox import Mailbox
from rpc.client.state import Save, StateStore
from rpc.client.updates import Gap, Mark, StreamKey, Tracker, Verdict
from rpc.proto import auth_pb2, frames_pb2

SAVE_EVERY = 1024  # handled events that wait for a checkpoint are stored ahead of it


@dataclass(slots=True)
class FeedStatistics:
    """Counts since the client was opened."""

    updates: int = 0
    duplicates: int = 0
    gaps: int = 0
    resyncs: int = 0
    overruns: int = 0  # times that the app was too slow while it waited for a call
    signals_dropped: int = 0
    unknown_frames: int = 0
    unknown_updates: int = 0


@dataclass(frozen=True, slots=True)
class _Marker:
    """Stands in the mailbox behind the events that a cursor covers."""

    cursor: bytes
    streams: dict[StreamKey, Mark] = field(default_factory=dict)
    unreadable: dict[StreamKey, str] = field(default_factory=dict)
    restart: bool = False
    user_id: int = 0


class Feed:
    """Delivers each durable update once and in order. The cursor moves only when the app has
    come back for more after the last event that it covers: an event is handled at least once.
    """

    def __init__(
        self,
        state: StateStore,
        *,
        size: int,
        version: str,
        calls_wait: Callable[[], bool],
        resume: Callable[[str], None],
        stored: Callable[[bytes], None],
    ) -> None:
        """`size` bounds the events that wait for the app (0: the app takes none). `resume` ends
        the connection so that the next one starts at the stored cursor; `stored` is told each
        cursor once it is stored."""
        self.statistics = FeedStatistics()
        self.cursor = b""
        self._state = state
        self._version = version
        self._calls_wait = calls_wait
        self._resume = resume
        self._stored = stored
        self._mailbox: Mailbox[Event | _Marker] | None = Mailbox(size) if size else None
        self._tracker = Tracker()
        self._unreadable: dict[StreamKey, str] = {}
        self._queued_cursor = b""
        self._last_gap: Gap | None = None
        self._overrun = False
        self._handled: list[Event] = []

    async def load(self) -> tuple[bytes, int]:
        """Takes up what was kept; returns the device's id and the user's."""
        stored = await self._state.load()
        if self._mailbox is not None:
            self.cursor = self._queued_cursor = stored.cursor
            self._tracker = Tracker(stored.streams)
            old = [key for key, version in stored.unreadable.items() if version != self._version]
            for key in old:
                self._mailbox.put(events.Unreadable(key))
            if old and stored.cursor:
                self._mailbox.put(
                    _Marker(stored.cursor, unreadable=dict.fromkeys(old, self._version))
                )
        return stored.device_id, stored.user_id

    # What the socket brings.

    def welcome(self, welcome: frames_pb2.Welcome, *, resumed: bool) -> None:
        self._overrun = False
        self._tracker.new_connection()
        if self._mailbox is None:
            return
        if not resumed:
            self._tracker.reset()
        self._mailbox.put(events.Connected(welcome.user_id, welcome.session_id, resumed))
        if not resumed and welcome.user_id:
            self._begin_at(welcome.cursor, welcome.user_id)

    def signed_in(self, answer: auth_pb2.SignedIn) -> None:
        if self._mailbox is None:
            return
        self._tracker.reset()
        self._mailbox.put(
            events.SignedIn(answer.token, answer.user.id, answer.session_id, answer.expires_ms)
        )
        self._begin_at(answer.cursor, answer.user.id)

    def disconnected(self, event: events.Disconnected) -> None:
        """Leaves no more than one such event at the end, and nothing of a connection that
        brought nothing: an app that does not look must not fill its memory."""
        if self._mailbox is None:
            return
        while self._mailbox.full and _traceless(self._mailbox.last()):
            self._mailbox.drop_last()
        if isinstance(self._mailbox.last(), events.Disconnected):
            self._mailbox.drop_last()
        self._mailbox.put(event)

    def tell(self, event: Event) -> None:
        """Puts an event of the client itself at the end."""
        if self._mailbox is not None:
            self._mailbox.put(event)

    def end(self) -> None:
        if self._mailbox is not None:
            self._mailbox.end()

    def recheck(self) -> None:
        """A call begins to wait: the reader must not wait for the app any more."""
        if self._mailbox is not None:
            self._mailbox.recheck()

    def loaded(self, room_id: int, base_sequence: int) -> None:
        self._tracker.loaded(room_id, base_sequence)

    async def frame(self, frame: frames_pb2.ServerFrame) -> None:
        kind = frame.WhichOneof("frame")
        if kind is None:
            self.statistics.unknown_frames += 1
            return
        box = self._mailbox
        if box is None:
            return
        if kind == "signal":
            if box.crowded or self._overrun:
                self.statistics.signals_dropped += 1
            else:
                box.put(events.SignalReceived(frame.signal))
            return
        if not self._overrun and not await box.wait_for_room(lambda: not self._calls_wait()):
            self._overrun = True
            self.statistics.overruns += 1
        if self._overrun:
            return  # it comes again: the cursor does not move past it
        if kind == "update":
            self._update(box, frame.update)
        elif kind == "skip":
            if self._is_new(self._tracker.skip(frame.skip)):
                box.put(events.Skipped(frame.skip))
        elif kind == "room_joined":
            joined = frame.room_joined
            summary = joined.summary
            if self._is_new(
                self._tracker.room_joined(summary.room.id, summary.base_sequence, joined.position)
            ):
                box.put(events.RoomJoined(summary, joined.position))
        elif kind == "room_gone":
            gone = frame.room_gone
            if self._is_new(self._tracker.room_gone(gone.room_id, gone.position)):
                box.put(events.RoomGone(gone.room_id, gone.position))
        elif kind == "checkpoint":
            self._checkpoint(box, frame.checkpoint.cursor)
        elif kind == "lagging":
            self._tracker.lagging()
            box.put(events.Lagging())
        elif kind == "caught_up":
            if self._is_new(self._tracker.caught_up()):
                box.put(events.CaughtUp(frame.caught_up.home_newest_post_id))
        elif kind == "resync":
            self.statistics.resyncs += 1
            self._tracker.reset()
            box.put(events.Resynced(frame.resync.reason))
            self._begin_at(frame.resync.cursor, 0)

    def _update(self, box: Mailbox[Event | _Marker], update: frames_pb2.Update) -> None:
        if not self._is_new(self._tracker.update(update)):
            return
        self.statistics.updates += 1
        if update.WhichOneof("body") is None:
            self.statistics.unknown_updates += 1
            self._unreadable[StreamKey.of(update.stream)] = self._version
        box.put(events.UpdateReceived(update))

    def _is_new(self, verdict: Verdict) -> bool:
        if verdict is Verdict.DUPLICATE:
            self.statistics.duplicates += 1
        elif verdict is Verdict.GAP:
            self._found_gap()
        return verdict is Verdict.NEW

    def _found_gap(self) -> None:
        gap = self._tracker.gap
        assert gap is not None
        self.statistics.gaps += 1
        self.tell(events.GapFound(gap.stream, gap.expected, gap.got))
        if self._last_gap is not None and self._last_gap[:2] == gap[:2]:
            self.cursor = b""  # resuming did not close it: begin anew, with lists loaded afresh
        self._last_gap = gap
        self._resume("a gap in a stream")

    def _checkpoint(self, box: Mailbox[Event | _Marker], cursor: bytes) -> None:
        streams = self._tracker.take_changed()
        unreadable, self._unreadable = self._unreadable, {}
        if cursor == self._queued_cursor and not streams:
            return
        self._queued_cursor = cursor
        box.put(_Marker(cursor, streams, unreadable))

    def _begin_at(self, cursor: bytes, user_id: int) -> None:
        assert self._mailbox is not None
        self._queued_cursor = cursor
        self._mailbox.put(_Marker(cursor, restart=True, user_id=user_id))

    # What the app takes.

    @property
    def waiting(self) -> int:
        return len(self._mailbox) if self._mailbox is not None else 0

    async def next(self) -> Event | None:
        """The next event; asking for it says that the one before is handled. None at the end."""
        box = self._mailbox
        if box is None:
            raise RuntimeError("this client was opened without events")
        while True:
            if self._overrun and not len(box):
                self._resume("the app has caught up")
            item = await box.wait_first()
            if item is None:
                return None
            if isinstance(item, _Marker):
                await self._store(item)
                box.take()
                return events.CursorMoved(item.cursor)
            box.take()
            if self._state.wants_events:
                if len(self._handled) >= SAVE_EVERY:
                    await self._state.save(Save(self._handled))
                    self._handled = []
                self._handled.append(item)
            return item

    async def _store(self, marker: _Marker) -> None:
        await self._state.save(
            Save(
                self._handled,
                marker.cursor,
                marker.streams,
                marker.unreadable,
                marker.restart,
                marker.user_id,
            )
        )
        self._handled = []
        self.cursor = marker.cursor
        self._stored(marker.cursor)


def _traceless(item: Event | _Marker | None) -> bool:
    if isinstance(item, _Marker):
        return item.restart
    return isinstance(item, events.Connected)
