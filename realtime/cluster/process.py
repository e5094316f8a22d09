"""One process of a server, kept alive by the supervisor."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from itertools import count

import structlog
import trio

from realtime.cluster.child import CHILD
from realtime.cluster.control import CODEC, Ask, Ready, Report, Start, Stop
from realtime.link.channel import Channel
from realtime.startup import StartError

log = structlog.get_logger("app")

BACKOFF = (0.05, 0.2, 1.0, 5.0)  # seconds before a process that died is started again
STEADY = 10.0  # seconds after which its death counts as the first
UP_WITHIN = 60.0  # seconds for a process to serve
ANSWER = 1.0  # seconds for it to say how it is
LOOK = 10.0  # seconds between two questions whether it is there
HUNG = 60.0  # seconds without a word, after which it is killed


class Process:
    """A process that is started, started again when it dies, and stopped.

    Until it has served once, its end is a `StartError`: what keeps it from starting now would
    keep it from starting again.
    """

    def __init__(self, role: str, name: str, start: Callable[[str, str], Start]) -> None:
        """`start` makes what it is told first, from role and name; the descriptors in there are
        open in it too."""
        self.name = name
        self._role = role
        self._start = start
        self._process: trio.Process | None = None
        self._channel: Channel | None = None
        self._ended = trio.Event()
        self._stopping = False
        self._heard = trio.Event()  # the next word of it
        self._numbers = count(1)
        self._asked: dict[int, trio.Event] = {}
        self._reports: dict[int, Report] = {}
        self.ready = trio.Event()  # it has served once
        self.up = False
        self.deaths = 0

    async def keep(self) -> None:
        """Runs it until `stop`, or until cancelled, which kills it. Raises `StartError`."""
        quick = 0
        try:
            while not self.is_stopping():
                begun = trio.current_time()
                code = await self._live()
                if self.is_stopping():
                    return
                if not self.ready.is_set():
                    raise StartError(f"the process {self.name} did not start ({_how(code)})")
                if code == 0:
                    log.info("process ended", name=self.name)  # somebody told it to
                    await trio.sleep(BACKOFF[0])
                    continue
                self.deaths += 1
                quick = quick + 1 if trio.current_time() < begun + STEADY else 0
                pause = BACKOFF[min(quick, len(BACKOFF) - 1)]
                log.error("process died", name=self.name, how=_how(code), again=pause)
                await trio.sleep(pause)
        finally:
            self._ended.set()

    async def _live(self) -> int:
        """One life; returns the exit code."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            start = self._start(self._role, self.name)
            handed = [theirs.fileno(), start.lifeline, start.lock, *start.sockets]
            process = await trio.lowlevel.open_process(
                [sys.executable, *sys.orig_argv[1:]],
                stdin=subprocess.DEVNULL,
                env={**os.environ, CHILD: str(theirs.fileno())},
                pass_fds=handed,
                process_group=0,  # a terminal's signals are for the supervisor
            )
            theirs.close()
            ours.setblocking(False)
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
            self._process, self._channel = process, Channel(stream)
            self._channel.post(CODEC.encode(start))
            if self._stopping:
                self.stop()
            log.info("process started", name=self.name, pid=process.pid)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch, self._channel)
                    nursery.start_soon(self._channel.run, self._handle)
                    await process.wait()
                    nursery.cancel_scope.cancel()
            finally:
                self.up = False
                self._channel = None
                with trio.CancelScope(shield=True):
                    if process.poll() is None:
                        process.kill()
                        await process.wait()
        assert process.returncode is not None
        return process.returncode

    async def _watch(self, channel: Channel) -> None:
        """Kills it when it does not come to serve, or hangs."""
        with trio.move_on_after(UP_WITHIN):
            while not self.up:
                await self._heard.wait()
        if not self.up:
            log.error("process does not serve", name=self.name, seconds=UP_WITHIN)
            self.kill()
        while True:
            channel.post(CODEC.encode(Ask(0)))
            with trio.move_on_after(HUNG) as waiting:
                await self._heard.wait()
            if waiting.cancelled_caught:
                log.error("process hangs", name=self.name, seconds=HUNG)
                self.kill()
            await trio.sleep(LOOK)

    def _handle(self, kind: int, payload: bytes) -> None:
        message = CODEC.decode(kind, payload)
        if isinstance(message, Ready):
            self.up = True
            self.ready.set()
        heard, self._heard = self._heard, trio.Event()
        heard.set()
        if isinstance(message, Report) and message.number in self._asked:
            self._reports[message.number] = message
            self._asked[message.number].set()

    async def ask(self) -> Report | None:
        """How it is; None when it does not say."""
        if self._channel is None or not self.up:
            return None
        number = next(self._numbers)
        event = self._asked[number] = trio.Event()
        try:
            self._channel.post(CODEC.encode(Ask(number)))
            with trio.move_on_after(ANSWER):
                await event.wait()
            return self._reports.pop(number, None)
        finally:
            del self._asked[number]

    # Its end

    def is_stopping(self) -> bool:
        return self._stopping

    def stop(self) -> None:
        """Has it drain and end; it is not started again."""
        self._stopping = True
        if self._channel is not None:
            self._channel.post(CODEC.encode(Stop()))

    async def wait_ended(self) -> None:
        await self._ended.wait()

    def kill(self) -> bool:
        """Ends it at once; False when it has ended already."""
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.kill()
        return True


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
