"""A server as a process: logs, signals, and services of your own."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import trio

from realtime import app
from realtime.logs import configure
from realtime.settings import Settings


def serve(settings: Settings, services: Sequence[object] = ()) -> None:
    """Runs a server until SIGTERM or SIGINT, then drains. `services` are served beside
    Sunwire's own, or instead of those with the same descriptor; one that does not match its
    .proto file keeps the server from starting (`rpc.registry.RegistryError`)."""
    configure(settings.log_level, settings.log_format)

    async def main() -> None:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(_stop_on_signal, stop)
            await app.run(settings, stop=stop, services=services)
            nursery.cancel_scope.cancel()

    trio.run(main)


async def _stop_on_signal(
    stop: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            stop.set()
