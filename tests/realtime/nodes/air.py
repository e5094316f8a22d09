"""A bus in memory, which may be away, and nodes on it with people who come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import trio
from prometheus_client import CollectorRegistry

from realtime.clock import TrioClock
from realtime.link.messages import Relay
from realtime.nodes.bus import Listener
from realtime.nodes.nodes import Nodes
from realtime.rooms.presence import PresenceKeeper
from rpc.proto.frames_pb2 import ServerFrame, Signal
from rpc.wire import decode_server, encode_server
from store.projections.base import CountsHint, HomeHint
from tests.realtime.rooms.town import Ear, Town, open_town

KEY = b"k" * 32


class Air:
    """Carries what is said to all who are connected, to who said it too. `lost` are those of
    whose messages nothing arrives."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.buses: list[AirBus] = []
        self.lost: set[AirBus] = set()
        self.up = True
        self.said = 0
        self._changed = trio.Event()

    def connect(self, channel: str, metrics: CollectorRegistry) -> AirBus:
        """A way for one more node (`realtime.redis.Connect`)."""
        bus = AirBus(self)
        self.buses.append(bus)
        return bus

    def turn(self, *, up: bool) -> None:
        self.up = up
        self.stir()

    def stir(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def wait_changed(self) -> None:
        await self._changed.wait()

    def say(self, message: bytes) -> None:
        self.said += 1
        for listener in list(self.listeners):
            listener.heard(message)


class AirBus:
    """`realtime.nodes.bus.Bus`. `cut` keeps this end alone from being connected."""

    def __init__(self, air: Air) -> None:
        self._air = air
        self._wake = trio.Event()
        self.cut = False

    def wake(self) -> None:
        self._wake.set()

    def turn(self, *, cut: bool) -> None:
        self.cut = cut
        self._air.stir()

    async def run(self, listener: Listener) -> None:
        air = self._air
        while True:
            while self.cut or not air.up:
                await air.wait_changed()
            air.listeners.append(listener)
            listener.connected()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._carry, listener)
                try:
                    await self._wait_away()
                finally:
                    air.listeners.remove(listener)
                nursery.cancel_scope.cancel()
            listener.disconnected()

    async def _wait_away(self) -> None:
        while self._air.up and not self.cut:
            await self._air.wait_changed()

    async def _carry(self, listener: Listener) -> None:
        while True:
            self._wake = trio.Event()
            if message := listener.take():
                if self not in self._air.lost:
                    self._air.say(message)
                await trio.lowlevel.checkpoint()
            else:
                await self._wake.wait()


class Place:
    """A node: its part of the town, and what it was told (`realtime.link.others.Home` and
    `HeadWatch`)."""

    def __init__(self, town: Town, air: Air, key: bytes = KEY) -> None:
        self.town = Town(town.store)
        self.bus = AirBus(air)
        self.nodes = Nodes(self.bus, key, CollectorRegistry())
        self.hints: list[int] = []
        self.hinted_at: list[float] = []
        self.come: list[bool] = []
        self.news: list[HomeHint | CountsHint] = []
        self.relays: list[Relay] = []
        self.abroad: set[int] = set()
        self.told: list[tuple[int, bool]] = []  # by this node, of comings and goings
        self.heard: list[tuple[int, bool]] = []  # and by any of them
        self.presence = PresenceKeeper(
            town.store, self.town.hub, self, TrioClock(), elsewhere=self.nodes
        )
        self.nodes.attach(self, self)
        self.scope = trio.CancelScope()
        self._stop = trio.Event()

    def hinted(self, position: int) -> None:
        self.hints.append(position)

    def expect_hints(self, come: bool) -> None:
        self.come.append(come)

    def told_hints(self, hints: Sequence[HomeHint | CountsHint]) -> None:
        self.news += hints

    def relayed(self, relay: Relay) -> None:
        self.relays.append(relay)
        if relay.key[:1] == ["presence"]:
            signal = decode_server(relay.data)[0].signal.presence
            self.heard.append((signal.user_id, signal.online))

    def adopt(self, user_ids: Iterable[int]) -> None:
        self.presence.adopt(user_ids)

    def elsewhere(self, user_ids: Sequence[int], online: bool) -> None:
        assert not (self.abroad & set(user_ids) if online else set(user_ids) - self.abroad)
        (self.abroad.update if online else self.abroad.difference_update)(user_ids)

    def to_users(self, user_ids: Iterable[int], signal: Signal) -> None:
        """As `SharedSignals`, whose local half is `told`."""
        news = (signal.presence.user_id, signal.presence.online)
        self.told.append(news)
        self.heard.append(news)
        data = encode_server(ServerFrame(signal=signal))
        self.nodes.relay(0, user_ids, 0, ("presence", news[0]), data)

    async def enter(self, user_id: int) -> Ear:
        ear = Ear(user_id)
        await self.town.attach(ear)
        self.presence.changed(user_id)
        await trio.testing.wait_all_tasks_blocked()
        return ear

    def leave(self, ear: Ear) -> None:
        self.town.hub.detach(ear)
        self.presence.changed(ear.user_id)

    def heard_of(self, user_id: int) -> list[bool]:
        """How the sessions here were told of a user."""
        return [online for one, online in self.heard if one == user_id]

    async def live(self, task_status: trio.TaskStatus[None]) -> None:
        with self.scope:
            async with self.nodes.running(), trio.open_nursery() as nursery:
                nursery.start_soon(self.presence.run)
                task_status.started()
                await self._stop.wait()
                nursery.cancel_scope.cancel()

    def end(self) -> None:
        self._stop.set()

    def kill(self) -> None:
        """kill -9: nobody hears of it, and nothing comes from it any more."""
        self.bus._air.lost.add(self.bus)
        self.scope.cancel()


class World:
    def __init__(self, town: Town, nursery: trio.Nursery) -> None:
        self.town = town
        self.air = Air()
        self._nursery = nursery

    async def open(self, key: bytes = KEY) -> Place:
        place = Place(self.town, self.air, key)
        await self._nursery.start(place.live)
        await trio.testing.wait_all_tasks_blocked()
        return place


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        yield World(await open_town(), nursery)
        nursery.cancel_scope.cancel()
