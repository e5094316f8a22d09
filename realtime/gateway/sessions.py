"""The sessions of a node: who may enter, who is inside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from realtime.gateway.node import Node
from realtime.gateway.session import Session
from realtime.gateway.socket import Socket


class Sessions:
    """The open sessions and the places of their connections. A transport holds a place from
    before its handshake until the peer has gone, so `inside` may be more than the sessions."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.draining = False
        self.inside = 0
        self._open: set[Session] = set()
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        """Of a copy: sessions may end meanwhile."""
        return iter(list(self._open))

    def may_enter(self, peer: str) -> bool:
        """Reserves a place for a connection from an address; `leave` gives it back."""
        limits = self.node.limits
        if (
            self.draining
            or self.inside >= limits.max_connections
            or self._addresses[peer] >= limits.max_connections_per_address
        ):
            return False
        self._addresses[peer] += 1
        self.inside += 1
        return True

    def leave(self, peer: str) -> None:
        self.inside -= 1
        self._addresses[peer] -= 1
        if not self._addresses[peer]:
            del self._addresses[peer]

    def open(self, socket: Socket) -> Session:
        """A session for a connection that has shaken hands; `end` must follow."""
        session = Session(self.node, socket)
        self._open.add(session)
        self.node.metrics.connections += 1
        return session

    def end(self, session: Session, code: int, reason: str) -> None:
        """The connection of a session has ended."""
        if session in self._open:
            self._open.discard(session)
            self.node.metrics.connections -= 1
            session.lost(code, reason)
