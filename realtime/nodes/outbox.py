"""What a node has to say and nobody has taken yet."""

from __future__ import annotations

from collections import deque

from realtime.link.messages import Reached
from realtime.nodes.messages import CODEC

MOST = 16 * 1024 * 1024  # bytes that wait; what comes over it is dropped
PIECE = 256 * 1024  # bytes that are taken at once, about


class Outbox:
    """Frames in their order, and how far the log reaches: of that only the last matters, and it
    waits for nothing."""

    def __init__(self) -> None:
        self._head = 0
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self.hints = 0  # heads that were taken
        self.dropped = 0

    def put(self, frame: bytes) -> bool:
        """Whether there was room for it."""
        if self._bytes + len(frame) > MOST:
            self.dropped += 1
            return False
        self._waiting.append(frame)
        self._bytes += len(frame)
        return True

    def put_head(self, position: int) -> None:
        self._head = max(self._head, position)

    def take(self) -> bytes:
        """Frames that wait, joined; empty when none do."""
        parts: list[bytes] = []
        if self._head:
            parts.append(CODEC.encode(Reached(self._head)))
            self._head = 0
            self.hints += 1
        size = 0
        while self._waiting and size < PIECE:
            parts.append(self._waiting.popleft())
            size += len(parts[-1])
            self._bytes -= len(parts[-1])
        return b"".join(parts)

    def clear(self) -> None:
        self._head = 0
        self._waiting.clear()
        self._bytes = 0
