"""The live fan-out of this node: every entry of the log, in order, to whom it concerns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

import structlog
import trio

from realtime.push.cursors import Cursor, encode_cursor
from realtime.push.render import Renderer
from realtime.rooms.hub import Hub, UserPlace
from rpc.proto.frames_pb2 import Checkpoint, RoomGone, RoomJoined, ServerFrame
from rpc.views import Views
from rpc.wire import encode_server
from store.errors import StoreError
from store.interface import Queries
from store.log import Entry, Head, Kind, StreamKind, read_head
from store.queries import chat
from store.queries.hydrate import hydrate
from store.queries.resume import stays_of
from store.records import RoomSummaryRecord
from store.sources import DatabaseSource, Source
from store.transaction import Transaction

log = structlog.get_logger("delivery")

BACKLOG = 256  # batches kept in memory; what is over is read from the table
GAP = 1000  # entries read at once
RETRY = 0.2  # seconds after which a store that was away, or behind, is asked again
LONGEST_RUN = 64  # entries of a room that are pushed as one
SAME_FOR_ALL = frozenset({Kind.MESSAGE_SENT, Kind.RECEIPT, Kind.ROOM_CHANGED})
BLOCKS = frozenset({Kind.BLOCKED, Kind.UNBLOCKED})
OLD_MESSAGE = frozenset({Kind.MESSAGE_EDITED, Kind.MESSAGE_DELETED, Kind.MESSAGE_PREPARED})


@dataclass(frozen=True)
class _Loaded:
    """What a batch needs beside its records. Keys are (room, user), or (message, user)."""

    summaries: Mapping[tuple[int, int], RoomSummaryRecord] = field(default_factory=dict)
    stays: Mapping[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)
    hidden: Set[tuple[int, int]] = frozenset()


class Delivery:
    """Delivers entries to the sessions of the hub, each once, in the order of the log.

    `position` is the node's delivery position: whatever is at or below it has been handed to
    every session concerned. A batch that does not start right behind it is no reason to skip:
    the gap is read from the table first.
    """

    def __init__(
        self,
        store: Queries,
        hub: Hub,
        views: Views,
        renderer: Renderer,
        head: Head,
        source: Source | None = None,
    ) -> None:
        """`source` has the entries that are not offered; without one they are read from the
        store."""
        self._store = store
        self._source = source or DatabaseSource(store)
        self._hub = hub
        self._views = views
        self._renderer = renderer
        self._epoch = head.epoch
        self.position = head.position
        self._offered: deque[list[Entry]] = deque(maxlen=BACKLOG)
        self.wanted = head.position
        self._wake = trio.Event()
        self._moved = trio.Event()
        self._checkpoint = (-1, b"")

    @property
    def epoch(self) -> int:
        return self._epoch

    def cursor(self) -> bytes:
        """The cursor at the delivery position."""
        return encode_cursor(Cursor(self._epoch, self.position))

    def checkpoint(self) -> bytes:
        """A Checkpoint frame at the delivery position, the same bytes for every session."""
        if self._checkpoint[0] != self.position:
            frame = ServerFrame(checkpoint=Checkpoint(cursor=self.cursor()))
            self._checkpoint = (self.position, encode_server(frame))
        return self._checkpoint[1]

    def offer(self, entries: list[Entry]) -> None:
        """Takes entries that were just committed here. Never waits."""
        if entries:
            self._offered.append(entries)
            self.expect(entries[-1].position)

    def expect(self, position: int) -> None:
        """The log is known to reach to `position`, whether its entries are offered or not."""
        if position > self.wanted:
            self.wanted = position
            self._wake.set()

    async def wait_for(self, position: int) -> None:
        """Returns when the delivery has come to `position`, which the log is known to have."""
        self.expect(position)
        while self.position < position:
            await self._moved.wait()

    async def run(self) -> None:
        missing = -1  # the position at which entries were found to be missing
        while True:
            if self.position >= self.wanted:
                self._wake = trio.Event()
                await self._wake.wait()
            try:
                if await self._advance():
                    continue
            except StoreError as error:
                # Nothing is lost: the entries are in the table.
                log.warning("delivery waits for the store", error=str(error))
            else:
                # A reader that is behind the writer. What is missing may not be skipped.
                if missing != self.position:
                    missing = self.position
                    log.warning("the log is shorter than expected", position=missing)
            await trio.sleep(RETRY)

    async def _advance(self) -> bool:
        """Takes what comes next; False when it is not in the table yet."""
        entries: list[Entry] = []
        if self._offered and self._offered[0][0].position <= self.position + 1:
            entries = self._offered.popleft()
            entries = [entry for entry in entries if entry.position > self.position]
        else:
            up_to = self._offered[0][0].position - 1 if self._offered else self.wanted
            limit = min(GAP, up_to - self.position)
            entries = (await self._source.read(self.position, limit)).entries
            if not entries or entries[0].position > self.position + 1:
                return await self._overtaken()
        if entries:
            await self.deliver(entries)
        return True

    async def _overtaken(self) -> bool:
        """What comes next is not in the log. Where it is there no more, since this node stood
        still for too long, nobody can be told of it: every session has to begin afresh."""
        floor = (await self._store.read(read_head)).floor
        if floor <= self.position:
            return False
        log.error("overtaken by the log's retention", position=self.position, floor=floor)
        for session in self._hub.everyone():
            session.dismiss("the log has moved on")
        self.expect(floor)
        self._move(floor)
        return True

    def _move(self, position: int) -> None:
        self.position = position
        moved, self._moved = self._moved, trio.Event()
        moved.set()

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Fans out entries that follow right behind the position."""
        arrivals = [
            (entry.stream.id, entry.subject_id)
            for entry in entries
            if entry.kind is Kind.MEMBER_JOINED and self._hub.sessions_of(entry.subject_id)
        ]
        loaded = _Loaded()
        strangers = self._strangers_to(entries, arrivals)
        reached = {room_id for room_id, _ in arrivals}
        old = [
            entry.subject_id
            for entry in entries
            if entry.kind in OLD_MESSAGE
            and (entry.stream.id in reached or self._hub.members(entry.stream.id))
        ]
        if arrivals or old or any(self._needs_record(entry) for entry in entries):
            loaded = await self._store.read(_load, entries, arrivals, strangers, old)
        for run in _runs(entries):
            if len(run) == 1:
                self._fan_out(run[0], loaded)
            else:
                self._fan_out_joined(run)
            self.position = run[-1].position
        self._move(entries[-1].position)

    def _needs_record(self, entry: Entry) -> bool:
        if entry.record is not None:
            return False
        if entry.stream.kind is StreamKind.USER:
            return bool(self._hub.sessions_of(entry.stream.id))
        return bool(self._hub.members(entry.stream.id))

    def _strangers_to(
        self, entries: Sequence[Entry], arrivals: Sequence[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """(room, user) of members who joined after a message that is edited now, with these
        entries perhaps, and so may not see it unless an earlier stay of theirs covers it."""
        edited = {entry.stream.id for entry in entries if entry.kind in OLD_MESSAGE}
        found = dict.fromkeys(pair for pair in arrivals if pair[0] in edited)
        for entry in entries:
            if entry.kind in OLD_MESSAGE:
                for place in self._hub.members(entry.stream.id):
                    if place.rooms[entry.stream.id] > entry.subject_id:
                        found[entry.stream.id, place.id] = None
        return list(found)

    def _fan_out(self, entry: Entry, loaded: _Loaded) -> None:
        if entry.kind in BLOCKS:
            begins = entry.kind is Kind.BLOCKED
            self._hub.part(entry.actor_id, entry.subject_id, entry.position, begins=begins)
        if entry.stream.kind is StreamKind.USER:
            sessions = self._hub.sessions_of(entry.stream.id)
            if sessions:
                data = self._renderer.encode(entry)
                for session in sessions:
                    session.push(data, entry.position)
            if entry.kind is Kind.SESSION_REVOKED:
                for session in sessions:
                    if session.session_id == entry.subject_id:
                        session.end("revoked")
            return
        room_id = entry.stream.id
        if entry.kind is Kind.MEMBER_JOINED:
            self._hub.join(room_id, entry.subject_id, entry.position)
        members = self._hub.members(room_id)
        if not members:
            if entry.kind is Kind.MEMBER_LEFT:
                self._hub.leave(room_id, entry.subject_id, entry.position)
            return
        data = self._renderer.encode(entry)
        for place in members:
            shown = data
            if place.id == entry.subject_id and entry.kind is Kind.MEMBER_JOINED:
                shown = self._joined(entry, loaded.summaries.get((room_id, place.id))) or data
            elif place.id == entry.subject_id and entry.kind is Kind.MEMBER_LEFT:
                shown = gone_frame(entry)
            elif entry.kind in OLD_MESSAGE and not self._may_see(entry, place, loaded):
                shown = self._renderer.skip(
                    entry.stream, entry.sequence, entry.sequence, entry.position
                )
            for session in place.sessions:
                session.push(shown, entry.position)
        if entry.kind is Kind.MEMBER_LEFT:
            self._hub.leave(room_id, entry.subject_id, entry.position)

    def _fan_out_joined(self, run: Sequence[Entry]) -> None:
        """Entries of one room that are the same for all its members: joined, they cost each of
        them no more than one."""
        members = self._hub.members(run[0].stream.id)
        if members:
            data = b"".join(map(self._renderer.encode, run))
            for place in members:
                for session in place.sessions:
                    session.push(data, run[0].position)

    def _may_see(self, entry: Entry, place: UserPlace, loaded: _Loaded) -> bool:
        if (entry.subject_id, place.id) in loaded.hidden:
            return False
        if place.rooms[entry.stream.id] < entry.subject_id:
            return True
        return any(
            joined < entry.subject_id < left
            for joined, left in loaded.stays.get((entry.stream.id, place.id), ())
        )

    def _joined(self, entry: Entry, summary: RoomSummaryRecord | None) -> bytes:
        return joined_frame(self._views, entry, summary) if summary is not None else b""


def _runs(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The entries in their order, those in one list that follow each other in one room and are
    the same for everyone there."""
    run: list[Entry] = []
    for entry in entries:
        if run and (
            entry.kind not in SAME_FOR_ALL
            or run[0].kind not in SAME_FOR_ALL
            or entry.stream != run[0].stream
            or len(run) == LONGEST_RUN
        ):
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


def joined_frame(views: Views, entry: Entry, summary: RoomSummaryRecord) -> bytes:
    """A room that its viewer has just joined. The room is shown as it is now, and the numbers
    that follow the joining are still to come: they may repeat what it shows."""
    view = views.summary(summary)
    view.base_sequence = entry.sequence
    return encode_server(ServerFrame(room_joined=RoomJoined(summary=view, position=entry.position)))


def gone_frame(entry: Entry) -> bytes:
    """The end of a room for its viewer."""
    return encode_server(
        ServerFrame(room_gone=RoomGone(room_id=entry.stream.id, position=entry.position))
    )


async def _load(
    tx: Transaction,
    entries: Sequence[Entry],
    arrivals: Sequence[tuple[int, int]],
    strangers: Sequence[tuple[int, int]],
    old: Sequence[int],
) -> _Loaded:
    await hydrate(tx, entries)
    return _Loaded(
        summaries={
            (room_id, user_id): summary
            for room_id, user_id in arrivals
            for summary in await chat.summaries(tx, user_id, [room_id])
        },
        stays={
            (room_id, user_id): (await stays_of(tx, user_id, {room_id})).get(room_id, [])
            for room_id, user_id in strangers
        },
        hidden=await chat.hiders_of(tx, old),
    )
