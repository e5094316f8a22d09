"""What a projection is: what it wants to see of the log, and what it makes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from store.log import Entry, Kind, WriteTransaction
from store.transaction import Transaction


class Hint(msgspec.Struct, frozen=True):
    """Something that live sessions may be told, and may miss: it becomes a signal."""


class HomeHint(Hint, frozen=True):
    """`author_id` has published a post: his followers' home timelines have changed."""

    author_id: int
    post_id: int


class CountsHint(Hint, frozen=True):
    """A post's counts have changed to these."""

    post_id: int
    author_id: int
    likes: int
    comments: int


class Consumer(ABC):
    """What the two kinds of projection have in common."""

    name: ClassVar[str]
    kinds: ClassVar[frozenset[Kind]]
    """What it wants to see: it is given no other entries, and woken by no other."""

    step: ClassVar[int] = 500
    """Entries that it is given at once, at most."""

    replayable: ClassVar[bool] = False
    """Whether entries that have taken effect may do so again and come to the same."""

    @staticmethod
    def key(entry: Entry) -> str:
        """What the entry is about, in at most 64 characters: entries of one key take effect in
        their order, whichever of them fail. Entries of different keys may change places."""
        return f"{entry.stream.kind}{entry.stream.id}"

    async def left(self, tx: Transaction, generation: int) -> bool:
        """Whether entries that have been taken have left something to carry on with."""
        return False


class Projection(Consumer):
    """Turns entries into rows of its own tables, which clients do not receive.

    `project` gets entries in order, each exactly once: its writes and the offset behind them
    are one transaction.
    """

    tables: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Its tables, each with its primary key, whose first column is the generation. Who has none
    cannot be built anew."""

    @abstractmethod
    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        """Writes rows of that generation, and neither reads nor writes any of another.

        What does not fit into one step it leaves in its own tables; that is carried on with
        between the steps, each part in a transaction.
        """

    async def seed(
        self, tx: Transaction, generation: int, after: int, up_to: int, now_ms: int
    ) -> None:
        """Writes the rows of that generation of what has ids with `after < id <= up_to`, by the
        state of things alone, in the place of those that are there. That state is the one that
        follows from all the entries that the generation has taken: nobody changes it meanwhile.
        All ids are positions, so step by step nothing is left out."""
        raise NotImplementedError

    async def carry_on(
        self, tx: Transaction, generation: int, position: int, *, alone: bool
    ) -> list[Hint]:
        """Does a part of what is left; `alone`, the first piece of it and nothing else. Entries
        up to `position` have been taken."""
        return []

    async def give_up(self, tx: Transaction, generation: int) -> int:
        """Drops the first piece of what is left. Returns the position of the entry that has left
        it; 0: nothing is lost with it."""
        return 0


class VisibleProjection(Consumer):
    """As `Projection`, but it makes what clients receive: it appends entries of its own, and
    each of its steps is a change in the log. So there is one generation."""

    @abstractmethod
    async def project(self, tx: WriteTransaction, entries: Sequence[Entry]) -> list[Hint]: ...


def lease_of(name: str) -> str:
    """The name of the lease under which a consumer runs."""
    return f"consumer.{name}"
