"""The writer's end of all links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog
import trio
from msgspec import Raw

from realtime.events.batcher import Batcher, PendingChange
from realtime.link.channel import Channel
from realtime.link.encoding import (
    NIL,
    UnknownChange,
    decode_change,
    encode_entry,
    encode_error,
)
from realtime.link.framing import LinkError, TooLong, frame
from realtime.link.messages import (
    CODEC,
    RELAY,
    VERSION,
    Abroad,
    Committed,
    Hello,
    Hints,
    Message,
    Online,
    Outcome,
    Present,
    Reached,
    Refused,
    Relay,
    Submit,
    Welcome,
    Withdraw,
    Write,
)
from realtime.link.online import OnlineUsers
from realtime.link.others import NoOthers, Others
from realtime.rooms.presence import PresenceKeeper
from realtime.rooms.signals import key_of
from rpc.context import Clock
from rpc.proto.frames_pb2 import ServerFrame, Signal
from rpc.wire import encode_server
from store.errors import Overloaded
from store.interface import Queries
from store.log import Batch, Entry, Head
from store.procedures import procedure_named
from store.projections.base import CountsHint, HomeHint

log = structlog.get_logger("link")

GREETING = 5.0  # seconds for a hello
SLICE = 200  # entries in one message
BEHIND = 8 * 1024 * 1024  # bytes unsent; past it entries are to be read, and signals dropped
MAX_WRITES = 1000  # procedures of a process that wait or run


class Peer:
    """Another process, as the writer knows it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.name = ""
        self.greeted = False
        self.follows = False
        self.changes: dict[int, PendingChange[Any]] = {}  # without an outcome, by their numbers
        self.writes = 0

    def tell(self, message: Message) -> None:
        self.channel.post(CODEC.encode(message))


