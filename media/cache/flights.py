"""One run at a time for what many ask for at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, TypeVar

import trio

from media.errors import Busy

K = TypeVar("K")
V = TypeVar("V")


class _Flight(Generic[V]):
    def __init__(self) -> None:
        self.done = trio.Event()
        self.scope = trio.CancelScope()
        self.waiting = 0
        self.value: V | None = None
        self.error: Exception | None = Busy("the server is stopping")  # until it has an end
        self.traceback: TracebackType | None = None


class Flights(Generic[K, V]):
    """`join(key, fn)` runs `fn` once for all who ask for `key` while it runs.

    It goes on while anybody waits and is cancelled when the last of them has given up; it
    belongs to none of them. The same error is raised for each. Nothing is remembered.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._flights: dict[K, _Flight[V]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._flights

    async def join(self, key: K, fn: Callable[[], Awaitable[V]]) -> V:
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight()
            self._nursery.start_soon(self._fly, key, flight, fn)
        flight.waiting += 1
        try:
            await flight.done.wait()
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.done.is_set():
                flight.scope.cancel()
                self._drop(key, flight)  # who comes now starts anew
        if flight.error is not None:
            # Each raise adds to the traceback of what it raises: it begins anew for everybody.
            raise flight.error.with_traceback(flight.traceback)
        value: V = flight.value  # type: ignore[assignment]
        return value

    async def _fly(self, key: K, flight: _Flight[V], fn: Callable[[], Awaitable[V]]) -> None:
        try:
            with flight.scope:
                flight.value = await fn()
                flight.error = None
        except Exception as error:
            flight.error, flight.traceback = error, error.__traceback__
        finally:
            self._drop(key, flight)
            flight.done.set()

    def _drop(self, key: K, flight: _Flight[V]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
