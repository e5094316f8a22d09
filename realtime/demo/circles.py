"""The model's other half: people, follows, posts, likes, comments, notifications (pure)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from realtime.demo.items import Item
from realtime.demo.news import COMMENT, FOLLOW, LIKE, MENTION, REPLY, Cause, Face, News


@dataclass(slots=True)
class Person:
    id: int
    username: str
    name: str
    about: str = ""
    avatar_id: str = ""


@dataclass(slots=True)
class Post:
    id: int
    author_id: int
    text: str
    media_ids: tuple[str, ...]
    edited: bool = False
    deleted: bool = False
    likes: dict[int, int] = field(default_factory=dict)  # user -> position

    @property
    def state(self) -> tuple[object, ...]:
        return (self.text, self.media_ids, self.edited, self.deleted)


@dataclass(slots=True)
class Comment:
    id: int
    post_id: int
    author_id: int
    text: str
    reply_to: int
    mentioned: tuple[int, ...] = ()
    edited: bool = False
    deleted: bool = False

    @property
    def state(self) -> tuple[object, ...]:
        return (self.post_id, self.text, self.reply_to, self.edited, self.deleted)


class Circles:
    """Who is connected with whom by what. Each change leaves an entry in the stream of the
    one who made it; everybody else hears of it by notifications."""

    def __init__(self) -> None:
        self.people: dict[int, Person] = {}
        self.own: dict[int, list[Item]] = {}  # the streams of the users
        self.follows: dict[tuple[int, int], int] = {}  # (follower, followee) -> position
        self.posts: dict[int, Post] = {}
        self.comments: dict[int, Comment] = {}
        self.news: dict[int, News] = {}  # of each user
        self.texts: dict[int, list[str]] = {}  # of each comment all versions
        self.counts: Counter[str] = Counter()

    def add_person(self, user_id: int, username: str, name: str) -> list[Item]:
        self.people[user_id] = Person(user_id, username, name)
        self.news[user_id] = News()
        self.own[user_id] = []
        return self.own[user_id]

    def changed_profile(self, user_id: int, about: str, avatar_id: str, position: int) -> None:
        person = self.people[user_id]
        person.about, person.avatar_id = about, avatar_id
        state = (person.username, person.name, about, avatar_id)
        self._add(user_id, "profile", user_id, state, position)

    def followed(self, user_id: int, other_id: int, following: bool, position: int) -> None:
        self._add(user_id, "follow", other_id, (following,), position)
        cause = (int(FOLLOW), user_id, 0, 0)
        if following:
            self.follows[user_id, other_id] = position
            self.news[other_id].tell(cause, position)
        else:
            del self.follows[user_id, other_id]
            self.news[other_id].take_back(cause)
        self.counts["follows" if following else "unfollows"] += 1

    # Posts

    def posted(self, post: Post, *, films: bool = False) -> None:
        """A film that becomes ready afterwards is told of with the post that shows it."""
        self.posts[post.id] = post
        self._add(post.author_id, "post", post.id, post.state, post.id)
        if films:
            self._add(post.author_id, "post", post.id, post.state, optional=True)
        self.counts["posts"] += 1

    def edited_post(self, post: Post, text: str, position: int) -> None:
        post.text, post.edited = text, True
        self._add(post.author_id, "post", post.id, post.state, position)
        self.counts["post_edits"] += 1

    def deleted_post(self, post: Post) -> None:
        post.text, post.media_ids, post.deleted = "", (), True
        self._add(post.author_id, "post", post.id, post.state)
        for news in self.news.values():
            news.take_back_post(post.id)
        self.counts["post_deletes"] += 1

    def liked(self, user_id: int, post: Post, liked: bool, position: int) -> None:
        self._add(user_id, "like", post.id, (liked,), position)
        cause = (int(LIKE), user_id, post.id, 0)
        if liked:
            post.likes[user_id] = position
            if user_id != post.author_id:
                self.news[post.author_id].tell(cause, position)
        else:
            del post.likes[user_id]
            self.news[post.author_id].take_back(cause)
        self.counts["likes" if liked else "unlikes"] += 1

    # Comments

    def commented(self, comment: Comment) -> None:
        self.comments[comment.id] = comment
        self._add(comment.author_id, "comment", comment.id, comment.state, comment.id)
        self.texts[comment.id] = [comment.text]
        for user_id, cause in self._hearers(comment).items():
            about = {int(REPLY): comment.reply_to, int(MENTION): comment.id}.get(cause[0], 0)
            self.news[user_id].tell(cause, comment.id, about)
        self.counts["comments"] += 1

    def edited_comment(self, comment: Comment, text: str, position: int) -> None:
        comment.text, comment.edited = text, True
        self._add(comment.author_id, "comment", comment.id, comment.state, position)
        self.texts[comment.id].append(text)
        self.counts["comment_edits"] += 1

    def deleted_comment(self, comment: Comment, by: int) -> None:
        comment.text, comment.deleted = "", True
        for user_id in dict.fromkeys((comment.author_id, by)):
            self._add(user_id, "comment", comment.id, comment.state)
        for user_id, cause in self._hearers(comment).items():
            self.news[user_id].take_back(cause)
        self.counts["comment_deletes"] += 1

    def _hearers(self, comment: Comment) -> dict[int, Cause]:
        """Who hears of a comment, and as what: those whom it mentions, the author of the post,
        and the one whom it answers, unless it is his own."""
        kinds = dict.fromkeys(comment.mentioned, MENTION)
        kinds[self.posts[comment.post_id].author_id] = COMMENT
        if comment.reply_to:
            kinds[self.comments[comment.reply_to].author_id] = REPLY
        kinds.pop(comment.author_id, None)
        return {
            user_id: (int(kind), comment.author_id, comment.post_id, comment.id)
            for user_id, kind in kinds.items()
        }

    # Notifications

    def saw(self, user_id: int, up_to: int, position: int) -> None:
        self.news[user_id].saw(up_to)
        self._add(user_id, "notifications_seen", "seen", (up_to,), position)
        self.counts["notifications_seen"] += 1

    def told(self, user_id: int) -> list[Face]:
        """The notifications that a user should have, the latest first."""
        return self.news[user_id].faces(self.texts)

    def _add(
        self,
        user_id: int,
        kind: str,
        subject: object,
        state: tuple[object, ...],
        position: int = 0,
        *,
        optional: bool = False,
    ) -> None:
        self.own[user_id].append(Item(kind, subject, state, position, optional=optional))

    # What follows from it

    def home(self, user_id: int) -> list[Post]:
        """The posts of those whom a user follows and his own, the latest first."""
        return self._posts_of({user_id, *self.followings(user_id)})

    def posts_of(self, user_id: int) -> list[Post]:
        return self._posts_of({user_id})

    def _posts_of(self, authors: set[int]) -> list[Post]:
        found = [p for p in self.posts.values() if p.author_id in authors and not p.deleted]
        return sorted(found, key=lambda post: -post.id)

    def comments_on(self, post_id: int) -> list[Comment]:
        """The latest first."""
        found = [c for c in self.comments.values() if c.post_id == post_id and not c.deleted]
        return sorted(found, key=lambda comment: -comment.id)

    def replies(self, comment_id: int) -> int:
        return sum(c.reply_to == comment_id and not c.deleted for c in self.comments.values())

    def likers(self, post_id: int) -> list[int]:
        """The latest first."""
        return _latest_first(self.posts[post_id].likes)

    def followings(self, user_id: int) -> list[int]:
        """The latest first."""
        return _latest_first({to: at for (by, to), at in self.follows.items() if by == user_id})

    def followers(self, user_id: int) -> list[int]:
        """The latest first."""
        return _latest_first({by: at for (by, to), at in self.follows.items() if to == user_id})


def _latest_first(positions: dict[int, int]) -> list[int]:
    return sorted(positions, key=lambda one: -positions[one])
