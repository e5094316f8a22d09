"""The messages of a link."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from realtime.link.framing import Codec
from store.log import Kind, StreamKind
from store.projections.base import CountsHint, HomeHint

VERSION = 2  # of all of this: both ends must have the same


class Message(msgspec.Struct, array_like=True, frozen=True):
    pass


# To the writer


class Hello(Message, frozen=True):
    """The first one. `online` are the users with a foreground session at this process, `known`
    those online at any, as it was told. With `follows` it wants all that is told to all."""

    version: int
    name: str
    follows: bool
    online: list[int]
    known: list[int]


class Submit(Message, frozen=True):
    """A change; its `Outcome` has the same number."""

    number: int
    name: str
    change: Raw


class Write(Message, frozen=True):
    """A procedure to be run; its `Outcome` has the same number."""

    number: int
    name: str
    arguments: Raw


class Withdraw(Message, frozen=True):
    """Nobody waits for this change any more: it need not be made, if its turn has not come."""

    number: int


class Present(Message, frozen=True):
    """A user has a foreground session at this process now, or no longer."""

    user_id: int
    online: bool


# From the writer


class Welcome(Message, frozen=True):
    """The answer to a hello. The log reaches to `position`; every entry behind it is told.
    `online` are the users who are online at any process, `abroad` those at other servers."""

    position: int
    epoch: int
    online: list[int]
    abroad: list[int]


class Refused(Message, frozen=True):
    """The answer to a hello that cannot be dealt with; the connection ends."""

    reason: str


class Fault(Message, frozen=True):
    """An error of the store by its name, or one of nobody's making by its text alone."""

    name: str
    message: str
    details: dict[str, str] = {}
    retry_after_ms: int = 0


class Outcome(Message, frozen=True):
    """What has become of a change or a procedure: a result, or a fault."""

    number: int
    result: Raw
    fault: Fault | None = None


class Fact(Message, frozen=True):
    """An entry of the log, with its record where there was one (`record_type` is its place in
    `realtime.link.encoding.RECORDS`, from 1)."""

    position: int
    at_ms: int
    kind: Kind
    stream_kind: StreamKind
    stream_id: int
    sequence: int
    actor_id: int
    subject_id: int
    other_id: int
    record_type: int
    record: Raw


class Committed(Message, frozen=True):
    """Entries that were committed, contiguous."""

    entries: list[Fact]


class Reached(Message, frozen=True):
    """The log reaches to this position; its entries are to be read from the table."""

    position: int


class Hints(Message, frozen=True):
    home: list[HomeHint]
    counts: list[CountsHint]


class Online(Message, frozen=True):
    """A user is online at some process, or at none any more."""

    user_id: int
    online: bool


class Abroad(Message, frozen=True):
    """Users are online at another server, or at none any more."""

    user_ids: list[int]
    online: bool


# Both ways


class Relay(Message, frozen=True):
    """An encoded signal for the sessions of a room (0: none) and of users. The writer passes
    it on to all who follow but the sender."""

    room_id: int
    user_ids: list[int]
    except_user: int
    key: list[str | int]
    data: bytes


KINDS = (
    Relay,  # the writer passes it on unread
    Hello,
    Submit,
    Write,
    Withdraw,
    Present,
    Welcome,
    Refused,
    Outcome,
    Committed,
    Reached,
    Hints,
    Online,
    Abroad,
)
RELAY = KINDS.index(Relay)
CODEC = Codec(KINDS)
