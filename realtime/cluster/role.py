"""What a process needs to be what it is told."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import partial

import structlog
import trio
from prometheus_client import CollectorRegistry

from realtime.clock import SystemClock
from realtime.cluster.child import Control
from realtime.cluster.control import MEDIA, WRITER, Start
from realtime.cluster.sockets import dial_link
from realtime.link.link import Link
from realtime.settings import Settings
from rpc.context import CodeSender

log = structlog.get_logger("app")


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


async def be(
    start: Start,
    settings: Settings,
    control: socket.socket,
    services: Sequence[object],
    sender: CodeSender | None,
    *,
    stop: trio.Event,
) -> None:
    """Is what a supervisor says, until `stop` is set. Raises `StartError`."""
    # Each in its place: what one needs, such as the media host's HTTP, costs all others memory.
    if start.role == WRITER:
        from realtime.cluster.writer import write as serve
    elif start.role == MEDIA:
        from realtime.cluster.media import serve
    else:
        from realtime.cluster.worker import serve
    role = Role(start, settings, Control(control, stop), services, sender, stop)
    async with role.control.running():
        await serve(role)
    log.info("stopped")
