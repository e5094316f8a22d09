"""A server as a process: logs, signals, and services of your own."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
import trio

from realtime.cluster.child import ORPHANED, control_socket, end_with_supervisor
from realtime.cluster.control import WRITER, read_start, settings_of
from realtime.link.framing import LinkError
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

    With several workers (`settings.workers`) this process supervises the others, which it starts
    with its own command line: whatever comes before this call happens in each of them.

    What the process writes is for its user alone. Where it cannot start for a reason that its
    user can mend, it says so in a sentence on stderr and exits with 2.
    """
    control = control_socket()
    if control is not None:
        _be_what_one_is_told(control, services, sender)
        return
    configure(settings.log_level, settings.log_format)
    os.umask(PRIVATE)
    # What the one needs costs the other memory.
    if settings.workers > 1:
        from realtime.cluster.supervisor import supervise

        _run(partial(supervise, settings))
    else:
        from realtime.app import run

        _run(partial(run, settings, services=services, sender=sender))


def _be_what_one_is_told(
    control: socket.socket, services: Sequence[object], sender: CodeSender | None
) -> None:
    """This process was started by a supervisor, with the command line of that one."""
    try:
        start = read_start(control)
    except (OSError, LinkError):
        sys.exit(ORPHANED)
    settings = settings_of(start.settings)
    configure(settings.log_level, settings.log_format)
    os.umask(PRIVATE)
    end_with_supervisor(start)
    from realtime.cluster.becoming import be

    # Others still need the writer when all are told to end: it waits for the supervisor's word.
    heeds = start.role != WRITER
    _run(partial(be, start, settings, control, services, sender), heeds_signals=heeds)


def _run(server: Callable[..., Awaitable[None]], *, heeds_signals: bool = True) -> None:
    """Runs `server(stop=…)` as the process, until it ends."""

    async def main() -> None:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            if heeds_signals:
                await nursery.start(_stop_on_signal, stop)
            else:
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
            tune_collector()
            await server(stop=stop)
            nursery.cancel_scope.cancel()

    run_or_refuse(main)


def run_or_refuse(main: Callable[[], Awaitable[None]]) -> None:
    """Runs it under Trio; what only its operator can change is said in a sentence, with exit
    code 2."""
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
