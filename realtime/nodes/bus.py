"""What carries messages between nodes, as the rest sees it."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """Who has something to say on a bus, and hears what is said. None of it waits."""

    def connected(self) -> None:
        """From now on everything that is said is heard, until `disconnected`."""
        ...

    def disconnected(self) -> None: ...

    def take(self) -> bytes:
        """One message to be said now: all that waits, joined. Empty when nothing does, and
        then everything taken before has been said."""
        ...

    def heard(self, message: bytes) -> None:
        """What somebody said; perhaps this listener himself."""
        ...


class Bus(Protocol):
    """Carries each message to all who are connected: once at most, and those of one sender in
    their order. What is said while a listener is not connected he does not hear."""

    def wake(self) -> None:
        """There is something to be taken."""
        ...

    async def run(self, listener: Listener) -> None:
        """Connects, and connects again whenever that was lost, until it is cancelled."""
        ...
