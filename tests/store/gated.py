"""A store in memory that waits and fails when a test says so."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any, Literal, ParamSpec, TypeVar

import trio

from store.changes.base import Change
from store.log import Batch
from store.sqlite import SqliteStore
from store.transaction import Query
from tests.closing import until_the_end

P = ParamSpec("P")
T = TypeVar("T")

Call = Literal["read", "seen", "write", "written", "commit", "committed"]
"""Where a call is held up or fails; `seen`, `written` and `committed` are after the transaction,
before its answer."""


PATIENCE = 10  # seconds for what a test says will happen


class GatedStore:
    """A `Store`. `hold` stops calls of a kind until `release`; `fail` makes the next ones
    raise."""

    shared = False

    def __init__(self, inner: SqliteStore) -> None:
        self.inner = inner
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.batches: list[list[Change[Any]]] = []  # of every commit, failed ones too
        self._gates: dict[str, trio.Event] = {}
        self._only: dict[str, str] = {}  # call -> the one query that is held
        self._waiting = trio.lowlevel.ParkingLot()
        self._held: dict[str, int] = defaultdict(int)
        self._failures: dict[str, deque[Exception]] = defaultdict(deque)
        self._instead: dict[str, deque[Any]] = defaultdict(deque)

    def hold(self, call: Call) -> None:
        self._gates[call] = trio.Event()
        self._only.pop(call, None)

    def hold_when(self, query: Callable[..., Any], call: Call) -> None:
        """As `hold`, for calls with this query alone."""
        self.hold(call)
        self._only[call] = query.__name__

    def release(self, call: Call) -> None:
        """Lets the held calls of the kind go on, and the next ones through."""
        gate = self._gates.pop(call, None)
        if gate is not None:
            gate.set()

    def overtake(self, call: Call) -> trio.Event:
        """Lets the next calls through; those held wait for the event."""
        return self._gates.pop(call)

    def release_all(self) -> None:
        """For the end of a test that did not come to its own releases."""
        for call in list(self._gates):
            self._gates.pop(call).set()

    async def wait_held(self, call: Call, count: int = 1) -> None:
        """Returns when so many calls of the kind are held."""
        with trio.fail_after(PATIENCE):
            while self._held[call] < count:
                await self._waiting.park()

    def fail(self, call: Call, *errors: Exception) -> None:
        self._failures[call].extend(errors)

    def fail_when(self, query: Callable[..., Any], call: Call, *errors: Exception) -> None:
        """As `fail`, for calls with this query alone."""
        self._failures[f"{call} {query.__name__}"].extend(errors)

    def answer_instead(self, query: Callable[..., Any], *answers: Any) -> None:
        """The next reads with this query are answered so: the reader sees an older state."""
        self._instead[query.__name__].extend(answers)

    async def _pass(self, call: Call, query: str = "") -> None:
        gate = self._gates.get(call)
        if gate is not None and self._only.get(call, query) == query:
            self._held[call] += 1
            self._waiting.unpark_all()
            try:
                await gate.wait()
            finally:
                self._held[call] -= 1
        for key in (call, f"{call} {query}"):
            if self._failures[key]:
                raise self._failures[key].popleft()

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.calls.append((query.__name__, args))
        await self._pass("read", query.__name__)
        if self._instead[query.__name__]:
            await trio.lowlevel.checkpoint()
            return self._instead[query.__name__].popleft()  # type: ignore[no-any-return]
        result = await self.inner.read(query, *args, **kwargs)
        await self._pass("seen", query.__name__)
        return result

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.calls.append((query.__name__, args))
        await self._pass("write", query.__name__)
        result = await self.inner.write(query, *args, **kwargs)
        await self._pass("written", query.__name__)
        return result

    async def commit(self, changes: Sequence[Change[Any]], now_ms: int) -> Batch:
        self.batches.append(list(changes))
        await self._pass("commit")
        batch = await self.inner.commit(changes, now_ms)
        await self._pass("committed")
        return batch

    async def migrate(self) -> list[str]:
        return await self.inner.migrate()

    async def pending(self) -> list[str]:
        return await self.inner.pending()

    async def aclose(self) -> None:
        await self.inner.aclose()


async def open_gated() -> GatedStore:
    """An empty one, closed when the test has ended."""
    store = GatedStore(until_the_end(SqliteStore.in_memory()))
    await store.migrate()
    return store
