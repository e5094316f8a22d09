"""What a change is: plain data, the keys it depends on, and how a batch of it is applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

import msgspec

from store.errors import DomainError
from store.log import WriteTransaction

R = TypeVar("R")

Key = tuple[str, int | bytes | str]


class Op(msgspec.Struct, frozen=True):
    """Makes a repeat harmless: who (`scope`: a user or a device), the client's random key,
    and a digest of the request, so that the key cannot be used for another one."""

    scope: str
    key: bytes
    digest: bytes


class Change(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """Something to be done, decided and logged within one transaction.

    A batch is applied in waves in which no two changes conflict, kind by kind within a wave.
    Two changes conflict when they share a key and are of different kinds, or when either
    names the key in `excludes`. Changes of one kind that share a key under `touches` are
    handed to one `apply` in their order of arrival, and it must respect that order.
    """

    RESULT: ClassVar[Any] = None
    """The type of R, to read a stored result back."""

    op: Op | None = None

    def touches(self) -> Sequence[Key]:
        """Rows that it reads or writes, shared with its own kind."""
        return ()

    def excludes(self) -> Sequence[Key]:
        """Rows that it must have alone in its wave."""
        return ()

    @classmethod
    async def apply(cls, tx: WriteTransaction, changes: Sequence[Self]) -> list[R | DomainError]:
        """Applies them and returns an outcome for each, in order.

        Permission is decided here, under the lock: what a service checked before was advice.
        A refused change must leave nothing behind.
        """
        raise NotImplementedError


class SingleChange(Change[R], frozen=True, kw_only=True):
    """A change rare enough to be applied one by one."""

    async def apply_one(self, tx: WriteTransaction) -> R:
        """Checks first, raising `DomainError`; then writes."""
        raise NotImplementedError

    @classmethod
    async def apply(cls, tx: WriteTransaction, changes: Sequence[Self]) -> list[R | DomainError]:
        outcomes: list[R | DomainError] = []
        for change in changes:
            try:
                outcomes.append(await change.apply_one(tx))
            except DomainError as error:
                outcomes.append(error)
        return outcomes
