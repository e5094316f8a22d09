"""What a process has handed to the writer, or is about to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from msgspec import MsgspecError, Raw

from realtime.events.batcher import Awaited, State
from realtime.link.channel import Channel
from realtime.link.encoding import RemoteFault, decode_error
from realtime.link.framing import LinkError
from realtime.link.messages import CODEC, Message, Outcome, Withdraw
from store.errors import Overloaded, Unavailable

log = structlog.get_logger("link")

R = TypeVar("R")

MAX_WAITING = 20_000  # changes and procedures without an outcome; past it `Overloaded`
MAX_BYTES = 32 * 1024 * 1024  # of them


class Handed(Awaited[R]):
    """One change or procedure. While nobody has it, it can be withdrawn for good."""

    __slots__ = ("_requests", "data", "number", "read")

    def __init__(
        self, requests: Requests, number: int, data: bytes, read: Callable[[Raw], R]
    ) -> None:
        super().__init__()
        self._requests = requests
        self.number = number
        self.data = data
        self.read = read

    def withdraw(self) -> None:
        self._requests.withdraw(self)
        super().withdraw()


class Requests:
    """Numbers what is handed over, keeps it until it is settled, and loses it when the writer
    is lost. Without a channel things wait, if they may."""

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._open: dict[int, Handed[Any]] = {}  # handed over, without an outcome
        self._waiting: deque[Handed[Any]] = deque()  # for a channel
        self._number = 0
        self._bytes = 0
        self.patient = True  # whether to wait for a channel
        self.lost = 0

    def __len__(self) -> int:
        return len(self._open) + len(self._waiting)

    def hand(self, build: Callable[[int], Message], read: Callable[[Raw], R]) -> Handed[R]:
        """Hands over the message that `build` makes with a number; `read` decodes its result.
        Raises `Overloaded` or `Unavailable`, and what encoding raises."""
        if self._channel is None and not self.patient:
            raise Unavailable("the writer is away")
        if len(self) >= MAX_WAITING or self._bytes >= MAX_BYTES:
            raise Overloaded("too many changes wait")
        self._number += 1
        handed = Handed(self, self._number, CODEC.encode(build(self._number)), read)
        self._bytes += len(handed.data)
        if self._channel is None:
            self._waiting.append(handed)
        else:
            self._hand_over(handed, self._channel)
        return handed

    def _hand_over(self, handed: Handed[Any], channel: Channel) -> None:
        handed.state = State.COMMITTING
        self._open[handed.number] = handed
        channel.post(handed.data)

    def withdraw(self, handed: Handed[Any]) -> None:
        """Nobody waits for it any more."""
        if handed.state is State.COMMITTING and self._channel is not None:
            self._channel.post(CODEC.encode(Withdraw(handed.number)))
            # An outcome may come even so; one that is withdrawn there has none.
            del self._open[handed.number]
            self._bytes -= len(handed.data)

    def settle(self, outcome: Outcome) -> None:
        """Raises `LinkError` for a result that is none."""
        handed = self._open.pop(outcome.number, None)
        if handed is None:
            return
        self._bytes -= len(handed.data)
        if outcome.fault is not None:
            error = decode_error(outcome.fault)
            if isinstance(error, RemoteFault):
                handed.lose(error)  # whatever has failed there, it may have been done
            else:
                handed.settle(error)
            return
        try:
            result = handed.read(outcome.result)
        except MsgspecError as error:
            handed.lose(Unavailable("the writer's answer cannot be read"))
            raise LinkError(f"not a result: {error}") from error
        handed.settle(result)

    def connected(self, channel: Channel) -> None:
        """Hands over what has waited, in its order."""
        self._channel = channel
        self.patient = True
        while self._waiting:
            handed = self._waiting.popleft()
            if handed.state is State.WAITING:
                self._hand_over(handed, channel)
            else:
                self._bytes -= len(handed.data)

    def disconnected(self) -> None:
        """What was handed over is lost: it may have been done or not."""
        self._channel = None
        lost, self._open = self._open, {}
        self.lost += len(lost)
        for handed in lost.values():
            self._bytes -= len(handed.data)
            handed.lose(Unavailable("the writer is lost"))

    def give_up(self) -> None:
        """Nothing waits for a channel any longer, until there is one."""
        self.patient = False
        while self._waiting:
            handed = self._waiting.popleft()
            self._bytes -= len(handed.data)
            if handed.state is State.WAITING:
                handed.settle(Unavailable("the writer is away"))
