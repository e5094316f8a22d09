"""Why users are notified: what an entry of the log tells whom, as long as it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from store.log import Entry, Kind
from store.queries.blocks import apart_until
from store.queries.comments import comments_by_id
from store.queries.follows import followed_since
from store.queries.likes import liked_since
from store.queries.posts import PostHead, heads
from store.records import CommentRecord, NotificationKind
from store.transaction import Transaction

COMMENT_KINDS = frozenset({Kind.COMMENT_ADDED, Kind.COMMENT_EDITED, Kind.COMMENT_DELETED})


class Cause(NamedTuple):
    """Why a user is notified: of each cause he hears once."""

    user_id: int
    kind: NotificationKind
    actor_id: int
    post_id: int = 0
    comment_id: int = 0


class Telling(NamedTuple):
    """An entry tells of a cause. `about_id` parts what is of one kind and about one post: of a
    reply it is the comment that it answers."""

    cause: Cause
    about_id: int = 0


class State(NamedTuple):
    """What entries speak of, as it is now."""

    posts: dict[int, PostHead]
    comments: dict[int, CommentRecord]
    liked: dict[tuple[int, int], int]  # (post, user) -> position
    followed: dict[tuple[int, int], int]  # (follower, followee) -> position
    apart: dict[tuple[int, int], int]  # (user, actor) -> see `apart_until`


async def read_state(tx: Transaction, entries: Sequence[Entry]) -> State:
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
    state = State(
        posts, comments, await liked_since(tx, liked), await followed_since(tx, followed), {}
    )
    told = (one.cause for entry in entries for one in tellings(entry, state))
    apart = await apart_until(tx, ((cause.user_id, cause.actor_id) for cause in told))
    return state._replace(apart=apart)


def tellings(entry: Entry, state: State) -> list[Telling]:
    """Who is to be told of an entry, if what it tells still holds. Nobody hears of what he did
    himself, and of a reply to the author of the post he hears once. What was done before a block
    ended is not told, not even when it has."""
    return [
        one
        for one in _holding(entry, state)
        if entry.position > state.apart.get((one.cause.user_id, one.cause.actor_id), 0)
    ]


def _holding(entry: Entry, state: State) -> list[Telling]:
    actor_id = entry.actor_id
    if entry.kind is Kind.FOLLOWED:
        if state.followed.get((actor_id, entry.subject_id)) == entry.position:
            return [Telling(Cause(entry.subject_id, NotificationKind.FOLLOW, actor_id))]
    elif entry.kind is Kind.POST_LIKED:
        post = state.posts.get(entry.subject_id)
        holds = state.liked.get((entry.subject_id, actor_id)) == entry.position
        if holds and post is not None and not post.deleted and post.author_id != actor_id:
            cause = Cause(post.author_id, NotificationKind.LIKE, actor_id, entry.subject_id)
            return [Telling(cause)]
    elif entry.kind is Kind.COMMENT_ADDED:
        return _of_comment(state.comments.get(entry.subject_id), state)
    return []


def _of_comment(comment: CommentRecord | None, state: State) -> list[Telling]:
    post = None if comment is None else state.posts.get(comment.post_id)
    if comment is None or comment.deleted or post is None or post.deleted:
        return []
    told = {post.author_id: (NotificationKind.COMMENT, 0)}
    if comment.reply_to in state.comments:
        answered = state.comments[comment.reply_to].author.id
        told[answered] = (NotificationKind.REPLY, comment.reply_to)
    return [
        Telling(Cause(user_id, kind, comment.author.id, comment.post_id, comment.id), about_id)
        for user_id, (kind, about_id) in told.items()
        if user_id != comment.author.id
    ]
