"""The bounded queue between the socket's reader and the app."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Items in order, taken by one task.

    Overflow policy: while it is full, `wait_for_room` waits, so the socket is not read and the
    server's own lag mode takes over. Because the app may be waiting for the answer to a call
    while it handles an item, `wait_for_room` gives up once a call is in flight; its caller then
    drops what is durable (it comes again by resume) until the app has emptied the box.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._lot = trio.lowlevel.ParkingLot()  # the one writer
        self._reader = trio.lowlevel.ParkingLot()
        self._ended = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        return len(self._items) >= self._size

    @property
    def crowded(self) -> bool:
        """Half full: what may be dropped is dropped from here on."""
        return 2 * len(self._items) >= self._size

    async def wait_for_room(self, may_wait: Callable[[], bool]) -> bool:
        """Whether there is room now; False when it is full and `may_wait` says no."""
        while self.full:
            if not may_wait():
                return False
            await self._lot.park()
        return True

    def recheck(self) -> None:
        """Lets `wait_for_room` ask `may_wait` again."""
        self._lot.unpark_all()

    def put(self, item: T) -> None:
        """Adds an item whatever the size; whoever may not overfill asks `wait_for_room` first."""
        self._items.append(item)
        self._reader.unpark_all()

    def last(self) -> T | None:
        return self._items[-1] if self._items else None

    def drop_last(self) -> None:
        self._items.pop()

    def end(self) -> None:
        """`wait_first` returns None once the box is empty."""
        self._ended = True
        self._reader.unpark_all()

    async def wait_first(self) -> T | None:
        """The first item, which stays until `take`."""
        while not self._items:
            if self._ended:
                return None
            await self._reader.park()
        return self._items[0]

    def take(self) -> None:
        self._items.popleft()
        self._lot.unpark_all()
