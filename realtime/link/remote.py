"""A process that does not write, as the rest of it sees the server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ParamSpec, Protocol, TypeVar

from realtime.link.link import Link
from realtime.rooms.hub import Hub
from realtime.rooms.signals import Key, LiveSignals, key_of
from rpc.proto.frames_pb2 import ServerFrame, Signal
from rpc.wire import encode_server
from store.interface import Reads
from store.transaction import Query

P = ParamSpec("P")
T = TypeVar("T")


class RemoteStore:
    """`store.interface.Queries`: reads are the process's own, the writer writes."""

    def __init__(self, reads: Reads, link: Link) -> None:
        self._reads = reads
        self._link = link

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._reads.read(query, *args, **kwargs)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._link.write(query, *args, **kwargs)


class DistantSignals:
    """Signals to the live sessions of the other processes: `rpc.context.Signals` of one that
    has none itself."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def to_room(self, room_id: int, signal: Signal, *, except_user: int = 0) -> None:
        data = encode_server(ServerFrame(signal=signal))
        self._link.relay(room_id, (), except_user, key_of(signal), data)

    def to_user(self, user_id: int, signal: Signal) -> None:
        data = encode_server(ServerFrame(signal=signal))
        self._link.relay(0, (user_id,), 0, key_of(signal), data)


class Distance(Protocol):
    """The way to other processes, or to other servers."""

    def relay(
        self, room_id: int, user_ids: Iterable[int], except_user: int, key: Key, data: bytes
    ) -> None:
        """Passes on a signal to the sessions of a room (0: none) or of users, or drops it."""
        ...

    def is_online(self, user_id: int) -> bool: ...


class SharedSignals:
    """Signals to the live sessions here and beyond, and who is online anywhere."""

    def __init__(self, hub: Hub, local: LiveSignals, distance: Distance) -> None:
        self._hub = hub
        self._local = local
        self._distance = distance

    def to_room(self, room_id: int, signal: Signal, *, except_user: int = 0) -> None:
        key, data = key_of(signal), encode_server(ServerFrame(signal=signal))
        self._local.pass_to_room(room_id, key, data, except_user)
        self._distance.relay(room_id, (), except_user, key, data)

    def to_user(self, user_id: int, signal: Signal) -> None:
        self.to_users((user_id,), signal)

    def to_users(self, user_ids: Iterable[int], signal: Signal) -> None:
        users = list(user_ids)
        if users:
            key, data = key_of(signal), encode_server(ServerFrame(signal=signal))
            self._local.pass_to_users(users, key, data)
            self._distance.relay(0, users, 0, key, data)

    def is_member_online(self, room_id: int, user_id: int) -> bool:
        """For who asks on behalf of a session here: it knows its own rooms."""
        return self._hub.is_member(room_id, user_id)

    def is_online(self, user_id: int) -> bool:
        return self._hub.is_online(user_id) or self._distance.is_online(user_id)
