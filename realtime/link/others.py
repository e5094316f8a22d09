"""The other servers on the same database, as this one sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from realtime.link.messages import Relay
from realtime.link.remote import Distance
from realtime.rooms.presence import Elsewhere, Nowhere, PresenceKeeper
from realtime.rooms.signals import Key
from store.projections.base import CountsHint, HomeHint


class HeadWatch(Protocol):
    """Who follows the log."""

    def hinted(self, position: int) -> None:
        """Another server says that the log reaches to this position: look."""
        ...

    def expect_hints(self, come: bool) -> None:
        """Whether other servers can say so now."""
        ...


class Home(Protocol):
    """What becomes of what the others tell. None of it waits."""

    @property
    def presence(self) -> PresenceKeeper: ...

    def told_hints(self, hints: Sequence[HomeHint | CountsHint]) -> None: ...

    def relayed(self, relay: Relay) -> None: ...

    def adopt(self, user_ids: Iterable[int]) -> None:
        """These were online at a server that has gone."""
        ...

    def elsewhere(self, user_ids: Sequence[int], online: bool) -> None:
        """These are online at some other server now, or at none any more."""
        ...


class Others(Distance, Elsewhere, Protocol):
    """Tells the other servers. Nothing here waits, and what is told may be lost."""

    def attach(self, home: Home, watch: HeadWatch) -> None:
        """Says who hears what they tell; to be called once, before it runs."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]: ...

    def committed(self, position: int) -> None:
        """The log reaches to this position."""
        ...

    def hint(self, hints: Sequence[HomeHint | CountsHint]) -> None: ...

    def pass_on(self, relay: bytes) -> None:
        """As `relay`, with the payload of a `Relay`."""
        ...

    def online(self) -> list[int]:
        """All who are online elsewhere."""
        ...


class NoOthers(Nowhere):
    """There are none, or no way to tell them."""

    def attach(self, home: Home, watch: HeadWatch) -> None:
        pass

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    def committed(self, position: int) -> None:
        pass

    def hint(self, hints: Sequence[HomeHint | CountsHint]) -> None:
        pass

    def relay(
        self, room_id: int, user_ids: Iterable[int], except_user: int, key: Key, data: bytes
    ) -> None:
        pass

    def pass_on(self, relay: bytes) -> None:
        pass

    def online(self) -> list[int]:
        return []
