"""A change for tests that are not about what it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from store.changes.base import Key, SingleChange
from store.errors import Conflict
from store.log import Entry, Kind, Stream, WriteTransaction, read_entries
from tests.store.gated import GatedStore

BROKEN = "broken"


class Note(SingleChange[int], frozen=True, kw_only=True):
    """Appends one entry about `subject` to the user's stream, and answers with its position.

    `refuse` refuses it; `broken` fails on its data, as a statement might.
    """

    RESULT: ClassVar[type[int]] = int

    user_id: int = 1
    subject: int = 0
    kind: Kind = Kind.PROFILE_CHANGED
    refuse: bool = False
    broken: bool = False

    def excludes(self) -> Sequence[Key]:
        return (("note", self.user_id),)

    async def apply_one(self, tx: WriteTransaction) -> int:
        if self.refuse:
            raise Conflict("refused", field="note")
        entry = await tx.append(
            self.kind, Stream.user(self.user_id), actor_id=self.user_id, subject_id=self.subject
        )
        if self.broken:
            raise ValueError(BROKEN)
        return entry.position


async def log_of(store: GatedStore) -> list[Entry]:
    """The whole log."""
    return await store.inner.read(read_entries, 0, 1 << 62, 100_000)


async def subjects(store: GatedStore) -> list[int]:
    """What was noted, in the order of the log."""
    return [entry.subject_id for entry in await log_of(store)]
