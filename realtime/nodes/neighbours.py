"""Who is online at which other node, by what the nodes tell (pure: the time is handed in)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from realtime.link.online import OnlineUsers

MOST = 1000  # nodes


class Neighbour:
    """`number` is that of the last `Moved` that is known of it."""

    __slots__ = ("heard_at", "number")

    def __init__(self, number: int, heard_at: float) -> None:
        self.number = number
        self.heard_at = heard_at


class Neighbours:
    """The other nodes. `on_change` is called with users who are online at one of them now, or
    at none any more."""

    def __init__(self, on_change: Callable[[list[int], bool], None]) -> None:
        self._on_change = on_change
        self._nodes: dict[bytes, Neighbour] = {}
        self._users = OnlineUsers()

    def __len__(self) -> int:
        return len(self._nodes)

    def all_above(self, name: bytes) -> bool:
        """Whether none has a name less than this one."""
        return all(name < node for node in self._nodes)

    def is_online(self, user_id: int) -> bool:
        return self._users.is_online(user_id)

    def online(self) -> list[int]:
        return list(self._users)

    def announce(self, node: bytes, number: int, users: Iterable[int], now: float) -> None:
        """These, and no others, are online at a node that has told `number` moves."""
        if node not in self._nodes and len(self._nodes) >= MOST:
            return
        self._nodes[node] = Neighbour(number, now)
        before, after = set(self._users.of(node)), set(users)
        self._set(node, after - before, True)
        self._set(node, before - after, False)

    def move(self, node: bytes, number: int, user_id: int, online: bool, now: float) -> bool:
        """False when moves before this one are missing, and all of it is to be announced."""
        if not self.beat(node, number - 1, now):
            return False
        self._nodes[node].number = number
        self._set(node, (user_id,), online)
        return True

    def beat(self, node: bytes, number: int, now: float) -> bool:
        """The node lives. False when not all is known that it has told up to `number`."""
        known = self._nodes.get(node)
        if known is None:
            return False
        known.heard_at = now
        return known.number == number

    def lose(self, node: bytes) -> list[int]:
        """The node is gone; returns who was online there and is at no other."""
        self._nodes.pop(node, None)
        gone = [one for one in self._users.lost(node) if not self._users.is_online(one)]
        if gone:
            self._on_change(gone, False)
        return gone

    def silent(self, since: float) -> list[bytes]:
        """Those of whom nothing was heard since then."""
        return [node for node, known in self._nodes.items() if known.heard_at < since]

    def wait_anew(self, now: float) -> None:
        """Nothing could be heard until now."""
        for known in self._nodes.values():
            known.heard_at = now

    def _set(self, node: bytes, users: Iterable[int], online: bool) -> None:
        changed = []
        for user_id in users:
            before = self._users.is_online(user_id)
            self._users.set(node, user_id, online)
            if self._users.is_online(user_id) != before:
                changed.append(user_id)
        if changed:
            self._on_change(changed, online)
