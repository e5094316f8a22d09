"""A process that a supervisor has started: what it is told to be, and how it ends."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
import trio
from prometheus_client import CollectorRegistry

from realtime.cluster.control import CODEC, Ask, Family, Ready, Report, Start, Stop
from realtime.link.channel import Channel

CHILD = "_SUNWIRE_CHILD"  # the variable that tells a process that it is one
ORPHANED = 1  # the exit code

Missing = Callable[[], dict[str, str]]
"""Says why the process is not ready, in one word each with a reason."""


def is_child() -> bool:
    """Whether this process was started by a supervisor, and has not looked for it yet."""
    return CHILD in os.environ


def control_socket() -> socket.socket | None:
    """The connection to the supervisor, in a process that has one; only the first call finds
    it, and processes that this one starts do not."""
    said = os.environ.pop(CHILD, "")
    if not said:
        return None
    control = socket.socket(fileno=int(said))
    control.set_inheritable(False)
    return control


def end_with_supervisor(start: Start) -> None:
    """Ends this process when the supervisor has gone, however that went: nobody would start it
    again, and the data folder is to be free for the next server. Nothing that was acknowledged
    is lost."""
    for descriptor in (start.lifeline, start.lock, *start.sockets):
        os.set_inheritable(descriptor, False)

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(start.lifeline, 1):
                pass
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
    structlog.contextvars.bind_contextvars(process=start.name)


class Control:
    """A process's end of the connection to its supervisor."""

    def __init__(self, connection: socket.socket, stop: trio.Event) -> None:
        connection.setblocking(False)
        self._channel = Channel(trio.SocketStream(trio.socket.from_stdlib_socket(connection)))
        self._stop = stop
        self._metrics = CollectorRegistry()
        self._missing: Missing = lambda: {"process": "starting"}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._channel.run, self._handle)
            yield
            nursery.cancel_scope.cancel()

    def ready(self, metrics: CollectorRegistry, missing: Missing) -> None:
        """Tells the supervisor that the process serves."""
        self._metrics, self._missing = metrics, missing
        self._channel.post(CODEC.encode(Ready()))

    def _handle(self, kind: int, payload: bytes) -> None:
        message = CODEC.decode(kind, payload)
        if isinstance(message, Stop):
            self._stop.set()
        elif isinstance(message, Ask):
            if message.number:
                report = Report(message.number, self._missing(), families_of(self._metrics))
            else:
                report = Report(0, {}, [])
            self._channel.post(CODEC.encode(report))


def families_of(metrics: CollectorRegistry) -> list[Family]:
    return [
        Family(
            family.name,
            family.documentation,
            family.type,
            [(sample.name, sample.labels, sample.value) for sample in family.samples],
        )
        for family in metrics.collect()
    ]
