"""A process that a supervisor has started becomes what it is told."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import structlog
import trio

from realtime.cluster.child import Control
from realtime.cluster.control import MEDIA, WRITER, Start
from realtime.cluster.role import Role
from realtime.settings import Settings
from rpc.context import CodeSender

log = structlog.get_logger("app")


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
