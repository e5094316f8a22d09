"""Likes. Their entries are in the liker's own stream; the author of the post hears of them
through notifications and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from store import rules
from store.changes.base import Change, Key
from store.errors import DomainError
from store.log import Kind, Stream, WriteTransaction
from store.queries.likes import liked_since
from store.queries.posts import heads, hidden_posts
from store.records import LikeRecord


class SetLike(Change[LikeRecord], frozen=True, kw_only=True):
    """Likes a post, or no longer. What is so already changes nothing and leaves no entry; its
    answer's `changed` is then the like's own, or where the log stood when there was none."""

    RESULT: ClassVar[type[LikeRecord]] = LikeRecord

    user_id: int
    post_id: int
    liked: bool

    def touches(self) -> Sequence[Key]:
        return (("post.likes", self.post_id),)

    def excludes(self) -> Sequence[Key]:
        return ((f"like:{self.post_id}", self.user_id),)

    @classmethod
    async def apply(
        cls, tx: WriteTransaction, changes: Sequence[Self]
    ) -> list[LikeRecord | DomainError]:
        posts = await heads(tx, (c.post_id for c in changes))
        hidden = await hidden_posts(tx, ((c.user_id, c.post_id) for c in changes), posts)
        since = await liked_since(tx, ((c.post_id, c.user_id) for c in changes))
        await tx.open_streams(Stream.user(c.user_id) for c in changes)
        outcomes: list[LikeRecord | DomainError] = []
        set_: list[LikeRecord] = []
        for change in changes:
            post = posts.get(change.post_id)
            refusal = rules.read_post(
                deleted=post is None or post.deleted,
                hidden=(change.user_id, change.post_id) in hidden,
            )
            if refusal is not None:
                outcomes.append(refusal)
                continue
            assert post is not None
            position = since.get((change.post_id, change.user_id))
            if change.liked == (position is not None):
                outcomes.append(_like(change, tx.position if position is None else position))
                continue
            entry = await tx.append(
                Kind.POST_LIKED if change.liked else Kind.POST_UNLIKED,
                Stream.user(change.user_id),
                actor_id=change.user_id,
                subject_id=change.post_id,
                other_id=post.author_id,
            )
            entry.record = like = _like(change, entry.position)
            outcomes.append(like)
            set_.append(like)
        await tx.run_many(
            "INSERT INTO likes (post_id, user_id, changed, at_ms) VALUES (?, ?, ?, ?)",
            [(one.post_id, one.user_id, one.changed, tx.now_ms) for one in set_ if one.liked],
        )
        await tx.run_many(
            "DELETE FROM likes WHERE post_id = ? AND user_id = ?",
            [(one.post_id, one.user_id) for one in set_ if not one.liked],
        )
        return outcomes


def _like(change: SetLike, changed: int) -> LikeRecord:
    return LikeRecord(
        post_id=change.post_id, user_id=change.user_id, liked=change.liked, changed=changed
    )
