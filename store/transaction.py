"""What a query or a change runs in.

Queries and changes are coroutine functions over a `Transaction`. They await nothing but the
transaction's own methods, so that a backend may drive them as it likes: SQLite runs one from
start to end inside its thread, with one hand-over however many statements it has; a network
backend runs it on its connection.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Value = int | float | str | bytes | None
Row = tuple[Any, ...]
Statement = tuple[str, Sequence[Value]]


class Dialect(Protocol):
    """The few places where the backends' SQL differs. Placeholders are `?` everywhere."""

    def in_list(self, count: int) -> str:
        """`(?, ?, …)` for `x IN …`. Nothing is in a list of 0."""
        ...

    def in_pairs(self, count: int) -> str:
        """For `(x, y) IN …`, with the parameters flat: x1, y1, x2, y2… Nothing is in a list
        of 0."""
        ...

    def upsert(self, table: str, key: Sequence[str], columns: Sequence[str]) -> str:
        """Insert `key + columns`; where the key exists, set the columns and leave the others.
        Not for a table with a second unique key: what a clash with that one does differs."""
        ...

    def insert_new(self, table: str, columns: Sequence[str]) -> str:
        """Insert; rows of which a unique key exists already are left as they are."""
        ...

    def delete_some(self, table: str, key: Sequence[str], where: str) -> str:
        """Delete at most so many of the rows that meet a condition: their number follows the
        parameters of the condition. `key` is the table's primary key."""
        ...

    def insert_new_from(self, table: str, columns: Sequence[str], select: str) -> str:
        """The same for the rows of a SELECT, which has to have a WHERE."""
        ...

    def for_update(self) -> str:
        """The suffix that locks the rows a SELECT reads; empty where the writer is alone."""
        ...

    def now_ms(self) -> str:
        """The database's own time as a value in a statement: Unix milliseconds."""
        ...


class Transaction(Protocol):
    """One transaction or, for reads, one snapshot: every statement sees the same state."""

    @property
    def dialect(self) -> Dialect: ...

    async def rows(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """All rows of a query."""
        ...

    async def rows_many(self, queries: Sequence[Statement]) -> list[list[Row]]:
        """The rows of each of several queries, in as few round trips as the backend can."""
        ...

    async def run(self, sql: str, params: Sequence[Value] = ()) -> int:
        """Runs a statement and returns how many rows it inserted, deleted, or found to update:
        one that is as it was to become counts. For an upsert the number means nothing."""
        ...

    async def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Runs one statement for many rows, in as few round trips as the backend can: it may
        wait for the next statement, or the commit, and fail there."""
        ...


Query = Callable[Concatenate[Transaction, P], Coroutine[Any, Any, T]]
