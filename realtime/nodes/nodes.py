"""A node among those on its database."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
import trio
from prometheus_client import CollectorRegistry, Gauge

from realtime.link.framing import LinkError, frame
from realtime.link.messages import Hints, Message, Reached, Relay
from realtime.link.others import HeadWatch, Home
from realtime.nodes.bus import Bus
from realtime.nodes.messages import (
    CODEC,
    NAME,
    RELAY,
    Announce,
    Ask,
    Beat,
    Bye,
    Moved,
    Seal,
)
from realtime.nodes.neighbours import Neighbours
from realtime.nodes.outbox import Outbox
from realtime.rooms.signals import Key
from store.projections.base import CountsHint, HomeHint

log = structlog.get_logger("nodes")

BEAT = 1.0  # seconds between two signs of life
EXPIRY = 5.0  # seconds without one, after which a node is gone
ANSWERING = 0.2  # seconds between two announcements that were asked for
LAST = 1.0  # seconds for what is still to be said, at the end
MISSED = 10_000  # presence signals kept while nobody can be told, the oldest dropped
GONE = 1000  # names of nodes taken for gone that are remembered


class Nodes:
    """Tells the other nodes on the database, and hears them: `realtime.link.others.Others`.

    - How far the log reaches, after each commit: of many commits only the last, when the one
      before was told.
    - Signals and hints to the sessions of other nodes; dropped while nobody can be told.
    - Who is online where. A node announces its people when it comes and whenever somebody has
      missed some of them, tells each who comes or goes, and gives a sign of life each `BEAT`.
      Of one that was silent for `EXPIRY`, or has said that it ends, the node with the least
      name takes the people over: those who do not show themselves within the grace time of
      presence have left. While nothing can be heard for so long, nobody is known to be online
      elsewhere.
    """

    def __init__(self, bus: Bus, key: bytes, metrics: CollectorRegistry) -> None:
        """`key` is the same for all nodes on the database, and for no other."""
        self._bus = bus
        self._seal = Seal(key)
        self.name = os.urandom(NAME)
        self._home: Home
        self._watch: HeadWatch
        self._connected = False
        self._since = 0.0  # when it was last known to be connected
        self._blind = False
        self._outbox = Outbox()
        self._missed: OrderedDict[Key, Relay] = OrderedDict()
        self._neighbours = Neighbours(self._changed)
        self._gone: OrderedDict[bytes, None] = OrderedDict()
        self._number = 0  # of the last `Moved`
        self._answered_at = -ANSWERING
        self._owes = False  # an announcement
        self._said_all = trio.Event()
        self.hints_heard = self.refused = 0
        gauges: Sequence[tuple[str, str, Callable[[], float]]] = (
            ("sunwire_nodes", "Other servers heard of.", lambda: len(self._neighbours)),
            ("sunwire_hints_sent", "Commits told to the others.", lambda: self._outbox.hints),
            ("sunwire_hints_heard", "Commits told by the others.", lambda: self.hints_heard),
            ("sunwire_node_messages_refused", "Messages of nobody.", lambda: self.refused),
            ("sunwire_node_messages_dropped", "Messages not said.", lambda: self._outbox.dropped),
        )
        for title, text, value in gauges:
            Gauge(title, text, registry=metrics).set_function(value)

    def attach(self, home: Home, watch: HeadWatch) -> None:
        self._home, self._watch = home, watch

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connected, as far as that can be had. On the way out the others are told."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._bus.run, self)
            nursery.start_soon(self._keep)
            try:
                yield
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + LAST):
                    if self._say(Bye()):
                        self._said_all = trio.Event()
                        await self._said_all.wait()
                nursery.cancel_scope.cancel()

    # To the others

    def committed(self, position: int) -> None:
        if self._connected:
            self._outbox.put_head(position)
            self._bus.wake()

    def hint(self, hints: Sequence[HomeHint | CountsHint]) -> None:
        home = [hint for hint in hints if isinstance(hint, HomeHint)]
        counts = [hint for hint in hints if isinstance(hint, CountsHint)]
        self._say(Hints(home, counts))

    def relay(
        self, room_id: int, user_ids: Iterable[int], except_user: int, key: Key, data: bytes
    ) -> None:
        words: Any = list(key)
        relay = Relay(room_id, list(user_ids), except_user, words, data)
        if not self._say(relay) and key[:1] == ("presence",):
            self._missed.pop(key, None)
            self._missed[key] = relay
            if len(self._missed) > MISSED:
                self._missed.popitem(last=False)

    def pass_on(self, relay: bytes) -> None:
        self._post(frame(RELAY, relay))

    def moved(self, user_id: int, online: bool, told: bool) -> None:
        self._number += 1
        self._say(Moved(self._number, user_id, online, told))

    def is_online(self, user_id: int) -> bool:
        return not self._blind and self._neighbours.is_online(user_id)

    def online(self) -> list[int]:
        return [] if self._blind else self._neighbours.online()

    def _say(self, message: Message) -> bool:
        return self._connected and self._post(CODEC.encode(message))

    def _post(self, data: bytes) -> bool:
        if not self._connected or not self._outbox.put(data):
            return False
        self._bus.wake()
        return True

    def _announce(self, *, ask: bool = False) -> None:
        self._owes = False
        self._say(Announce(self._number, self._home.presence.online(), ask))

    # The bus (`realtime.nodes.bus.Listener`)

    def connected(self) -> None:
        self._connected = True
        self._neighbours.wait_anew(trio.current_time())
        self._set_blind(False)
        self._announce(ask=True)
        missed, self._missed = self._missed, OrderedDict()
        for relay in missed.values():
            self._say(relay)
        self._watch.expect_hints(True)

    def disconnected(self) -> None:
        self._connected = False
        self._since = trio.current_time()
        self._outbox.clear()
        self._watch.expect_hints(False)

    def take(self) -> bytes:
        frames = self._outbox.take()
        if not frames:
            self._said_all.set()
            return b""
        return self._seal.close(self.name, frames)

    def heard(self, message: bytes) -> None:
        try:
            node, said = self._seal.open(message)
        except LinkError:
            self.refused += 1
            return
        if node != self.name:
            for one in said:
                self._hear(node, one)

    # From another

    def _hear(self, node: bytes, message: Message) -> None:
        home, now = self._home, trio.current_time()
        match message:
            case Reached():
                self.hints_heard += 1
                self._watch.hinted(message.position)
            case Relay():
                home.relayed(message)
            case Hints():
                home.told_hints([*message.home, *message.counts])
            case Announce():
                self._neighbours.announce(node, message.number, message.online, now)
                if message.ask:
                    self._owe()
                self._greet_again(node)
            case Moved(number=number, user_id=user_id, online=online):
                if not self._neighbours.move(node, number, user_id, online, now):
                    self._say(Ask(node, lost=False))
                if not online and not message.told and not self._neighbours.is_online(user_id):
                    self._adopt([user_id])
            case Beat():
                if not self._neighbours.beat(node, message.number, now):
                    self._say(Ask(node, lost=False))
            case Ask():
                if message.node == self.name:
                    self._owe()
                    if message.lost:
                        home.presence.tell_again()
            case Bye():
                self._adopt(self._neighbours.lose(node))

    def _owe(self) -> None:
        """Somebody wants to hear who is here: at once, unless that was just said."""
        now = trio.current_time()
        if now - self._answered_at < ANSWERING:
            self._owes = True  # with the next sign of life
        else:
            self._answered_at = now
            self._announce()

    def _greet_again(self, node: bytes) -> None:
        """One that was taken for gone is there: its people were told to have left."""
        if node in self._gone:
            del self._gone[node]
            self._say(Ask(node, lost=True))

    def _adopt(self, users: list[int]) -> None:
        """Nobody has told that they left: one of those who know does."""
        if users and self._neighbours.all_above(self.name):
            self._home.adopt(users)

    def _changed(self, users: list[int], online: bool) -> None:
        if not self._blind:
            self._home.elsewhere(users, online)

    # Time

    async def _keep(self) -> None:
        before = self._since = trio.current_time()
        while True:
            await trio.sleep(BEAT)
            now = trio.current_time()
            if now - before > EXPIRY / 2:
                self._neighbours.wait_anew(now)  # it was this node that stood still
            before = now
            if self._connected:
                if self._owes:
                    self._announce()
                else:
                    self._say(Beat(self._number))
                for node in self._neighbours.silent(now - EXPIRY):
                    self._lose(node)
            elif now - self._since > EXPIRY:
                self._set_blind(True)

    def _lose(self, node: bytes) -> None:
        log.warning("server not heard any more", node=node.hex(), seconds=EXPIRY)
        self._gone[node] = None
        if len(self._gone) > GONE:
            self._gone.popitem(last=False)
        self._adopt(self._neighbours.lose(node))

    def _set_blind(self, blind: bool) -> None:
        if blind != self._blind:
            self._blind = blind
            if users := self._neighbours.online():
                self._home.elsewhere(users, not blind)
