"""Posts: publish, edit, delete. Their entries are in the author's own stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from store import rules
from store.changes.base import Change, Key, SingleChange
from store.changes.mentions import Said, remove_mentions, rewrite_mentions, write_mentions
from store.changes.uses import let_go, use
from store.errors import DomainError, NotFound
from store.log import Kind, Stream, WriteTransaction
from store.queries.blocks import between_two
from store.queries.media import media_by_id
from store.queries.posts import PostHead, heads, posts_by_id
from store.queries.users import users_by_id
from store.records import MediaRecord, PostRecord, Purpose, UserRecord


class CreatePost(Change[PostRecord], frozen=True, kw_only=True):
    RESULT: ClassVar[type[PostRecord]] = PostRecord

    author_id: int
    text: str
    media_ids: tuple[str, ...] = ()

    @classmethod
    async def apply(
        cls, tx: WriteTransaction, changes: Sequence[Self]
    ) -> list[PostRecord | DomainError]:
        authors = await users_by_id(tx, (c.author_id for c in changes))
        media = await media_by_id(tx, (one for c in changes for one in c.media_ids))
        await tx.open_streams(Stream.user(c.author_id) for c in changes)
        outcomes: list[PostRecord | DomainError] = []
        made: list[PostRecord] = []
        for change in changes:
            if refusal := _refusal(change, authors, media):
                outcomes.append(refusal)
                continue
            entry = await tx.append(
                Kind.POST_CREATED, Stream.user(change.author_id), actor_id=change.author_id
            )
            entry.record = post = PostRecord(
                id=entry.position,
                author=authors[change.author_id],
                text=change.text,
                media=tuple(media[one] for one in change.media_ids),
                created_ms=tx.now_ms,
                edited_ms=0,
                deleted=False,
                changed=entry.position,
            )
            outcomes.append(post)
            made.append(post)
        await tx.run_many(
            "INSERT INTO posts (id, author_id, text, media, created_ms, edited_ms, deleted, "
            "changed) VALUES (?, ?, ?, ?, ?, 0, 0, ?)",
            [
                (p.id, p.author.id, p.text, " ".join(m.id for m in p.media), p.created_ms, p.id)
                for p in made
            ],
        )
        await use(tx, (one.id for p in made for one in p.media))
        await write_mentions(tx, [Said(p.id, 0, p.text, p.id) for p in made])
        return outcomes


def _refusal(
    change: CreatePost, authors: Mapping[int, UserRecord], media: Mapping[str, MediaRecord]
) -> DomainError | None:
    if change.author_id not in authors:
        return NotFound("no such user")
    if refusal := rules.post_content(change.text, media=bool(change.media_ids)):
        return refusal
    for media_id in change.media_ids:
        found = media.get(media_id)
        if found is None:
            return NotFound("no such media")
        refusal = rules.attach_media(
            mine=found.owner_id == change.author_id,
            stored=found.stored,
            purpose=found.purpose,
            wanted=Purpose.POST,
        )
        if refusal is not None:
            return refusal
    return None


class EditPost(SingleChange[PostRecord], frozen=True, kw_only=True):
    """Changes the text; the photographs stay."""

    RESULT: ClassVar[type[PostRecord]] = PostRecord

    user_id: int
    post_id: int
    text: str

    def excludes(self) -> Sequence[Key]:
        return (("post", self.post_id),)

    async def apply_one(self, tx: WriteTransaction) -> PostRecord:
        head, refusal = await _to_change(tx, self.user_id, self.post_id)
        refusal = refusal or rules.post_content(self.text, media=bool(head.media_ids))
        if refusal is not None:
            raise refusal
        entry = await tx.append(
            Kind.POST_EDITED,
            Stream.user(self.user_id),
            actor_id=self.user_id,
            subject_id=self.post_id,
        )
        await tx.run(
            "UPDATE posts SET text = ?, edited_ms = ?, changed = ? WHERE id = ?",
            (self.text, tx.now_ms, entry.position, self.post_id),
        )
        await rewrite_mentions(tx, Said(self.post_id, 0, self.text, entry.position))
        return (await posts_by_id(tx, [self.post_id], self.user_id))[self.post_id]


async def _to_change(
    tx: WriteTransaction, user_id: int, post_id: int
) -> tuple[PostHead, DomainError | None]:
    """The post, and why the user may not change it."""
    head = (await heads(tx, [post_id])).get(post_id)
    if head is None:
        raise NotFound("no such post")
    stands = await between_two(tx, user_id, head.author_id)
    return head, rules.change_post(
        mine=head.author_id == user_id, deleted=head.deleted, hidden=stands.apart
    )


class DeletePost(SingleChange[PostRecord], frozen=True, kw_only=True):
    """Text and media are gone, the row stays as a tombstone. Its likes and comments are out
    of reach with it."""

    RESULT: ClassVar[type[PostRecord]] = PostRecord

    user_id: int
    post_id: int

    def excludes(self) -> Sequence[Key]:
        # Likes and comments have keys of their own, so that on a busy post they commute.
        return (
            ("post", self.post_id),
            ("post.likes", self.post_id),
            ("post.comments", self.post_id),
        )

    async def apply_one(self, tx: WriteTransaction) -> PostRecord:
        post, refusal = await _to_change(tx, self.user_id, self.post_id)
        if refusal is not None:
            raise refusal
        entry = await tx.append(
            Kind.POST_DELETED,
            Stream.user(self.user_id),
            actor_id=self.user_id,
            subject_id=self.post_id,
        )
        await tx.run(
            "UPDATE posts SET text = '', media = '', deleted = 1, changed = ? WHERE id = ?",
            (entry.position, self.post_id),
        )
        await let_go(tx, post.media_ids)
        await remove_mentions(tx, self.post_id)
        return (await posts_by_id(tx, [self.post_id], self.user_id))[self.post_id]
