"""Who is online in a server of several processes, or at several servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Set

from realtime.rooms.hub import Hub


class OnlineUsers:
    """The writer's view: a user is online while any process has a foreground session of his."""

    def __init__(self) -> None:
        self._by_process: dict[Hashable, set[int]] = {}
        self._processes: Counter[int] = Counter()  # by user

    def is_online(self, user_id: int) -> bool:
        return user_id in self._processes

    def set(self, process: Hashable, user_id: int, online: bool) -> None:
        users = self._by_process.setdefault(process, set())
        if online and user_id not in users:
            users.add(user_id)
            self._processes[user_id] += 1
        elif not online and user_id in users:
            users.discard(user_id)
            self._processes[user_id] -= 1
            if not self._processes[user_id]:
                del self._processes[user_id]

    def of(self, process: Hashable) -> Set[int]:
        """Who is online at this process."""
        return self._by_process.get(process, frozenset())

    def __iter__(self) -> Iterator[int]:
        return iter(self._processes)

    def lost(self, process: Hashable) -> Iterable[int]:
        """A process has ended; returns the users who were online there."""
        users = self._by_process.pop(process, set())
        for user_id in users:
            self._processes[user_id] -= 1
            if not self._processes[user_id]:
                del self._processes[user_id]
        return users


class PresenceReporter:
    """A `realtime.rooms.presence.Comings` that tells the writer, who keeps the grace and tells
    the peers. `here` are the users online at this process."""

    def __init__(self, hub: Hub, report: Callable[[int, bool], None]) -> None:
        self._hub = hub
        self._report = report
        self.here: set[int] = set()

    def changed(self, user_id: int) -> None:
        online = self._hub.is_online(user_id)
        if not user_id or online == (user_id in self.here):
            return
        if online:
            self.here.add(user_id)
        else:
            self.here.discard(user_id)
        self._report(user_id, online)
