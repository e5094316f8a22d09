"""Ephemeral signals to live sessions, encoded once each."""

from __future__ import annotations

from realtime.rooms.hub import Hub
from rpc.proto.frames_pb2 import ServerFrame, Signal
from rpc.wire import encode_server


class LiveSignals:
    """`rpc.context.Signals` and `rpc.context.Presences` over the hub of this node."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def to_room(self, room_id: int, signal: Signal, *, except_user: int = 0) -> None:
        key, data = key_of(signal), encode_server(ServerFrame(signal=signal))
        for place in self._hub.members(room_id):
            if place.id != except_user:
                for session in place.sessions:
                    session.signal(key, data)

    def to_user(self, user_id: int, signal: Signal) -> None:
        key, data = key_of(signal), encode_server(ServerFrame(signal=signal))
        for session in self._hub.sessions_of(user_id):
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


def key_of(signal: Signal) -> tuple[object, ...]:
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
    return (kind,)
