"""What the sessions of a node share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import trio

from realtime.gateway.catchup import CatchUp
from realtime.gateway.limits import GatewayLimits
from realtime.gateway.metrics import GatewayMetrics
from realtime.gateway.wheel import Wheel
from realtime.gateway.workers import Workers
from realtime.push.delivery import Delivery
from realtime.rooms.hub import Hub
from realtime.rooms.presence import Comings
from realtime.rooms.signals import LiveSignals
from rpc.context import Clock
from rpc.dispatch import Dispatcher
from rpc.rates import RateLimiter
from store.records import SessionRecord


class Checkpointed(Protocol):
    """What owes its client the position that its updates have reached."""

    @property
    def address(self) -> str: ...

    def checkpoint(self) -> None: ...

    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Node:
    """The rest of the server, as a session needs it."""

    dispatcher: Dispatcher
    hub: Hub
    delivery: Delivery
    catch_up: CatchUp
    presence: Comings
    signals: LiveSignals
    authenticate: Callable[[str], Awaitable[SessionRecord]]
    living: Callable[[int], Awaitable[SessionRecord]]
    clock: Clock
    limits: GatewayLimits
    metrics: GatewayMetrics
    hellos: RateLimiter
    version: str
    workers: Workers = field(default_factory=Workers)
    wheel: Wheel = field(default_factory=Wheel)
    time: Callable[[], float] = field(
        default_factory=lambda: trio.lowlevel.current_clock().current_time
    )
    """`trio.current_time`, without looking up the run and its clock each time."""
    dirty: set[Checkpointed] = field(default_factory=set)
    """Sessions with updates since their last checkpoint."""
