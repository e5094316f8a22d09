"""Ephemeral signals to live sessions, encoded once each."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
import trio

from realtime.rooms.hub import Hub, Receiver
from rpc.proto.frames_pb2 import ServerFrame, Signal
from rpc.wire import encode_server

log = structlog.get_logger("signals")

JOINED = 16 * 1024  # bytes of broadcasts to a room that are joined at most


Key = tuple[object, ...]


class LiveSignals:
    """`rpc.context.Signals` and `rpc.context.Presences` over the hub of this node.

    Broadcasts to a room wait for the end of the present turn, and are handed to its members
    joined: one push a member, however many there were.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.waiting: dict[int, list[bytes]] = {}  # broadcasts, by room
        self._some = trio.Event()
        self.deliver = queue_for_each
        """Brings one broadcast to many sessions; a transport may know a shorter way."""

    def to_room(self, room_id: int, signal: Signal, *, except_user: int = 0) -> None:
        self.pass_to_room(
            room_id, key_of(signal), encode_server(ServerFrame(signal=signal)), except_user
        )

    def pass_to_room(self, room_id: int, key: Key, data: bytes, except_user: int = 0) -> None:
        """As `to_room`, for one that is encoded already. Those who are apart from `except_user`,
        whose doing it tells of, do not hear of it either."""
        if not key and not except_user:
            self._broadcast(room_id, data)
            return
        if not key and room_id in self.waiting:
            self._hand_over(room_id)  # those before it go first
        for place in self._hub.members(room_id):
            if place.id != except_user and not place.is_apart(except_user):
                for session in place.sessions:
                    session.signal(key, data)

    def _broadcast(self, room_id: int, data: bytes) -> None:
        waiting = self.waiting.get(room_id)
        if waiting is None:
            self.waiting[room_id] = [data]
            self._some.set()
            return
        waiting.append(data)
        if len(waiting) * len(data) >= JOINED:
            self._hand_over(room_id)

    def _hand_over(self, room_id: int) -> None:
        parts = self.waiting.pop(room_id)
        joined = parts[0] if len(parts) == 1 else b"".join(parts)
        self.deliver(
            [one for place in self._hub.members(room_id) for one in place.sessions], joined
        )

    def flush(self) -> None:
        """Hands over the broadcasts that wait. Never raises: who calls it serves everybody."""
        for room_id in list(self.waiting):
            try:
                self._hand_over(room_id)
            except Exception as error:
                log.error("broadcast failed", room=room_id, exc_info=error)

    async def run(self) -> None:
        """Hands over what nobody flushes."""
        while True:
            await self._some.wait()
            self._some = trio.Event()
            self.flush()

    def to_user(self, user_id: int, signal: Signal) -> None:
        self.to_users((user_id,), signal)

    def to_users(self, user_ids: Iterable[int], signal: Signal) -> None:
        self.pass_to_users(user_ids, key_of(signal), encode_server(ServerFrame(signal=signal)))

    def pass_to_users(self, user_ids: Iterable[int], key: Key, data: bytes) -> None:
        """As `to_users`, for one that is encoded already."""
        for place in self._hub.present(user_ids):
            for session in tuple(place.sessions):
                session.signal(key, data)

    def to_watchers(self, post_id: int, author_id: int, signal: Signal) -> None:
        """To those who have the post open, and to its author."""
        key, data = key_of(signal), encode_server(ServerFrame(signal=signal))
        for session in {*self._hub.watchers(post_id), *self._hub.sessions_of(author_id)}:
            session.signal(key, data)

    def is_member_online(self, room_id: int, user_id: int) -> bool:
        return self._hub.is_member(room_id, user_id)

    def is_online(self, user_id: int) -> bool:
        return self._hub.is_online(user_id)


def queue_for_each(sessions: list[Receiver], data: bytes) -> None:
    for session in sessions:
        session.signal((), data)


def key_of(signal: Signal) -> Key:
    """Signals with the same key replace each other; those with an empty one never do."""
    kind = signal.WhichOneof("body")
    if kind == "broadcast":
        return ()
    if kind == "typing":
        return (kind, signal.typing.room_id, signal.typing.user_id)
    if kind == "presence":
        return (kind, signal.presence.user_id)
    if kind == "post_counts":
        return (kind, signal.post_counts.post_id)
    if kind == "upload_progress":
        return (kind, signal.upload_progress.media_id)
    if kind == "prepare_progress":
        return (kind, signal.prepare_progress.media_id)
    return (kind,)
