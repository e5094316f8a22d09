"""A server as a process: logs, signals, and services of your own."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence

import structlog
import trio

from realtime import app
from realtime.logs import configure
from realtime.settings import Settings
from realtime.startup import PRIVATE, reason
from rpc.context import CodeSender

log = structlog.get_logger("app")

CANNOT_START = 2  # the exit code
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(
    settings: Settings, services: Sequence[object] = (), sender: CodeSender | None = None
) -> None:
    """Runs a server until SIGTERM or SIGINT, then drains; a second one ends it at once, which
    loses nothing that was acknowledged. `services` are served beside Sunwire's own, or instead
    of those with the same descriptor; one that does not match its .proto file keeps the server
    from starting (`rpc.registry.RegistryError`). `sender` brings sign-in codes to addresses; by
    default they are written to the log.

    What the process writes is for its user alone. Where it cannot start for a reason that its
    user can mend, it says so in a sentence on stderr and exits with 2.
    """
    configure(settings.log_level, settings.log_format)
    os.umask(PRIVATE)

    async def main() -> None:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(_stop_on_signal, stop)
            tune_collector()
            await app.run(settings, stop=stop, services=services, sender=sender)
            nursery.cancel_scope.cancel()

    try:
        trio.run(main)
    except BaseException as error:
        known = reason(error)
        if known is None:
            raise
        refuse(str(known))


def tune_collector() -> None:
    """Spares the garbage collector what lives as long as the process, and makes its rounds
    rarer: with thousands of sessions each would walk over all of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def refuse(sentence: str) -> None:
    """Says why there is no server, and exits."""
    print(f"sunwire: {sentence}", file=sys.stderr)
    sys.exit(CANNOT_START)


async def _stop_on_signal(
    stop: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(*SIGNALS) as signals:
        task_status.started()
        async for number in signals:
            log.info("signal", signal=signal.Signals(number).name, hint="again to end at once")
            stop.set()
            break
    # Left to the system, the next one ends the process even where the loop is stuck.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