class Switchboard:
    """Takes what the other processes hand over, tells them what was committed, passes signals
    on between them, and keeps presence for all. What one of them does ends its link alone."""

    def __init__(
        self,
        store: Queries,
        batcher: Batcher,
        clock: Clock,
        head: Head,
        nursery: trio.Nursery,
        others: Others | None = None,
    ) -> None:
        """`nursery` runs the procedures; it may be cancelled once nobody is connected. `others`
        tells the other servers, which tell this one by `realtime.link.others.Home`."""
        self._store = store
        self._batcher = batcher
        self._nursery = nursery
        self._peers: set[Peer] = set()
        self._head = head
        self._users = OnlineUsers()
        self.others = others or NoOthers()
        self.presence = PresenceKeeper(store, self._users, self, clock, self._told, self.others)

    @property
    def links(self) -> int:
        """How many processes are connected."""
        return len(self._peers)

    @property
    def position(self) -> int:
        """Up to where the log is known to all."""
        return self._head.position

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serves one process, until either end closes."""
        peer = Peer(Channel(stream))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_expect_hello, peer)
            try:
                await peer.channel.run(partial(self._handle, peer))
            finally:
                self._lost(peer)
                nursery.cancel_scope.cancel()

    def _lost(self, peer: Peer) -> None:
        if peer not in self._peers:
            return
        self._peers.discard(peer)
        for pending in peer.changes.values():
            pending.withdraw()
        for user_id in self._users.lost(peer):
            self.presence.changed(user_id)
        log.info("link closed", name=peer.name)

    # To all

    def committed(self, batch: Batch) -> None:
        """Tells every process of the entries, whose own callers hear of it only then."""
        self._head = batch.head
        self.others.committed(batch.head.position)
        self._tell_entries(batch.entries, batch.head.position)

    def _tell_entries(self, entries: Sequence[Entry], position: int) -> None:
        if not any(peer.follows for peer in self._peers):
            return
        data = b""
        for at in range(0, len(entries), SLICE):
            facts = [encode_entry(entry) for entry in entries[at : at + SLICE]]
            try:
                data += CODEC.encode(Committed(facts))
            except TooLong:
                data = b""
                break
        # Entries of a commit whose answer was lost are in no batch.
        reached = CODEC.encode(Reached(position))
        for peer in self._peers:
            if peer.follows:
                behind = peer.channel.waiting > BEHIND
                peer.channel.post(reached if behind else data + reached)

    def reached(self, position: int, entries: Sequence[Entry] = ()) -> None:
        """Tells every process that other nodes have committed up to a position: these entries,
        as far as they were read."""
        self._head = self._head._replace(position=max(position, self._head.position))
        self._tell_entries(entries, position)

    def hint(self, hints: Sequence[HomeHint | CountsHint]) -> None:
        """Tells every process, of all servers, what its sessions may be told."""
        self.told_hints(hints)
        self.others.hint(hints)

    def told_hints(self, hints: Sequence[HomeHint | CountsHint]) -> None:
        """Tells every process what its sessions may be told."""
        home = [hint for hint in hints if isinstance(hint, HomeHint)]
        counts = [hint for hint in hints if isinstance(hint, CountsHint)]
        self._pass_on(CODEC.encode(Hints(home, counts)))

    def to_users(self, user_ids: Iterable[int], signal: Signal) -> None:
        """Reaches the sessions of the users wherever they are."""
        users = list(user_ids)
        if users:
            key, data = key_of(signal), encode_server(ServerFrame(signal=signal))
            words: Any = list(key)
            self.relayed(Relay(0, users, 0, words, data))
            self.others.relay(0, users, 0, key, data)

    def relayed(self, relay: Relay) -> None:
        """Another server has a signal."""
        self._pass_on(CODEC.encode(relay))

    def _pass_on(self, data: bytes, source: Peer | None = None) -> None:
        for peer in self._peers:
            if peer.follows and peer is not source and peer.channel.waiting <= BEHIND:
                peer.channel.post(data)

    def _told(self, user_id: int, online: bool) -> None:
        self._tell_all(Online(user_id, online))

    def adopt(self, user_ids: Iterable[int]) -> None:
        """Users were online at another server, which has gone."""
        for user_id in self.presence.adopt(user_ids):
            self._told(user_id, True)

    def elsewhere(self, user_ids: Sequence[int], online: bool) -> None:
        """Users are online at another server now, or at none any more."""
        self._tell_all(Abroad(list(user_ids), online))

    def _tell_all(self, message: Message) -> None:
        data = CODEC.encode(message)
        for peer in self._peers:
            if peer.follows:
                peer.channel.post(data)

    # From one

    def _handle(self, peer: Peer, kind: int, payload: bytes) -> None:
        if not peer.greeted:
            self._greet(peer, CODEC.decode(kind, payload))
        elif kind == RELAY:
            self._pass_on(frame(kind, payload), peer)
            self.others.pass_on(payload)
        else:
            message = CODEC.decode(kind, payload)
            match message:
                case Submit():
                    self._submit(peer, message)
                case Write():
                    self._start_write(peer, message)
                case Withdraw():
                    pending = peer.changes.pop(message.number, None)
                    if pending is not None:
                        pending.withdraw()
                case Present():
                    self._users.set(peer, message.user_id, message.online)
                    self.presence.changed(message.user_id)
                case _:
                    raise LinkError(f"a {type(message).__name__} to the writer")

    def _greet(self, peer: Peer, hello: Message) -> None:
        if not isinstance(hello, Hello):
            raise LinkError("the first message is no hello")
        if hello.version != VERSION:
            log.warning("link refused", name=hello.name, version=hello.version)
            peer.tell(Refused(f"version {hello.version} of the link, and here is {VERSION}"))
            return  # it goes by itself, or is cut off in a while
        peer.name, peer.follows, peer.greeted = hello.name, hello.follows, True
        for user_id in hello.online:
            self._users.set(peer, user_id, True)
        self.presence.adopt(hello.known)
        for user_id in hello.online:
            self.presence.changed(user_id)
        self._peers.add(peer)
        head = self._head
        online, abroad = self.presence.online(), self.others.online()
        peer.tell(Welcome(head.position, head.epoch, online, abroad))
        log.info("link opened", name=peer.name)

    def _submit(self, peer: Peer, asked: Submit) -> None:
        try:
            change = decode_change(asked.name, asked.change)
            pending = self._batcher.submit(change, partial(self._settled, peer, asked.number))
        except Exception as error:
            if isinstance(error, UnknownChange):
                log.error("change not taken", name=peer.name, error=str(error))
            peer.tell(Outcome(asked.number, NIL, encode_error(error)))
        else:
            peer.changes[asked.number] = pending

    def _settled(self, peer: Peer, number: int, pending: PendingChange[Any]) -> None:
        if peer.changes.pop(number, None) is None:
            return  # withdrawn too late
        try:
            result = pending.outcome()
        except Exception as error:
            peer.tell(Outcome(number, NIL, encode_error(error)))
            return
        try:
            peer.tell(Outcome(number, Raw(msgspec.msgpack.encode(result))))
        except (TypeError, TooLong) as error:
            log.error("result not told", change=type(pending.change).__name__, error=str(error))
            peer.tell(Outcome(number, NIL, encode_error(error)))

    def _start_write(self, peer: Peer, asked: Write) -> None:
        if peer.writes >= MAX_WRITES:
            error = Overloaded("too many writes wait")
            peer.tell(Outcome(asked.number, NIL, encode_error(error)))
            return
        peer.writes += 1
        self._nursery.start_soon(self._write, peer, asked)

    async def _write(self, peer: Peer, asked: Write) -> None:
        try:
            procedure = procedure_named(asked.name)
            arguments = procedure.decode_arguments(asked.arguments)
            result = await self._store.write(procedure.query, *arguments)
            peer.tell(Outcome(asked.number, Raw(procedure.encode_result(result))))
        except Exception as error:
            fault = encode_error(error)
            if not fault.name:
                log.error("procedure failed", name=asked.name, exc_info=error)
            peer.tell(Outcome(asked.number, NIL, fault))
        finally:
            peer.writes -= 1


async def _expect_hello(peer: Peer) -> None:
    await trio.sleep(GREETING)
    if not peer.greeted:
        log.warning("link broken", why="no hello")
        peer.channel.close()
