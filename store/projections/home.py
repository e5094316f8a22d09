"""Home timelines: a row for each post in the timeline of each of its author's followers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from store.log import Entry, Kind
from store.projections.base import Hint, HomeHint, Projection
from store.queries.follows import followed_since
from store.queries.posts import heads
from store.transaction import Transaction

BACKFILL = 100
"""How many of somebody's latest posts a new follower finds in his timeline."""

# A post goes to those who follow since before it; who came later finds it by the backfill of
# his own follow. So each row has one cause, however late the entries are read.
_PUBLISH = (
    "INSERT INTO home (user_id, post_id, author_id) "
    "SELECT f.follower_id, p.id, p.author_id FROM posts p "
    "JOIN follows f ON f.followee_id = p.author_id AND f.changed < p.id "
    "WHERE p.deleted = 0 AND NOT EXISTS "
    "(SELECT 1 FROM home h WHERE h.user_id = f.follower_id AND h.post_id = p.id) AND p.id IN "
)
_PUBLISH_OWN = (
    "INSERT INTO home (user_id, post_id, author_id) "
    "SELECT p.author_id, p.id, p.author_id FROM posts p "
    "WHERE p.deleted = 0 AND NOT EXISTS "
    "(SELECT 1 FROM home h WHERE h.user_id = p.author_id AND h.post_id = p.id) AND p.id IN "
)
_BACKFILL = (
    "INSERT INTO home (user_id, post_id, author_id) "
    "SELECT ?, latest.id, latest.author_id FROM (SELECT id, author_id FROM posts "
    "WHERE author_id = ? AND deleted = 0 AND id < ? ORDER BY id DESC LIMIT ?) latest "
    "WHERE NOT EXISTS (SELECT 1 FROM home h WHERE h.user_id = ? AND h.post_id = latest.id)"
)


class HomeProjection(Projection):
    """After every entry: the posts of the people whom a user follows, from `backfill` before
    he followed on, and his own.

    The state that it reads may be newer than its entries. It counts only follows that still
    hold; of one that has ended, or ended and begun again, a later entry will tell.
    """

    name: ClassVar[str] = "home"
    kinds: ClassVar[frozenset[Kind]] = frozenset(
        {Kind.POST_CREATED, Kind.POST_DELETED, Kind.FOLLOWED, Kind.UNFOLLOWED}
    )

    replayable: ClassVar[bool] = True

    @staticmethod
    def key(entry: Entry) -> str:
        """A follow, or a post."""
        if entry.kind in (Kind.FOLLOWED, Kind.UNFOLLOWED):
            return f"{entry.actor_id}>{entry.subject_id}"
        return f"p{entry.subject_id}"

    def __init__(self, backfill: int = BACKFILL) -> None:
        self._backfill = backfill

    async def project(
        self, tx: Transaction, entries: Sequence[Entry], generation: int
    ) -> list[Hint]:
        of: dict[Kind, list[Entry]] = {kind: [] for kind in self.kinds}
        for entry in entries:
            of[entry.kind].append(entry)
        # Within a step the order of the kinds is free: rows that a later entry of the log
        # removes are never inserted, for the state that is read has seen it already.
        await self._leave(tx, of[Kind.UNFOLLOWED])
        await self._join(tx, of[Kind.FOLLOWED])
        hints = await self._publish(tx, of[Kind.POST_CREATED])
        await tx.run_many(
            "DELETE FROM home WHERE post_id = ?",
            [(entry.subject_id,) for entry in of[Kind.POST_DELETED]],
        )
        return hints

    @staticmethod
    async def _leave(tx: Transaction, entries: Sequence[Entry]) -> None:
        await tx.run_many(
            "DELETE FROM home WHERE user_id = ? AND author_id = ?",
            dict.fromkeys((entry.actor_id, entry.subject_id) for entry in entries),
        )

    async def _join(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        since = await followed_since(tx, ((e.actor_id, e.subject_id) for e in entries))
        await tx.run_many(
            _BACKFILL,
            [
                (e.actor_id, e.subject_id, e.position, self._backfill, e.actor_id)
                for e in entries
                if since.get((e.actor_id, e.subject_id)) == e.position
            ],
        )

    @staticmethod
    async def _publish(tx: Transaction, entries: Sequence[Entry]) -> list[Hint]:
        ids = [entry.subject_id for entry in entries]
        if not ids:
            return []
        among = tx.dialect.in_list(len(ids))
        await tx.run(_PUBLISH + among, ids)
        await tx.run(_PUBLISH_OWN + among, ids)
        newest = {
            head.author_id: post_id
            for post_id, head in sorted((await heads(tx, ids)).items())
            if not head.deleted
        }
        return [HomeHint(author_id=author, post_id=post_id) for author, post_id in newest.items()]
