"""What a device knows of its user's own stream: profile, sessions, posts, likes, comments,
follows, blocks, notifications, media."""

from __future__ import annotations

from rpc.proto import frames_pb2
from rpc.proto.models_pb2 import (
    Comment,
    MediaObject,
    Notification,
    NotificationSettings,
    Post,
    Profile,
    Session,
    User,
)
from tests.realtime.mirror.rooms import plain_user


class Own:
    def __init__(self, session_id: int) -> None:
        self.session_id = session_id
        self.profile = Profile()
        self.sessions: dict[int, Session] = {}
        self.posts: dict[int, Post] = {}
        self.liked: dict[int, bool] = {}  # by post
        self.comments: dict[int, Comment] = {}
        self.following: set[int] = set()
        self.blocked: set[int] = set()
        self.notifications: dict[int, Notification] = {}
        self.seen_up_to = 0
        self.settings = NotificationSettings()
        self.media: dict[str, MediaObject] = {}

    @property
    def me(self) -> User:
        return self.profile.user

    def take(self, update: frames_pb2.Update) -> bool:
        """Whether the update was one of these."""
        body = update.WhichOneof("body")
        take = getattr(self, f"_take_{body}", None)
        if take is None:
            return False
        take(getattr(update, str(body)))
        return True

    def _take_profile(self, profile: Profile) -> None:
        if profile.changed > self.profile.changed:
            self.profile = profile

    def _take_session(self, session: Session) -> None:
        if session.revoked:
            self.sessions.pop(session.id, None)
        else:
            self.sessions[session.id] = session

    def _take_post(self, post: Post) -> None:
        if post.deleted:
            self.posts.pop(post.id, None)
        elif post.id not in self.posts or self.posts[post.id].changed < post.changed:
            self.posts[post.id] = post

    def _take_like(self, like: frames_pb2.Like) -> None:
        self.liked[like.post_id] = like.liked

    def _take_comment(self, comment: Comment) -> None:
        if comment.author.id != self.me.id:
            return  # one that he has taken away from under his post
        if comment.deleted:
            self.comments.pop(comment.id, None)
        elif comment.id not in self.comments or (
            self.comments[comment.id].changed < comment.changed
        ):
            self.comments[comment.id] = comment

    def _take_follow(self, follow: frames_pb2.Follow) -> None:
        if follow.following:
            self.following.add(follow.user_id)
        else:
            self.following.discard(follow.user_id)

    def _take_block(self, block: frames_pb2.Block) -> None:
        if block.blocked:
            self.blocked.add(block.user_id)
        else:
            self.blocked.discard(block.user_id)

    def _take_notification(self, notification: Notification) -> None:
        known = self.notifications.get(notification.id)
        if known is None or known.changed < notification.changed:
            self.notifications[notification.id] = notification

    def _take_notification_removed(self, removed: frames_pb2.NotificationRemoved) -> None:
        self.notifications.pop(removed.notification_id, None)

    def _take_notifications_seen(self, seen: frames_pb2.NotificationsSeen) -> None:
        self.seen_up_to = max(self.seen_up_to, seen.up_to)

    def _take_notification_settings(self, settings: NotificationSettings) -> None:
        if settings.changed > self.settings.changed:
            self.settings = settings

    def _take_media(self, media: MediaObject) -> None:
        self.media[media.id] = media


# Rows as both sides of the comparison show them.


def plain_profile(profile: Profile) -> Profile:
    """Without the counts, which are a projection's and follow a little later."""
    return Profile(user=profile.user, about=profile.about, changed=profile.changed)


def plain_session(session: Session, current: int) -> Session:
    """Without the last use, which does not go through the log."""
    plain = Session()
    plain.CopyFrom(session)
    plain.last_used_ms = 0
    plain.current = session.id == current
    return plain


def plain_post(post: Post, me: User) -> Post:
    """Without the counts, which come as signals, and the like, which is compared by itself."""
    plain = Post()
    plain.CopyFrom(post)
    plain.author.CopyFrom(plain_user(post.author, me))
    plain.likes = plain.comments = 0
    plain.liked_by_me = False
    return plain


def plain_comment(comment: Comment, me: User) -> Comment:
    """Without the count of answers, which is a projection's and follows a little later."""
    plain = Comment()
    plain.CopyFrom(comment)
    plain.replies = 0
    plain.author.CopyFrom(plain_user(comment.author, me))
    return plain


def plain_notification(notification: Notification, me: User, seen: bool) -> Notification:
    plain = Notification()
    plain.CopyFrom(notification)
    plain.actor.CopyFrom(plain_user(notification.actor, me))
    for shown, other in zip(plain.others, notification.others, strict=True):
        shown.CopyFrom(plain_user(other, me))
    plain.seen = seen
    return plain
