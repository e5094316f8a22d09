"""Why users are notified: what an entry of the log tells whom, as long as it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from store.log import Entry, Kind
from store.queries.blocks import apart_until
from store.queries.comments import comments_by_id
from store.queries.follows import followed_since
from store.queries.likes import liked_since
from store.queries.mentions import mentioned_since
from store.queries.posts import PostHead, heads
from store.records import CommentRecord, NotificationKind
from store.transaction import Transaction

COMMENT_KINDS = frozenset({Kind.COMMENT_ADDED, Kind.COMMENT_EDITED, Kind.COMMENT_DELETED})
POST_KINDS = frozenset({Kind.POST_CREATED, Kind.POST_EDITED})


class Cause(NamedTuple):
    """Why a user is notified: of each cause he hears once."""

    user_id: int
    kind: NotificationKind
    actor_id: int
    post_id: int = 0
    comment_id: int = 0

    @property
    def text(self) -> Text | None:
        """The text of which it tells."""
        if self.kind in (NotificationKind.LIKE, NotificationKind.FOLLOW):
            return None
        return Text(self.post_id, self.comment_id)


class Text(NamedTuple):
    """A comment or, with `comment_id` 0, what a post says."""

    post_id: int
    comment_id: int


class Reason(NamedTuple):
    """As what somebody is told of an entry. `about_id` parts what is of one kind and about one
    post: of a reply it is the comment that it answers, of a mention the comment with it."""

    kind: NotificationKind
    about_id: int = 0


class Telling(NamedTuple):
    """An entry concerns a user: he is told once, for the first reason whose kind he has not
    muted."""

    user_id: int
    actor_id: int
    reasons: tuple[Reason, ...]
    post_id: int = 0
    comment_id: int = 0

    def cause(self, kind: NotificationKind) -> Cause:
        return Cause(self.user_id, kind, self.actor_id, self.post_id, self.comment_id)


class State(NamedTuple):
    """What entries speak of, as it is now."""

    posts: dict[int, PostHead]
    comments: dict[int, CommentRecord]
    liked: dict[tuple[int, int], int]  # (post, user) -> position
    followed: dict[tuple[int, int], int]  # (follower, followee) -> position
    mentioned: dict[tuple[int, int], dict[int, int]]  # text -> user -> position
    apart: dict[tuple[int, int], int]  # (user, actor) -> see `apart_until`


async def read_state(tx: Transaction, entries: Sequence[Entry]) -> State:
    comments = await comments_by_id(
        tx, (entry.subject_id for entry in entries if entry.kind in COMMENT_KINDS)
    )
    # Whom a reply answers does not depend on whether that comment is still there.
    comments |= await comments_by_id(tx, (one.reply_to for one in comments.values()))
    liked = [(e.subject_id, e.actor_id) for e in entries if e.kind is Kind.POST_LIKED]
    followed = [(e.actor_id, e.subject_id) for e in entries if e.kind is Kind.FOLLOWED]
    texts = [text for entry in entries if (text := text_of(entry))]
    posts = [post_id for post_id, _ in liked] + [text.post_id for text in texts]
    state = State(
        posts=await heads(tx, posts),
        comments=comments,
        liked=await liked_since(tx, liked),
        followed=await followed_since(tx, followed),
        mentioned=await mentioned_since(tx, texts),
        apart={},
    )
    told = (one for entry in entries for one in tellings(entry, state))
    apart = await apart_until(tx, ((one.user_id, one.actor_id) for one in told))
    return state._replace(apart=apart)


def text_of(entry: Entry) -> Text | None:
    """The text that an entry is about."""
    if entry.kind in POST_KINDS:
        return Text(entry.subject_id, 0)
    # A deleter's own copy names no post.
    if entry.kind in COMMENT_KINDS and entry.other_id:
        return Text(entry.other_id, entry.subject_id)
    return None


def tellings(entry: Entry, state: State) -> list[Telling]:
    """Who is to be told of an entry, if what it tells still holds. Nobody hears of what he did
    himself, nor of what somebody did before a block between them ended, not even when it has."""
    told = {
        Kind.FOLLOWED: _of_follow,
        Kind.POST_LIKED: _of_like,
        Kind.POST_CREATED: _of_text,
        Kind.POST_EDITED: _of_text,
        Kind.COMMENT_ADDED: _of_text,
        Kind.COMMENT_EDITED: _of_text,
    }.get(entry.kind)
    if told is None:
        return []
    return [
        one
        for one in told(entry, state)
        if one.user_id != one.actor_id
        and entry.position > state.apart.get((one.user_id, one.actor_id), 0)
    ]


def _of_follow(entry: Entry, state: State) -> Iterator[Telling]:
    if state.followed.get((entry.actor_id, entry.subject_id)) == entry.position:
        yield Telling(entry.subject_id, entry.actor_id, (Reason(NotificationKind.FOLLOW),))


def _of_like(entry: Entry, state: State) -> Iterator[Telling]:
    post = state.posts.get(entry.subject_id)
    holds = state.liked.get((entry.subject_id, entry.actor_id)) == entry.position
    if holds and post is not None and not post.deleted:
        reasons = (Reason(NotificationKind.LIKE),)
        yield Telling(post.author_id, entry.actor_id, reasons, entry.subject_id)


def _of_text(entry: Entry, state: State) -> Iterator[Telling]:
    """A new comment tells the one whom it answers and the author of the post; what a text says
    since this entry, those whom it mentions."""
    text = text_of(entry)
    post = None if text is None else state.posts.get(text.post_id)
    if text is None or post is None or post.deleted:
        return
    reasons: dict[int, list[Reason]] = {}
    if entry.kind in COMMENT_KINDS:
        comment = state.comments.get(text.comment_id)
        if comment is None or comment.deleted:
            return
        if entry.kind is Kind.COMMENT_ADDED:
            answered = state.comments.get(comment.reply_to)
            if answered is not None:
                reply = Reason(NotificationKind.REPLY, answered.id)
                reasons.setdefault(answered.author.id, []).append(reply)
            reasons.setdefault(post.author_id, []).append(Reason(NotificationKind.COMMENT))
    mention = Reason(NotificationKind.MENTION, text.comment_id)
    for user_id, since in state.mentioned.get(text, {}).items():
        if since == entry.position:
            reasons.setdefault(user_id, []).append(mention)
    for user_id, those in reasons.items():
        yield Telling(user_id, entry.stream.id, tuple(those), *text)
