"""What the server says a user's state is, asked for afresh."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from realtime.testing import TestClient
from rpc.errors import CallError, Code
from rpc.proto.models_pb2 import (
    Comment,
    MediaObject,
    Member,
    Message,
    Notification,
    NotificationSettings,
    Post,
    Profile,
    RoomSummary,
    Session,
)
from tests.realtime.mirror import own
from tests.realtime.mirror.rooms import plain_member, plain_summary

State = dict[str, dict[Any, Any]]
"""Sections of rows by their keys."""


@dataclass
class Fetched:
    profile: Profile = field(default_factory=Profile)
    sessions: list[Session] = field(default_factory=list)
    rooms: list[RoomSummary] = field(default_factory=list)
    history: dict[int, list[Message]] = field(default_factory=dict)
    members: dict[int, list[Member]] = field(default_factory=dict)
    posts: dict[int, Post] = field(default_factory=dict)  # everybody's that are not deleted
    comments: list[Comment] = field(default_factory=list)  # everybody's on those posts
    following: set[int] = field(default_factory=set)
    blocked: set[int] = field(default_factory=set)
    notifications: list[Notification] = field(default_factory=list)
    unseen: int = 0
    settings: NotificationSettings = field(default_factory=NotificationSettings)
    media: dict[str, MediaObject] = field(default_factory=dict)  # his own that are stored

    def state(self, session_id: int) -> State:
        """As one of the user's devices shows it."""
        me = self.profile.user
        return {
            "profile": {me.id: own.plain_profile(self.profile)},
            "sessions": {one.id: own.plain_session(one, session_id) for one in self.sessions},
            "rooms": {one.room.id: plain_summary(one, me) for one in self.rooms},
            "messages": {
                (room_id, one.number): one
                for room_id, messages in self.history.items()
                for one in messages
            },
            "members": {
                (room_id, one.user.id): plain_member(one, me)
                for room_id, members in self.members.items()
                for one in members
            },
            "posts": {
                one.id: own.plain_post(one, me)
                for one in self.posts.values()
                if one.author.id == me.id
            },
            "likes": {post_id: one.liked_by_me for post_id, one in self.posts.items()},
            "comments": {
                one.id: own.plain_comment(one, me)
                for one in self.comments
                if one.author.id == me.id
            },
            "following": dict.fromkeys(self.following, True),
            "blocked": dict.fromkeys(self.blocked, True),
            "notifications": {
                one.id: own.plain_notification(one, me, one.seen) for one in self.notifications
            },
            "unseen": {0: self.unseen},
            "settings": {0: self.settings},
            "media": self.media,
        }


async def fetch_room(client: TestClient, room_id: int) -> tuple[list[Message], list[Member]]:
    """The whole history and all members, page by page."""
    messages: list[Message] = []
    more = True
    while more:
        page = await client.call(
            "Chat.GetHistory",
            room_id=room_id,
            after=messages[-1].number if messages else 0,
            limit=50,
        )
        messages += page.messages
        more = page.more
    answer = await client.call("Chat.ListMembers", room_id=room_id, limit=200)
    assert not answer.more
    return messages, list(answer.members)


async def fetch(client: TestClient, posts: Iterable[int], media: Iterable[str]) -> Fetched:
    """`posts` are all that ever were, `media` the user's own."""
    got = Fetched(profile=await client.call("Users.GetMe"))
    got.sessions = list((await client.call("Auth.ListSessions")).sessions)
    answer = await client.call("Chat.ListRooms", limit=100)
    assert not answer.next
    got.rooms = list(answer.rooms)
    for room in got.rooms:
        try:
            got.history[room.room.id], got.members[room.room.id] = await fetch_room(
                client, room.room.id
            )
        except CallError as error:  # he was removed meanwhile
            if error.code != Code.NOT_FOUND:
                raise
    for post_id in posts:
        try:
            got.posts[post_id] = await client.call("Posts.GetPost", post_id=post_id)
            page = await client.call("Comments.ListComments", post_id=post_id, limit=100)
        except CallError as error:
            if error.code != Code.NOT_FOUND:
                raise
            got.posts.pop(post_id, None)
            continue
        assert not page.next
        got.comments += page.comments
    me = got.profile.user.id
    users = (await client.call("Follows.ListFollowings", user_id=me, limit=100)).users
    got.following = {one.id for one in users}
    got.blocked = {one.id for one in (await client.call("Blocks.ListBlocked", limit=100)).users}
    told = await client.call("Notifications.ListNotifications", limit=100)
    assert not told.next
    got.notifications, got.unseen = list(told.notifications), told.unseen
    got.settings = await client.call("Notifications.GetSettings")
    for media_id in media:
        found = await client.call("Media.GetMedia", media_id=media_id)
        if found.mime:
            got.media[media_id] = found
    return got


def difference(mirror: State, fetched: State) -> str:
    """Where they differ, in words; empty when they do not."""
    lines = []
    for section in fetched:
        ours, theirs = mirror[section], fetched[section]
        for key in sorted({*ours, *theirs}):
            if ours.get(key) != theirs.get(key):
                lines.append(
                    f"{section} {key}:\n  folded:  {_line(ours.get(key))}\n"
                    f"  fetched: {_line(theirs.get(key))}"
                )
    return "\n".join(lines)


def _line(value: object) -> str:
    return " ".join(str(value).split()) if value is not None else "nothing"
