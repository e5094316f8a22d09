"""What a client tells its app, in order."""

from __future__ import annotations

from dataclasses import dataclass

from rpc.client.updates import StreamKey
from rpc.proto import frames_pb2, models_pb2


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection stands. Unless `resumed`, whatever the app has of lists is to be loaded
    afresh while it handles this event: the cursor was taken before, so nothing slips between.
    """

    user_id: int  # 0 before sign-in
    session_id: int
    resumed: bool


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection has ended, or could not be made; the client tries again by itself."""

    reason: str
    code: int  # the websocket's close code; 1006 when it broke off
    retry_in: float  # seconds


@dataclass(frozen=True, slots=True)
class UpdateReceived:
    """A durable change: each once, in the order of its stream. Apply the row that it carries
    when its `changed` is greater than what the app has."""

    update: frames_pb2.Update


@dataclass(frozen=True, slots=True)
class Skipped:
    """Numbers of a stream that hold nothing for this user."""

    skip: frames_pb2.Skip


@dataclass(frozen=True, slots=True)
class SignalReceived:
    """Ephemeral news; some may be missing."""

    signal: frames_pb2.Signal


@dataclass(frozen=True, slots=True)
class RoomJoined:
    summary: models_pb2.RoomSummary
    position: int


@dataclass(frozen=True, slots=True)
class RoomGone:
    room_id: int
    position: int


@dataclass(frozen=True, slots=True)
class Resynced:
    """The server cannot say what was missed: load every list afresh while handling this."""

    reason: frames_pb2.Resync.Reason


@dataclass(frozen=True, slots=True)
class Lagging:
    """The server dropped updates for this slow client and will send them again."""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything missed has been delivered; what follows is live."""

    home_newest_post_id: int


@dataclass(frozen=True, slots=True)
class CursorMoved:
    """Every event before this one is handled, and the cursor that covers them is stored."""

    cursor: bytes


@dataclass(frozen=True, slots=True)
class GapFound:
    """Numbers of a stream are missing, which is a bug of the server: the client resumes from
    the stored cursor, and starts afresh when the same gap comes again."""

    stream: StreamKey
    expected: int
    got: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An earlier version of this client met updates in the stream that it did not know:
    fetch that room or list afresh."""

    stream: StreamKey


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The open connection belongs to a user from here on. Keep the token for the next start,
    and load every list while handling this."""

    token: str
    user_id: int
    session_id: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class TokenChanged:
    """The token was refreshed: keep this one."""

    token: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class SignedOut:
    """The session has ended: the last event."""

    reason: str


Event = (
    Connected
    | Disconnected
    | UpdateReceived
    | Skipped
    | SignalReceived
    | RoomJoined
    | RoomGone
    | Resynced
    | Lagging
    | CaughtUp
    | CursorMoved
    | GapFound
    | Unreadable
    | SignedIn
    | TokenChanged
    | SignedOut
)
