"""Which sessions of this node receive what.

Membership here follows the log: it is loaded at a position of it, and later joins and leaves
are applied in its order by the delivery, between the messages. So are blocks: of what somebody
does now, those who are apart from him are not told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Set
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar

from store.interface import Queries
from store.queries.blocks import blocks_around
from store.queries.resume import memberships
from store.transaction import Query, Transaction

P = ParamSpec("P")
T = TypeVar("T")


Block = tuple[int, int]  # (who blocks, who is blocked)
NO_BLOCKS: frozenset[Block] = frozenset()  # most have none, and share this


class Receiver(Protocol):
    """A session, as the hub sees it. None of its methods waits."""

    @property
    def session_id(self) -> int: ...

    @property
    def user_id(self) -> int: ...

    @property
    def foreground(self) -> bool: ...

    def push(self, data: bytes, position: int) -> None:
        """A durable update, or what stands for it. May be dropped when the session lags: it
        then catches up from the log."""
        ...

    def signal(self, key: tuple[object, ...], data: bytes) -> None:
        """An ephemeral signal; replaces one with the same key that still waits, unless the key
        is empty. May be dropped."""
        ...

    def end(self, reason: str) -> None:
        """The session was revoked."""
        ...

    def dismiss(self, reason: str) -> None:
        """It is to connect again, and to resume or begin afresh."""
        ...


class UserPlace:
    """A user with sessions on this node."""

    __slots__ = ("blocks", "changes", "id", "loaded_at", "rooms", "sessions")

    def __init__(self, user_id: int) -> None:
        self.id = user_id
        self.sessions: set[Receiver] = set()
        self.rooms: dict[int, int] = {}  # room -> position of the present joining
        self.blocks: Set[Block] = NO_BLOCKS  # those that hold, his own and those of him
        self.loaded_at = -1  # position of the log at which these were read; -1: not yet
        # Joins and blocks (True), leaves and ends of blocks, seen while they were being loaded.
        self.changes: list[tuple[int, int | Block, bool]] = []

    def is_apart(self, user_id: int) -> bool:
        """Whether one of the two has blocked the other."""
        blocks = self.blocks
        return bool(blocks) and ((self.id, user_id) in blocks or (user_id, self.id) in blocks)


class Hub:
    """The sessions of one node, by user and by room."""

    def __init__(self, store: Queries) -> None:
        self._store = store
        self._users: dict[int, UserPlace] = {}
        self._rooms: dict[int, dict[int, UserPlace]] = {}
        self._posts: dict[int, set[Receiver]] = {}

    async def attach(
        self, session: Receiver, query: Query[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[int, T]:
        """Registers a session and returns a position of the log. Once the delivery has come
        to that position, whatever it delivers after and concerns the user reaches the session;
        before, the user's rooms may be ahead of what is delivered.

        Beside it the answer to a query that is asked once the session is registered: in the
        same read as the user's rooms, where those are not known yet.
        """
        place = self._users.get(session.user_id)
        if place is None:
            place = self._users[session.user_id] = UserPlace(session.user_id)
        place.sessions.add(session)
        try:
            if place.loaded_at >= 0:
                answer = await self._store.read(query, *args, **kwargs)
                return place.loaded_at, answer
            found, answer = await self._store.read(_places_and, place.id, query, args, kwargs)
        except BaseException:
            self.detach(session)
            raise
        if place.loaded_at >= 0 or place is not self._users.get(place.id):
            # Another session of the user was quicker, or this one has gone already.
            return place.loaded_at, answer
        self._settle(place, found)
        return found.position, answer

    def _settle(self, place: UserPlace, found: _Found) -> None:
        """The user's rooms at a position are known, and who is apart from him: what was delivered
        behind it changes them."""
        place.loaded_at = found.position
        place.rooms, place.blocks = found.rooms, found.blocks or NO_BLOCKS
        for room_id in found.rooms:
            self._rooms.setdefault(room_id, {})[place.id] = place
        changes, place.changes = place.changes, []
        for at, what, begins in changes:
            if at > found.position:
                if isinstance(what, tuple):
                    self._part(place, what, begins, at)
                elif begins:
                    self.join(what, place.id, at)
                else:
                    self.leave(what, place.id, at)

    def detach(self, session: Receiver) -> None:
        """Forgets a session; does nothing when it is not registered."""
        place = self._users.get(session.user_id)
        if place is None or session not in place.sessions:
            return
        place.sessions.discard(session)
        if place.sessions:
            return
        del self._users[place.id]
        for room_id in place.rooms:
            self._drop(room_id, place.id)

    def join(self, room_id: int, user_id: int, position: int) -> None:
        """Applies a joining from the log."""
        place = self._users.get(user_id)
        if place is None:
            return
        if place.loaded_at < 0:
            place.changes.append((position, room_id, True))
            return
        place.rooms[room_id] = position
        self._rooms.setdefault(room_id, {})[user_id] = place

    def leave(self, room_id: int, user_id: int, position: int) -> None:
        """Applies a leaving from the log."""
        place = self._users.get(user_id)
        if place is None:
            return
        if place.loaded_at < 0:
            place.changes.append((position, room_id, False))
            return
        place.rooms.pop(room_id, None)
        self._drop(room_id, user_id)

    def part(self, blocker_id: int, blocked_id: int, position: int, *, begins: bool) -> None:
        """Applies a block from the log, or its end."""
        for place in self.present((blocker_id, blocked_id)):
            self._part(place, (blocker_id, blocked_id), begins, position)

    def _part(self, place: UserPlace, block: Block, begins: bool, position: int) -> None:
        if place.loaded_at < 0:
            place.changes.append((position, block, begins))
        elif begins:
            place.blocks = place.blocks | {block}
        else:
            place.blocks = (place.blocks - {block}) or NO_BLOCKS

    def _drop(self, room_id: int, user_id: int) -> None:
        members = self._rooms.get(room_id)
        if members is not None:
            members.pop(user_id, None)
            if not members:
                del self._rooms[room_id]

    def members(self, room_id: int) -> Iterable[UserPlace]:
        """The members of a room who are on this node."""
        members = self._rooms.get(room_id)
        return members.values() if members else ()

    def sessions_of(self, user_id: int) -> Iterable[Receiver]:
        place = self._users.get(user_id)
        return tuple(place.sessions) if place else ()

    def everyone(self) -> list[Receiver]:
        """All sessions of this node."""
        return [session for place in self._users.values() for session in place.sessions]

    def present(self, user_ids: Iterable[int]) -> Iterator[UserPlace]:
        """Those among the users who are on this node."""
        for user_id in user_ids:
            place = self._users.get(user_id)
            if place is not None:
                yield place

    def is_member(self, room_id: int, user_id: int) -> bool:
        return user_id in self._rooms.get(room_id, ())

    def is_online(self, user_id: int) -> bool:
        """Whether the user has the client open in the foreground somewhere on this node."""
        place = self._users.get(user_id)
        return place is not None and any(session.foreground for session in place.sessions)

    # Posts that somebody has open.

    def watch_post(self, session: Receiver, before: int, now: int) -> None:
        """A session closes one post and opens another (0: none)."""
        if before:
            watchers = self._posts.get(before)
            if watchers is not None:
                watchers.discard(session)
                if not watchers:
                    del self._posts[before]
        if now:
            self._posts.setdefault(now, set()).add(session)

    def watchers(self, post_id: int) -> Iterable[Receiver]:
        return tuple(self._posts.get(post_id, ()))

    def statistics(self) -> dict[str, int]:
        return {
            "users": len(self._users),
            "sessions": sum(len(place.sessions) for place in self._users.values()),
            "rooms": len(self._rooms),
        }


class _Found(NamedTuple):
    """A user's place at a position of the log."""

    rooms: dict[int, int]
    blocks: Set[Block]
    position: int


async def _places_and(
    tx: Transaction,
    user_id: int,
    query: Callable[..., Awaitable[T]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[_Found, T]:
    rooms, position = await memberships(tx, user_id)
    found = _Found(rooms, await blocks_around(tx, user_id), position)
    return found, await query(tx, *args, **kwargs)
