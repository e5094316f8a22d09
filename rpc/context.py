"""What a handler is given, and what services ask of the rest of the server.

Services never import `realtime` or `media`: the composition root fills these Protocols.
"""

from __future__ import annotations

from typing import ParamSpec, Protocol, TypeVar

from rpc.proto import frames_pb2, media_pb2
from store.changes.base import Change, Op
from store.records import MediaRecord
from store.transaction import Query

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Clock(Protocol):
    """Wall-clock time; tests run it by hand."""

    def now_ms(self) -> int:
        """Unix milliseconds."""
        ...


class Pending(Protocol[R_co]):
    """A change on its way."""

    @property
    def committed(self) -> frames_pb2.Committed:
        """Whether it was made, as far as is known now."""
        ...

    async def wait(self) -> R_co:
        """The outcome, durable. Raises the change's `DomainError`, or a `StoreError`.

        Cancelled while the change still waits for its batch, it is withdrawn (`committed` is
        NO); later it is not, and `committed` stays UNKNOWN for who has stopped waiting.
        """
        ...


class Committer(Protocol):
    """The batcher, as the services see it."""

    def submit(self, change: Change[R]) -> Pending[R]:
        """Queues a change; raises `Overloaded` when the queue is full. Changes submitted one
        after another are applied in that order."""
        ...


class Reads(Protocol):
    """The store, as the services see it."""

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a query over a snapshot that includes every acknowledged commit."""
        ...

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A transaction outside the log (codes, attempts, uploads)."""
        ...


class Signals(Protocol):
    """Ephemeral news to live sessions. Never waits, may drop; a later signal with the same
    key replaces one that still waits."""

    def to_room(self, room_id: int, signal: frames_pb2.Signal, *, except_user: int = 0) -> None:
        """`except_user`, whose doing it tells of, is left out, and so are those of whom and him
        one has blocked the other."""
        ...

    def to_user(self, user_id: int, signal: frames_pb2.Signal) -> None: ...


class Presences(Protocol):
    """Who is here now."""

    def is_member_online(self, room_id: int, user_id: int) -> bool:
        """Whether the user has a session and belongs to the room, as this node knows it."""
        ...

    def is_online(self, user_id: int) -> bool: ...


class CodeSender(Protocol):
    """Brings a sign-in code to an address."""

    async def send_code(self, address: str, code: str) -> None: ...


class MediaUrls(Protocol):
    """Signs what the media host will accept."""

    def upload_url(self, media_id: str, max_bytes: int, expires_ms: int) -> str:
        """A URL that takes one PUT."""
        ...

    def public_url(self, media: MediaRecord) -> str:
        """The path of a public object, below the media host; empty for a private one."""
        ...

    def stream_url(self, media: MediaRecord) -> str:
        """The path of the HLS playlist of a public video; empty for anything else."""
        ...

    def private_url(
        self, media: MediaRecord, viewer_id: int, preset: str, expires_ms: int, ext: str = "jpg"
    ) -> str:
        """A URL of the object for one viewer until it expires. `ext` is the preset's; empty:
        the client's Accept chooses."""
        ...

    def variant_url(
        self, media: MediaRecord, variant: media_pb2.Variant, viewer_id: int, expires_ms: int
    ) -> str:
        """A URL of a picture made to order: of a private object for one viewer until it expires,
        of a public one for everybody and for ever. Raises `ValueError`, which says what is wrong
        with the variant."""
        ...


class Identity(Protocol):
    """The session behind a connection, which signing in and out change in place."""

    @property
    def user_id(self) -> int:
        """0 before sign-in."""
        ...

    @property
    def session_id(self) -> int: ...

    @property
    def device_id(self) -> bytes: ...

    @property
    def device(self) -> str: ...

    @property
    def client(self) -> str: ...

    @property
    def address(self) -> str:
        """The network address of the peer, for rate limits."""
        ...

    def cursor(self) -> bytes:
        """Where the log ends now, for a client that starts from here."""
        ...

    async def signed_in(self, user_id: int, session_id: int) -> None:
        """Upgrades the connection in place: from now on it receives the user's updates."""
        ...

    def sign_out(self) -> None:
        """Closes the connection once the answer is on its way."""
        ...


class CallContext:
    """One call. `commit` carries its idempotency key and keeps account of whether its change
    was made, for the answer to an expired or cancelled call."""

    __slots__ = ("_committer", "_reads", "committed", "identity", "now_ms", "op")

    def __init__(
        self,
        identity: Identity,
        reads: Reads,
        committer: Committer,
        *,
        op: Op | None = None,
        now_ms: int = 0,
    ) -> None:
        self.identity = identity
        self._reads = reads
        self._committer = committer
        self.op = op
        self.now_ms = now_ms
        self.committed = frames_pb2.COMMITTED_NO

    @property
    def user_id(self) -> int:
        """The caller; never 0 in a method that needs a signed-in session."""
        return self.identity.user_id

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._reads.read(query, *args, **kwargs)

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._reads.write(query, *args, **kwargs)

    async def commit(self, change: Change[R]) -> R:
        """Commits the one change of this call: pass `op=ctx.op` when building it."""
        pending = self._committer.submit(change)
        try:
            return await pending.wait()
        finally:
            self.committed = pending.committed
