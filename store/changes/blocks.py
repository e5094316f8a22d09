"""Blocks. Their entries are in the stream of who blocks: the other is not told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from store import rules
from store.changes.base import Key, SingleChange
from store.changes.follows import end_follows
from store.changes.rooms import direct_key
from store.errors import NotFound
from store.log import Kind, Stream, WriteTransaction
from store.queries.blocks import blocks_of
from store.queries.users import users_by_id
from store.records import BlockRecord


class SetBlock(SingleChange[BlockRecord], frozen=True, kw_only=True):
    """Blocks a user, or no longer. A block ends the follows between the two, each with its own
    entry, and closes their direct room; the end of the last block between them opens it again,
    and brings no follow back. What is so already changes nothing and leaves no entry; its
    answer's `changed` is then the block's own, or where the log stood when there never was one.
    """

    RESULT: ClassVar[type[BlockRecord]] = BlockRecord

    blocker_id: int
    blocked_id: int
    blocked: bool

    def excludes(self) -> Sequence[Key]:
        return (("block", direct_key(self.blocker_id, self.blocked_id)),)

    async def apply_one(self, tx: WriteTransaction) -> BlockRecord:
        one, other = pair = (self.blocker_id, self.blocked_id)
        if refusal := rules.block(self_=one == other):
            raise refusal
        if other not in await users_by_id(tx, [other]):
            raise NotFound("no such user")
        blocks = await blocks_of(tx, [pair, (other, one)])
        before, theirs = blocks.get(pair), blocks.get((other, one))
        if self.blocked == (before is not None and before.active):
            return self._record(tx.position if before is None else before.changed)
        entry = await tx.append(
            Kind.BLOCKED if self.blocked else Kind.UNBLOCKED,
            Stream.user(one),
            actor_id=one,
            subject_id=other,
        )
        entry.record = block = self._record(entry.position)
        await tx.run(
            tx.dialect.upsert("blocks", ("blocker_id", "blocked_id"), ("active", "changed")),
            (one, other, int(self.blocked), entry.position),
        )
        closed = self.blocked or (theirs is not None and theirs.active)
        await tx.run(
            "UPDATE rooms SET closed = ? WHERE direct_key = ?",
            (int(closed), direct_key(one, other)),
        )
        if self.blocked:
            await end_follows(tx, [pair, (other, one)])
        return block

    def _record(self, changed: int) -> BlockRecord:
        return BlockRecord(
            blocker_id=self.blocker_id,
            blocked_id=self.blocked_id,
            blocked=self.blocked,
            changed=changed,
        )
