"""What a process needs to be what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import trio
from prometheus_client import CollectorRegistry

from realtime.clock import SystemClock
from realtime.cluster.child import Control
from realtime.cluster.control import Start
from realtime.cluster.sockets import dial_link
from realtime.link.link import Link
from realtime.settings import Settings
from rpc.context import CodeSender


class Role:
    """`stop` is set when it is to end; `metrics` are told to the supervisor."""

    def __init__(
        self,
        start: Start,
        settings: Settings,
        control: Control,
        services: Sequence[object],
        sender: CodeSender | None,
        stop: trio.Event,
    ) -> None:
        self.start = start
        self.settings = settings
        self.control = control
        self.services = services
        self.sender = sender
        self.stop = stop
        self.clock = SystemClock()
        self.metrics = CollectorRegistry()

    def link(self) -> Link:
        return Link(self.start.name, partial(dial_link, self.settings.data), self.metrics)
