"""A process's end of its link to the writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar

import msgspec
import structlog
import trio
from prometheus_client import CollectorRegistry, Gauge

from realtime.link.channel import Channel
from realtime.link.encoding import decode_entry, decode_result, encode_change
from realtime.link.framing import LinkError
from realtime.link.messages import (
    CODEC,
    VERSION,
    Abroad,
    Committed,
    Hello,
    Hints,
    Online,
    Outcome,
    Present,
    Reached,
    Refused,
    Relay,
    Submit,
    Welcome,
    Write,
)
from realtime.link.requests import Handed, Requests
from realtime.rooms.signals import Key
from store.changes.base import Change
from store.log import Entry
from store.procedures import procedure_of
from store.projections.base import CountsHint, HomeHint
from store.transaction import Query

log = structlog.get_logger("link")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

GREETING = 5.0  # seconds for a welcome
PATIENCE = 5.0  # seconds for which what is asked waits for a writer that is away
BACKOFF = (0.02, 0.05, 0.1, 0.2, 0.5)  # seconds between the attempts to reach it
BEHIND = 8 * 1024 * 1024  # bytes unsent; past it signals are dropped


class Follower(Protocol):
    """What becomes of all that the writer tells to all. None of it waits."""

    def entries(self, entries: list[Entry]) -> None:
        """Entries were committed; they are contiguous."""
        ...

    def welcomed(self, position: int, epoch: int) -> None:
        """The writer is there, and has the log of this epoch up to this position."""
        ...

    def reached(self, position: int) -> None:
        """The log reaches to this position, whether its entries come or not."""
        ...

    def told_hints(self, hints: Sequence[HomeHint | CountsHint]) -> None: ...

    def relayed(self, relay: Relay) -> None:
        """Another process has a signal."""
        ...

    def here(self) -> Iterable[int]:
        """The users with a foreground session at this process."""
        ...


class Link:
    """Hands changes and procedures to the writer, and follows what it tells.

    It is a `rpc.context.Committer`. A link that breaks is made again, with what was committed
    meanwhile still to be read from the log. What was handed over then is `Unavailable` and may
    have been done; what is asked while the writer is away waits for it, for a few seconds.
    """

    def __init__(
        self,
        name: str,
        dial: Callable[[], Awaitable[trio.abc.Stream]],
        metrics: CollectorRegistry,
        follower: Follower | None = None,
    ) -> None:
        """`dial` may raise `OSError`."""
        self._name = name
        self._dial = dial
        self.follower = follower
        self._requests = Requests()
        self._greeted: Channel | None = None  # once it has said hello
        self._channel: Channel | None = None  # once it is welcome
        self._changed = trio.Event()  # between having a channel and not
        self._online: set[int] = set()  # at any process of this server
        self._abroad: set[int] = set()  # at another server
        gauges: Sequence[tuple[str, str, Callable[[], float]]] = (
            ("sunwire_link_connected", "Whether the writer is there.", lambda: self.connected),
            ("sunwire_link_waiting", "Changes without an outcome.", lambda: len(self._requests)),
            ("sunwire_link_lost", "Changes lost with a writer.", lambda: self._requests.lost),
        )
        for title, text, value in gauges:
            Gauge(title, text, registry=metrics).set_function(value)

    @property
    def connected(self) -> bool:
        return self._channel is not None

    # To the writer

    def submit(self, change: Change[R]) -> Handed[R]:
        """See `rpc.context.Committer`; raises `Unavailable` too, and `TypeError` for a change
        with fields that cannot be handed over."""
        name, data = encode_change(change)
        return self._requests.hand(
            lambda number: Submit(number, name, data), lambda result: decode_result(change, result)
        )

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Has the writer run a procedure (see `store.interface.Queries.write`)."""
        procedure = procedure_of(query)
        arguments = msgspec.Raw(procedure.encode_arguments(args, kwargs))
        handed: Handed[T] = self._requests.hand(
            lambda number: Write(number, procedure.name, arguments), procedure.decode_result
        )
        return await handed.wait()

    def relay(
        self, room_id: int, user_ids: Iterable[int], except_user: int, key: Key, data: bytes
    ) -> None:
        """Passes a signal to the other processes, or drops it."""
        if self._channel is not None and self._channel.waiting <= BEHIND:
            words: Any = list(key)
            relay = Relay(room_id, list(user_ids), except_user, words, data)
            self._channel.post(CODEC.encode(relay))

    def present(self, user_id: int, online: bool) -> None:
        """A user has come or gone. While the writer is away it need not hear: the next hello
        says who is here."""
        if self._greeted is not None:
            self._greeted.post(CODEC.encode(Present(user_id, online)))

    def is_online(self, user_id: int) -> bool:
        """Whether the user is online at any process or server, as far as it was told."""
        return user_id in self._online or user_id in self._abroad

    # The connection

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Holds the link until cancelled; has started once the writer was there."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_patience)
            nursery.start_soon(self._start_when_connected, task_status)
            attempt = 0
            while True:
                stream = None
                with trio.move_on_after(GREETING):
                    try:
                        stream = await self._dial()
                    except OSError as error:
                        log.info("writer not reached", error=str(error))
                if stream is not None and await self._converse(stream):
                    attempt = 0
                await trio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1

    async def _start_when_connected(self, task_status: trio.TaskStatus[None]) -> None:
        while not self.connected:
            await self._changed.wait()
        task_status.started()

    async def _watch_patience(self) -> None:
        while True:
            with trio.move_on_after(PATIENCE):
                while not self.connected:
                    await self._changed.wait()
            if not self.connected:
                log.warning("writer away", seconds=PATIENCE)
                self._requests.give_up()
            while not self.connected:
                await self._changed.wait()
            while self.connected:
                await self._changed.wait()

    async def _converse(self, stream: trio.abc.Stream) -> bool:
        """One connection to its end; returns whether it was welcome."""
        channel = Channel(stream)
        follower = self.follower
        here = list(follower.here()) if follower is not None else []
        hello = Hello(VERSION, self._name, follower is not None, here, list(self._online))
        channel.post(CODEC.encode(hello))
        self._greeted = channel

        async def expect_welcome() -> None:
            await trio.sleep(GREETING)
            if self._channel is not channel:
                log.warning("link broken", why="no welcome")
                channel.close()

        def handle(kind: int, payload: bytes) -> None:
            self._handle(channel, CODEC.decode(kind, payload))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_welcome)
            try:
                await channel.run(handle)
            finally:
                self._greeted = None
                welcome = self._channel is channel
                if welcome:
                    self._channel = None
                    self._requests.disconnected()
                    self._stir()
            nursery.cancel_scope.cancel()
        if welcome:
            log.warning("writer lost")
        return welcome

    def _stir(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    def _handle(self, channel: Channel, message: Any) -> None:
        follower = self.follower
        if isinstance(message, Outcome):
            self._requests.settle(message)
        elif isinstance(message, Welcome):
            self._welcome(channel, message)
        elif isinstance(message, Refused):
            raise LinkError(f"refused: {message.reason}")
        elif isinstance(message, Online):
            if message.online:
                self._online.add(message.user_id)
            else:
                self._online.discard(message.user_id)
        elif isinstance(message, Abroad):
            if message.online:
                self._abroad.update(message.user_ids)
            else:
                self._abroad.difference_update(message.user_ids)
        elif follower is None:
            raise LinkError(f"a {type(message).__name__} to who does not follow")
        elif isinstance(message, Committed):
            try:
                entries = [decode_entry(fact) for fact in message.entries]
            except (LookupError, msgspec.MsgspecError) as error:
                raise LinkError(f"not an entry: {error}") from error
            follower.entries(entries)
        elif isinstance(message, Reached):
            follower.reached(message.position)
        elif isinstance(message, Hints):
            follower.told_hints([*message.home, *message.counts])
        elif isinstance(message, Relay):
            follower.relayed(message)
        else:
            raise LinkError(f"a {type(message).__name__} from the writer")

    def _welcome(self, channel: Channel, welcome: Welcome) -> None:
        self._online, self._abroad = set(welcome.online), set(welcome.abroad)
        self._channel = channel
        self._requests.connected(channel)
        self._stir()
        if self.follower is not None:
            self.follower.welcomed(welcome.position, welcome.epoch)
