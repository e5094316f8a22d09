"""Comments: add, edit, delete. Their entries are in the writer's own stream; others hear of
them through notifications and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import ClassVar, NamedTuple, Self

from store import rules
from store.changes.base import Change, Key, SingleChange
from store.changes.mentions import Said, remove_mentions, rewrite_mentions, write_mentions
from store.errors import DomainError, NotFound
from store.log import Kind, Stream, WriteTransaction
from store.queries.blocks import apart_from, between
from store.queries.comments import comments_by_id, counted_comments
from store.queries.posts import PostHead, heads
from store.queries.users import users_by_id
from store.records import CommentRecord


class AddComment(Change[CommentRecord], frozen=True, kw_only=True):
    """A comment on a post, perhaps in reply to another comment on it."""

    RESULT: ClassVar[type[CommentRecord]] = CommentRecord

    user_id: int
    post_id: int
    text: str
    reply_to: int = 0

    def touches(self) -> Sequence[Key]:
        keys: list[Key] = [("post.comments", self.post_id)]
        if self.reply_to:
            keys.append(("comment", self.reply_to))
        return keys

    @classmethod
    async def apply(
        cls, tx: WriteTransaction, changes: Sequence[Self]
    ) -> list[CommentRecord | DomainError]:
        posts = await heads(tx, (c.post_id for c in changes))
        replied = await comments_by_id(tx, (c.reply_to for c in changes))
        stands = await between(tx, _people(changes, posts, replied))
        writers = await users_by_id(tx, (c.user_id for c in changes))
        await tx.open_streams(Stream.user(c.user_id) for c in changes)
        outcomes: list[CommentRecord | DomainError] = []
        made: list[CommentRecord] = []
        for change in changes:
            post, answered = posts.get(change.post_id), replied.get(change.reply_to)
            refusal = _refusal(change, post, answered, stands.keys())
            if refusal is None and change.user_id not in writers:
                refusal = NotFound("no such user")
            if refusal is not None:
                outcomes.append(refusal)
                continue
            entry = await tx.append(
                Kind.COMMENT_ADDED,
                Stream.user(change.user_id),
                actor_id=change.user_id,
                other_id=change.post_id,
            )
            entry.record = comment = CommentRecord(
                id=entry.position,
                post_id=change.post_id,
                author=writers[change.user_id],
                text=change.text,
                reply_to=change.reply_to,
                created_ms=tx.now_ms,
                edited_ms=0,
                deleted=False,
                changed=entry.position,
            )
            outcomes.append(comment)
            made.append(comment)
        await tx.run_many(
            "INSERT INTO comments (id, post_id, author_id, text, reply_to, created_ms, edited_ms, "
            "deleted, changed) VALUES (?, ?, ?, ?, ?, ?, 0, 0, ?)",
            [
                (c.id, c.post_id, c.author.id, c.text, c.reply_to, c.created_ms, c.changed)
                for c in made
            ],
        )
        await write_mentions(tx, [Said(c.post_id, c.id, c.text, c.id) for c in made])
        return outcomes


def _people(
    changes: Sequence[AddComment],
    posts: Mapping[int, PostHead],
    replied: Mapping[int, CommentRecord],
) -> Iterator[tuple[int, int]]:
    """Each writer with the author of the post and with whom he answers."""
    for change in changes:
        if change.post_id in posts:
            yield change.user_id, posts[change.post_id].author_id
        if change.reply_to in replied:
            yield change.user_id, replied[change.reply_to].author.id


def _refusal(
    change: AddComment,
    post: PostHead | None,
    replied: CommentRecord | None,
    apart: Set[tuple[int, int]],
) -> DomainError | None:
    me = change.user_id
    refusal = rules.read_post(
        deleted=post is None or post.deleted,
        hidden=post is not None and (me, post.author_id) in apart,
    )
    if refusal is None and change.reply_to:
        refusal = rules.reply_to_comment(
            same_post=replied is not None and replied.post_id == change.post_id,
            deleted=replied is None or replied.deleted,
            hidden=replied is not None and (me, replied.author.id) in apart,
        )
    return refusal or rules.comment_content(change.text)


class _Found(NamedTuple):
    comment: CommentRecord
    post: PostHead
    hidden: bool  # see `store.rules`


async def _find(tx: WriteTransaction, comment_id: int, user_id: int) -> _Found:
    comment = (await comments_by_id(tx, [comment_id])).get(comment_id)
    post = None if comment is None else (await heads(tx, [comment.post_id])).get(comment.post_id)
    if comment is None or post is None:
        raise NotFound("no such comment")
    people = (comment.author.id, post.author_id)
    return _Found(comment, post, bool(await apart_from(tx, user_id, people)))


class EditComment(SingleChange[CommentRecord], frozen=True, kw_only=True):
    RESULT: ClassVar[type[CommentRecord]] = CommentRecord

    user_id: int
    comment_id: int
    text: str

    def excludes(self) -> Sequence[Key]:
        return (("comment", self.comment_id),)

    async def apply_one(self, tx: WriteTransaction) -> CommentRecord:
        comment, post, hidden = await _find(tx, self.comment_id, self.user_id)
        refusal = rules.edit_comment(
            mine=comment.author.id == self.user_id,
            deleted=comment.deleted,
            post_deleted=post.deleted,
            hidden=hidden,
        )
        refusal = refusal or rules.comment_content(self.text)
        if refusal is not None:
            raise refusal
        entry = await tx.append(
            Kind.COMMENT_EDITED,
            Stream.user(self.user_id),
            actor_id=self.user_id,
            subject_id=comment.id,
            other_id=comment.post_id,
        )
        await tx.run(
            "UPDATE comments SET text = ?, edited_ms = ?, changed = ? WHERE id = ?",
            (self.text, tx.now_ms, entry.position, comment.id),
        )
        await rewrite_mentions(tx, Said(comment.post_id, comment.id, self.text, entry.position))
        return (await counted_comments(tx, [comment.id]))[comment.id]


class DeleteComment(SingleChange[CommentRecord], frozen=True, kw_only=True):
    """By its writer or by the author of the post: the text is gone, the row stays as a
    tombstone, so that replies to it still have a place.

    The entry is in the writer's stream. An author who deletes another's comment has a copy in
    his own, for his other devices; it names no post (`other_id` 0), so that whoever counts
    comments by the log counts each once.
    """

    RESULT: ClassVar[type[CommentRecord]] = CommentRecord

    user_id: int
    comment_id: int

    def excludes(self) -> Sequence[Key]:
        return (("comment", self.comment_id),)

    async def apply_one(self, tx: WriteTransaction) -> CommentRecord:
        comment, post, hidden = await _find(tx, self.comment_id, self.user_id)
        refusal = rules.delete_comment(
            mine=comment.author.id == self.user_id,
            my_post=post.author_id == self.user_id,
            deleted=comment.deleted,
            post_deleted=post.deleted,
            hidden=hidden,
        )
        if refusal is not None:
            raise refusal
        entry = await tx.append(
            Kind.COMMENT_DELETED,
            Stream.user(comment.author.id),
            actor_id=self.user_id,
            subject_id=comment.id,
            other_id=comment.post_id,
        )
        if comment.author.id != self.user_id:
            await tx.append(
                Kind.COMMENT_DELETED,
                Stream.user(self.user_id),
                actor_id=self.user_id,
                subject_id=comment.id,
            )
        await tx.run(
            "UPDATE comments SET text = '', deleted = 1, changed = ? WHERE id = ?",
            (entry.position, comment.id),
        )
        await remove_mentions(tx, comment.post_id, comment.id)
        return (await counted_comments(tx, [comment.id]))[comment.id]
