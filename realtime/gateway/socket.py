"""The seam between a session and what carries it."""

from __future__ import annotations

from typing import Protocol


class Socket(Protocol):
    """A connected websocket, as its session sees it. None of its methods waits.

    It calls the session's `received` with every binary message in order and `close` for what is
    not one, and tells the `end` of `Sessions` once when it has ended. It takes from the session
    what waits to be written whenever it can write.
    """

    @property
    def peer(self) -> str:
        """The network address of the other end, "" when it has none."""
        ...

    def wake(self) -> None:
        """Something waits to be written."""
        ...

    def resume(self) -> None:
        """The session takes messages again."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Writes what waits, then closes with a handshake, which the session bounds in time."""
        ...

    def abort(self) -> None:
        """Drops the connection at once."""
        ...
