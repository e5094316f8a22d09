"""What the log says, and what must follow from it: every consumer's tables, made anew (pure).

Nothing of the projections is used here. What the log leaves to the rows (which comment a reply
answers) is told beside it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from store.log import Kind
from store.projections.grouping import NAMED
from store.records import NotificationKind


class Line(NamedTuple):
    """An entry, as the table has it."""

    position: int
    at_ms: int
    kind: str
    stream_kind: str
    stream_id: int
    sequence: int
    actor_id: int
    subject_id: int
    other_id: int


class Done(NamedTuple):
    """When something was done that still holds."""

    position: int
    at_ms: int


class Comment(NamedTuple):
    post_id: int
    author_id: int
    done: Done


class Deed(NamedTuple):
    """Something that somebody is notified of, together with others of its group."""

    actor_id: int
    comment_id: int
    done: Done


class Group(NamedTuple):
    """Of whom a notification tells somebody, until he has looked at it."""

    user_id: int
    kind: int
    post_id: int
    about_id: int
    closed: int  # position of the look


class Facts:
    """What the entries say that it was given, in their order. Raises `AssertionError` where
    positions or numbers are not dense, or something is undone that was not done."""

    def __init__(self) -> None:
        self.position = 0
        self.messages: set[int] = set()
        self.posts: dict[int, int] = {}  # authors of those not deleted
        self.likes: dict[tuple[int, int], Done] = {}  # by post and user
        self.comments: dict[int, Comment] = {}
        self.follows: dict[tuple[int, int], Done] = {}  # by follower and followee
        self.notified: set[int] = set()
        self.crowded: set[int] = set()  # users of whose notifications the oldest had to go
        self._forgotten: set[int] = set()  # notifications that were taken back
        self._looks: defaultdict[int, list[int]] = defaultdict(list)  # by user
        self._numbers: Counter[tuple[str, int]] = Counter()  # by stream

    def take(self, line: Line) -> None:
        assert line.position == self.position + 1, f"{line} follows {self.position}"
        self.position = line.position
        if line.sequence:
            stream = line.stream_kind, line.stream_id
            self._numbers[stream] += 1
            assert line.sequence == self._numbers[stream], f"{line} has another number"
        self._take(line)

    def _take(self, line: Line) -> None:
        done = Done(line.position, line.at_ms)
        actor, subject = line.actor_id, line.subject_id
        match line.kind:
            case Kind.MESSAGE_SENT:
                self.messages.add(subject)
            case Kind.POST_CREATED:
                self.posts[subject] = actor
            case Kind.POST_DELETED:
                del self.posts[subject]
            case Kind.POST_LIKED:
                assert (subject, actor) not in self.likes, f"{line}: twice"
                self.likes[subject, actor] = done
            case Kind.POST_UNLIKED:
                del self.likes[subject, actor]
            case Kind.COMMENT_ADDED:
                self.comments[subject] = Comment(line.other_id, actor, done)
            case Kind.COMMENT_DELETED if line.other_id:  # not the copy for who deleted it
                del self.comments[subject]
            case Kind.FOLLOWED:
                assert (actor, subject) not in self.follows, f"{line}: twice"
                self.follows[actor, subject] = done
            case Kind.UNFOLLOWED:
                del self.follows[actor, subject]
            case Kind.NOTIFICATIONS_SEEN:
                self._looks[line.stream_id].append(line.position)
            case Kind.NOTIFIED:
                assert subject not in self._forgotten, f"{line}: it was taken back"
                self.notified.add(subject)
            case Kind.UNNOTIFIED:
                self.notified.remove(subject)
                self._forgotten.add(subject)
                if not actor:
                    self.crowded.add(line.stream_id)

    # What follows from it

    def home(self, floors: dict[int, int]) -> set[tuple[int, int, int]]:
        """(user, post, author): one's own, and those of the people whom one follows. Of each user
        who has a timeline `floors` says up to which post nothing is kept."""
        found = {(author, post, author) for post, author in self.posts.items()}
        by_author: defaultdict[int, list[int]] = defaultdict(list)
        for post, author in self.posts.items():
            by_author[author].append(post)
        for follower, author in self.follows:
            found |= {(follower, post, author) for post in by_author[author]}
        return {one for one in found if one[0] in floors and one[1] > floors[one[0]]}

    def post_counts(self) -> dict[int, tuple[int, int]]:
        """Likes and comments, of posts that have any."""
        likes = Counter(post for post, _ in self.likes if post in self.posts)
        comments = Counter(one.post_id for one in self.comments.values())
        return {
            post: (likes[post], comments[post])
            for post in self.posts
            if likes[post] or comments[post]
        }

    def user_counts(self) -> dict[int, tuple[int, int, int]]:
        """Posts, followers and followings, of users who have any."""
        posts = Counter(self.posts.values())
        followers = Counter(followee for _, followee in self.follows)
        followings = Counter(follower for follower, _ in self.follows)
        users = posts | followers | followings
        return {user: (posts[user], followers[user], followings[user]) for user in users}

    def groups(self, answered: dict[int, int]) -> dict[Group, tuple[object, ...]]:
        """Each notification with how many people it tells of, the latest of them, and the latest
        deed: its position, its time, its comment. `answered` has the comments that are replies,
        with what they answer."""
        deeds: defaultdict[Group, list[Deed]] = defaultdict(list)
        for key, deed in self._deeds(answered):
            if key.user_id != deed.actor_id:
                deeds[key].append(deed)
        return {key: _face(sorted(found, key=_when)) for key, found in deeds.items()}

    def _deeds(self, answered: dict[int, int]) -> Iterator[tuple[Group, Deed]]:
        authors = {comment_id: one.author_id for comment_id, one in self.comments.items()}
        for (post_id, user_id), done in self.likes.items():
            if post_id in self.posts:
                key = self._group(self.posts[post_id], NotificationKind.LIKE, post_id, 0, done)
                yield key, Deed(user_id, 0, done)
        for comment_id, one in self.comments.items():
            if one.post_id not in self.posts:
                continue
            deed = Deed(one.author_id, comment_id, one.done)
            told = {self.posts[one.post_id]: (NotificationKind.COMMENT, 0)}
            if comment_id in answered:
                to = answered[comment_id]
                told[authors[to]] = (NotificationKind.REPLY, to)
            for user_id, (kind, about_id) in told.items():
                yield self._group(user_id, kind, one.post_id, about_id, one.done), deed
        for (follower, followee), done in self.follows.items():
            yield (
                self._group(followee, NotificationKind.FOLLOW, 0, 0, done),
                Deed(follower, 0, done),
            )

    def _group(self, user_id: int, kind: int, post_id: int, about_id: int, done: Done) -> Group:
        looks = (look for look in self._looks[user_id] if look > done.position)
        return Group(user_id, int(kind), post_id, about_id, next(looks, 0))


def _when(deed: Deed) -> int:
    return deed.done.position


def _face(deeds: list[Deed]) -> tuple[object, ...]:
    """What is seen of a group, of its deeds in their order."""
    actors = list(dict.fromkeys(deed.actor_id for deed in reversed(deeds)))
    last = deeds[-1]
    recent = " ".join(map(str, actors[:NAMED]))
    return len(actors), recent, last.done.position, last.done.at_ms, last.comment_id
