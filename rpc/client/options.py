"""How a client dials, and what may be set about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

import trio
from google.protobuf.descriptor import ServiceDescriptor
from trio_websocket import ConnectionClosed

from rpc.client.feed import FeedStatistics
from rpc.registry import SERVICES
from rpc.transport import Transport

VERSION = "sunwire-python/0.1.0"
LOST = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ConnectionClosed)
"""What the tasks of a websocket may raise when its connection breaks."""


class DialError(Exception):
    """No connection could be made. The client tries again."""


class Dial(Protocol):
    """Makes a connection whose background tasks, if any, live in `nursery`; the nursery ends
    with the connection. Raises `DialError`. The caller bounds the time."""

    async def __call__(self, nursery: trio.Nursery) -> Transport: ...


@dataclass(frozen=True)
class ClientOptions:
    """Times are seconds."""

    device: str = "Python"  # shown in the user's list of sessions
    version: str = VERSION
    call_timeout: float = 10.0  # of a call that names none, reconnecting and retries included
    connect_timeout: float = 15.0  # dialing, hello and welcome
    backoff_first: float = 0.25
    backoff_most: float = 30.0
    stable_after: float = 1.0  # a connection that lived so long resets the backoff
    drain_timeout: float = 5.0  # for calls in flight after a GoAway
    probe_timeout: float = 3.0  # for a sign of life after `network_changed`
    events: int = 4096  # how many may wait for the app; 0: it takes none
    background: bool = False
    services: Iterable[ServiceDescriptor] = SERVICES
    now_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    random: Random = field(default_factory=Random)


@dataclass(slots=True)
class ClientStatistics:
    """Counts since the client was opened."""

    connects: int
    retries: int  # of calls
    feed: FeedStatistics
