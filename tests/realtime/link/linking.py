"""A writer over a gated store, and links to it: the streams in memory, the writer mortal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from prometheus_client import CollectorRegistry

from realtime.clock import TrioClock
from realtime.events.batcher import Batcher
from realtime.link.link import Link
from realtime.link.messages import Relay
from realtime.link.switchboard import Switchboard
from realtime.rooms.signals import Key
from realtime.testing import FaultyStream
from realtime.testing.streams import socket_pair
from rpc.proto import frames_pb2
from store.log import Batch, Entry, read_head
from store.projections.base import CountsHint, HomeHint
from tests.store.gated import GatedStore, open_gated


class Heard:
    """A `realtime.link.link.Follower` that writes down what it is told."""

    def __init__(self) -> None:
        self.facts: list[Entry] = []
        self.positions: list[int] = []
        self.epochs: list[int] = []
        self.hints: list[HomeHint | CountsHint] = []
        self.rooms: list[tuple[int, Key, bytes, int]] = []
        self.users: list[tuple[list[int], Key, bytes]] = []
        self.online: set[int] = set()  # here

    def entries(self, entries: list[Entry]) -> None:
        self.facts += entries

    def welcomed(self, position: int, epoch: int) -> None:
        self.epochs.append(epoch)
        self.reached(position)

    def reached(self, position: int) -> None:
        self.positions.append(position)

    def told_hints(self, hints: Sequence[HomeHint | CountsHint]) -> None:
        self.hints += hints

    def relayed(self, relay: Relay) -> None:
        key = tuple(relay.key)
        if relay.room_id:
            self.rooms.append((relay.room_id, key, relay.data, relay.except_user))
        else:
            self.users.append((relay.user_ids, key, relay.data))

    def here(self) -> Iterable[int]:
        return self.online

    def told_positions(self) -> list[int]:
        return [entry.position for entry in self.facts]


class Writer:
    """One life of the writer."""

    def __init__(self, batcher: Batcher, switchboard: Switchboard, nursery: trio.Nursery) -> None:
        self.batcher = batcher
        self.switchboard = switchboard
        self.nursery = nursery


class Office:
    """The store, the writer over it while it lives, and whoever dials."""

    def __init__(self, store: GatedStore, nursery: trio.Nursery) -> None:
        self.store = store
        self.batches: list[Batch] = []
        self.writer: Writer | None = None
        self.streams: list[FaultyStream] = []  # the ends of those who dialled
        self.cut_after: int | None = None  # for the next stream
        self.cut_after_received: int | None = None
        self._nursery = nursery
        self._arrived = trio.Event()

    @property
    def switchboard(self) -> Switchboard:
        assert self.writer is not None
        return self.writer.switchboard

    async def open(self, **options: int) -> None:
        """The writer begins to live; it needs nobody's answer."""
        started = trio.Event()
        self._nursery.start_soon(self._live, started, options)
        await started.wait()

    async def _live(self, started: trio.Event, options: dict[str, int]) -> None:
        head = await self.store.inner.read(read_head)
        clock = TrioClock()
        async with trio.open_nursery() as nursery:
            boards: list[Switchboard] = []

            def committed(batch: Batch) -> None:
                self.batches.append(batch)
                boards[0].committed(batch)

            batcher = Batcher(self.store, clock, committed, **options)
            board = Switchboard(self.store, batcher, clock, head, nursery)
            boards.append(board)
            self.writer = Writer(batcher, board, nursery)
            nursery.start_soon(board.presence.run)
            nursery.start_soon(batcher.run)
            started.set()
            await trio.sleep_forever()

    def close(self) -> None:
        """The writer dies: what it was committing is committed, and nobody hears of it."""
        assert self.writer is not None
        self.writer.nursery.cancel_scope.cancel()
        self.writer = None

    async def dial(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if self.writer is None:
            raise ConnectionRefusedError("nobody writes")
        ours, theirs = socket_pair()
        stream = FaultyStream(
            ours, cut_after=self.cut_after, cut_after_received=self.cut_after_received
        )
        self.cut_after = self.cut_after_received = None
        self.streams.append(stream)
        self.writer.nursery.start_soon(self.writer.switchboard.handle, theirs)
        return stream

    async def link(self, name: str = "1", follower: Heard | None = None) -> Link:
        """A link that is there."""
        link = Link(name, self.dial, CollectorRegistry(), follower)
        await self._nursery.start(link.run)
        return link


@asynccontextmanager
async def an_office(**options: int) -> AsyncIterator[Office]:
    async with trio.open_nursery() as nursery:
        office = Office(await open_gated(), nursery)
        await office.open(**options)
        try:
            yield office
        finally:
            office.store.release_all()
            nursery.cancel_scope.cancel()


def typing(room_id: int, user_id: int) -> frames_pb2.Signal:
    activity: Any = frames_pb2.Typing(room_id=room_id, user_id=user_id)
    return frames_pb2.Signal(typing=activity)
