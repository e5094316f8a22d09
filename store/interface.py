"""What every relational backend guarantees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ParamSpec, Protocol, TypeVar

from store.changes.base import Change
from store.log import Batch
from store.transaction import Query

P = ParamSpec("P")
T = TypeVar("T")


class Reads(Protocol):
    """A store that is only read. Safe to use from any task; raises `StoreError` for what is not
    the caller's fault."""

    async def read(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `query` over one snapshot that includes every commit acknowledged before."""
        ...


class Queries(Reads, Protocol):
    """What most of the program needs of a store.

    Cancelled before its turn has come, a call leaves nothing; once it is under way it is
    finished, and its outcome is told. (A read, which leaves nothing either way, may be ended.)
    """

    async def write(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `query` in a transaction outside the log: sign-in codes, leases, offsets,
        projections that clients do not receive. Durable when it returns; undone when the
        query raises. Another process may run it, if it is a `store.procedures.procedure`. A
        backend whose answers can be lost raises `Unavailable` where the last one was, and then
        it may have been done."""
        ...


class Store(Queries, Protocol):
    """A relational backend."""

    @property
    def shared(self) -> bool:
        """Whether other nodes may write to it meanwhile."""
        ...

    async def commit(self, changes: Sequence[Change[Any]], now_ms: int) -> Batch:
        """Applies a batch in one transaction, with its log entries. Durable when it returns.

        Each change has its own outcome; a `DomainError` of one leaves the others alone. Any
        other exception but `OutcomeUnknown` means that nothing of the batch was kept.
        """
        ...

    async def migrate(self) -> list[str]:
        """Brings the schema up to date; returns the names of the migrations applied. Raises
        `Incompatible`, with nothing changed, for a database of a newer version."""
        ...

    async def pending(self) -> list[str]:
        """The names of the migrations that `migrate` would apply; changes nothing. Raises as
        it does."""
        ...

    async def aclose(self) -> None:
        """Finishes what it has taken on; whatever comes after is `Unavailable`."""
        ...
