"""Notifications, which are taken back when what they tell of is undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from store.log import Entry, Kind, Stream, WriteTransaction
from store.projections.base import Hint, VisibleProjection
from store.queries.comments import comments_by_id
from store.queries.follows import followed_since
from store.queries.likes import liked_since
from store.queries.posts import PostHead, heads
from store.records import CommentRecord, NotificationKind, RemovedRecord
from store.transaction import Transaction, Value

STREAMS_AT_ONCE = 500

COMMENT_KINDS = frozenset({Kind.COMMENT_ADDED, Kind.COMMENT_EDITED, Kind.COMMENT_DELETED})


class Cause(NamedTuple):
    """Why a user is notified; of each cause he has one notification at a time."""

    user_id: int
    kind: NotificationKind
    actor_id: int
    post_id: int = 0
    comment_id: int = 0


class NotificationsProjection(VisibleProjection):
    """Of a like, a comment, a reply and a follow its receiver is told; an unlike, an unfollow
    and a deletion take the notification back; an edited comment sends it again with the new
    text, as an entry `NOTIFIED` whose subject is the earlier one. Nobody hears of what he did
    himself, and of a reply to the author of the post he hears once.

    The state that it reads may be newer than its entries, so it tells only of what still
    holds. Of what has ended meanwhile, or ended and begun again, a later entry tells.
    """

    name: ClassVar[str] = "notifications"
    kinds: ClassVar[frozenset[Kind]] = COMMENT_KINDS | {
        Kind.POST_LIKED,
        Kind.POST_UNLIKED,
        Kind.POST_DELETED,
        Kind.FOLLOWED,
        Kind.UNFOLLOWED,
    }

    async def project(self, tx: WriteTransaction, entries: Sequence[Entry]) -> list[Hint]:
        state = await _read(tx, entries)
        present = await _present(tx, entries)
        # What has ended comes first: what is told now still holds, so nothing in this step
        # ends it again.
        ended = _ended(entries, present)
        standing = {cause: one for cause, one in present.items() if cause not in ended}
        added: dict[Cause, Entry] = {}
        again: dict[Cause, Entry] = {}
        for entry in entries:
            for cause in _causes(entry, state):
                if cause not in standing:
                    added.setdefault(cause, entry)
                elif entry.kind is Kind.COMMENT_EDITED:
                    again[cause] = entry
        await _open_streams(tx, [*ended, *again, *added])
        await _take_back(tx, {present[cause]: (cause, entry) for cause, entry in ended.items()})
        await _tell_again(tx, {standing[cause]: cause for cause in again})
        await _tell(tx, added)
        return []


class _State(NamedTuple):
    posts: dict[int, PostHead]
    comments: dict[int, CommentRecord]
    liked: dict[tuple[int, int], int]  # (post, user) -> position
    followed: dict[tuple[int, int], int]  # (follower, followee) -> position


async def _read(tx: Transaction, entries: Sequence[Entry]) -> _State:
    """What the entries speak of, as it is now."""
    comments = await comments_by_id(
        tx, (entry.subject_id for entry in entries if entry.kind in COMMENT_KINDS)
    )
    # Whom a reply answers does not depend on whether that comment is still there.
    comments |= await comments_by_id(tx, (one.reply_to for one in comments.values()))
    liked = [(e.subject_id, e.actor_id) for e in entries if e.kind is Kind.POST_LIKED]
    posts = await heads(
        tx, [post_id for post_id, _ in liked] + [one.post_id for one in comments.values()]
    )
    followed = [(e.actor_id, e.subject_id) for e in entries if e.kind is Kind.FOLLOWED]
    return _State(posts, comments, await liked_since(tx, liked), await followed_since(tx, followed))


def _causes(entry: Entry, state: _State) -> list[Cause]:
    """Who is to be told of an entry, if what it tells still holds."""
    actor_id = entry.actor_id
    if entry.kind is Kind.FOLLOWED:
        if state.followed.get((actor_id, entry.subject_id)) == entry.position:
            return [Cause(entry.subject_id, NotificationKind.FOLLOW, actor_id)]
    elif entry.kind is Kind.POST_LIKED:
        post = state.posts.get(entry.subject_id)
        holds = state.liked.get((entry.subject_id, actor_id)) == entry.position
        if holds and post is not None and not post.deleted and post.author_id != actor_id:
            return [Cause(post.author_id, NotificationKind.LIKE, actor_id, entry.subject_id)]
    elif entry.kind in (Kind.COMMENT_ADDED, Kind.COMMENT_EDITED):
        comment = state.comments.get(entry.subject_id)
        post = None if comment is None else state.posts.get(comment.post_id)
        if comment is None or comment.deleted or post is None or post.deleted:
            return []
        told = {post.author_id: NotificationKind.COMMENT}
        if comment.reply_to in state.comments:
            told[state.comments[comment.reply_to].author.id] = NotificationKind.REPLY
        return [
            Cause(user_id, kind, actor_id, comment.post_id, comment.id)
            for user_id, kind in told.items()
            if user_id != actor_id
        ]
    return []


async def _present(tx: Transaction, entries: Sequence[Entry]) -> dict[Cause, int]:
    """The ids of the notifications that the entries may concern."""
    acted: dict[tuple[int, int], None] = {}  # (post, actor)
    followed: dict[tuple[int, int], None] = {}  # (actor, user)
    gone: list[Value] = []
    for entry in entries:
        if entry.kind in (Kind.POST_LIKED, Kind.POST_UNLIKED):
            acted[entry.subject_id, entry.actor_id] = None
        elif entry.kind in (Kind.FOLLOWED, Kind.UNFOLLOWED):
            followed[entry.actor_id, entry.subject_id] = None
        elif entry.kind is Kind.POST_DELETED:
            gone.append(entry.subject_id)
        elif entry.other_id:  # a comment, in its writer's stream
            acted[entry.other_id, entry.stream.id] = None
    found: dict[Cause, int] = {}
    if acted:
        found |= await _find(tx, "(post_id, actor_id) IN " + tx.dialect.in_pairs(len(acted)), acted)
    if followed:
        where = "post_id = 0 AND (actor_id, user_id) IN " + tx.dialect.in_pairs(len(followed))
        found |= await _find(tx, where, followed)
    if gone:
        where = "post_id IN " + tx.dialect.in_list(len(gone))
        found |= await _find(tx, where, [(post_id,) for post_id in gone])
    return found


async def _find(
    tx: Transaction, where: str, params: dict[tuple[int, int], None] | list[tuple[Value]]
) -> dict[Cause, int]:
    found = await tx.rows(
        "SELECT id, user_id, kind, actor_id, post_id, comment_id FROM notifications "
        f"WHERE {where} ORDER BY id",
        [value for values in params for value in values],
    )
    return {
        Cause(row[1], NotificationKind(row[2]), row[3], row[4], row[5]): row[0] for row in found
    }


def _ended(entries: Sequence[Entry], present: dict[Cause, int]) -> dict[Cause, Entry]:
    """The notifications whose cause an entry undoes, each with that entry."""
    unliked: dict[tuple[int, int], Entry] = {}
    unfollowed: dict[tuple[int, int], Entry] = {}
    comments: dict[int, Entry] = {}
    posts: dict[int, Entry] = {}
    for entry in entries:
        if entry.kind is Kind.POST_UNLIKED:
            unliked[entry.subject_id, entry.actor_id] = entry
        elif entry.kind is Kind.UNFOLLOWED:
            unfollowed[entry.actor_id, entry.subject_id] = entry
        elif entry.kind is Kind.COMMENT_DELETED:
            comments[entry.subject_id] = entry
        elif entry.kind is Kind.POST_DELETED:
            posts[entry.subject_id] = entry
    ended: dict[Cause, Entry] = {}
    for cause in present:
        by: Entry | None
        if cause.kind is NotificationKind.FOLLOW:
            by = unfollowed.get((cause.actor_id, cause.user_id))
        elif cause.kind is NotificationKind.LIKE:
            by = unliked.get((cause.post_id, cause.actor_id)) or posts.get(cause.post_id)
        else:
            by = comments.get(cause.comment_id) or posts.get(cause.post_id)
        if by is not None:
            ended[cause] = by
    return ended


async def _open_streams(tx: WriteTransaction, causes: Sequence[Cause]) -> None:
    streams = [Stream.user(user_id) for user_id in dict.fromkeys(c.user_id for c in causes)]
    for start in range(0, len(streams), STREAMS_AT_ONCE):
        await tx.open_streams(streams[start : start + STREAMS_AT_ONCE])


async def _take_back(tx: WriteTransaction, ended: dict[int, tuple[Cause, Entry]]) -> None:
    for notification_id, (cause, by) in ended.items():
        entry = await tx.append(
            Kind.UNNOTIFIED,
            Stream.user(cause.user_id),
            actor_id=by.actor_id,
            subject_id=notification_id,
        )
        entry.record = RemovedRecord(notification_id=notification_id, changed=entry.position)
    await tx.run_many("DELETE FROM notifications WHERE id = ?", [(one,) for one in ended])


async def _tell_again(tx: WriteTransaction, again: dict[int, Cause]) -> None:
    rows = []
    for notification_id, cause in again.items():
        entry = await tx.append(
            Kind.NOTIFIED,
            Stream.user(cause.user_id),
            actor_id=cause.actor_id,
            subject_id=notification_id,
        )
        rows.append((entry.position, notification_id))
    await tx.run_many("UPDATE notifications SET changed = ? WHERE id = ?", rows)


async def _tell(tx: WriteTransaction, added: dict[Cause, Entry]) -> None:
    rows = []
    for cause, of in added.items():
        entry = await tx.append(Kind.NOTIFIED, Stream.user(cause.user_id), actor_id=cause.actor_id)
        rows.append((entry.position, *cause, of.at_ms, entry.position))
    await tx.run_many(
        "INSERT INTO notifications (id, user_id, kind, actor_id, post_id, comment_id, created_ms, "
        "changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
