"""The chaos test's comparison finds what it is there to find."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import tests.chaos.consumed
from realtime.testing import TestServer, new_key, open_test_server
from store.projections import notification_tables
from store.sqlite import SqliteStore
from store.transaction import Row, Transaction
from tests.chaos.consumed import Consumed


async def rows(tx: Transaction, sql: str) -> list[Row]:
    return await tx.rows(sql)


async def run(tx: Transaction, sql: str) -> int:
    return await tx.run(sql)


@asynccontextmanager
async def lived_in() -> AsyncIterator[tuple[TestServer, SqliteStore, Consumed]]:
    """A server at which a bit of everything was done, some of it undone."""
    store = SqliteStore.in_memory()

    async def read(sql: str) -> list[tuple[Any, ...]]:
        return await store.read(rows, sql)

    async with open_test_server(store=store) as server:
        ann, ben, cleo = [await server.sign_up(name) for name in ("ann", "ben", "cleo")]
        early = await ann.call("Posts.CreatePost", text="early")
        for one in (ben, cleo):
            await one.call("Follows.FollowUser", user_id=ann.user_id)
        await cleo.call("Follows.UnfollowUser", user_id=ann.user_id)
        post = await ann.call("Posts.CreatePost", text="late")
        gone = await ben.call("Posts.CreatePost", text="soon gone")
        for one in (ben, cleo):
            for liked in (early, post):
                await one.call("Likes.LikePost", post_id=liked.id)
        await ann.call("Likes.LikePost", post_id=gone.id)
        await cleo.call("Likes.UnlikePost", post_id=post.id)
        comment = await ben.call("Comments.AddComment", post_id=post.id, text="fine")
        await cleo.call("Comments.AddComment", post_id=post.id, text="so", reply_to=comment.id)
        again = await cleo.call("Comments.AddComment", post_id=post.id, text="or not")
        await server.settled()
        await ann.call("Notifications.MarkSeen", up_to=1 << 62)
        await ben.call("Comments.AddComment", post_id=post.id, text="yes")
        await cleo.call("Comments.DeleteComment", comment_id=again.id)
        await ben.call("Posts.DeletePost", post_id=gone.id)
        room = await ann.call("Chat.OpenDirect", user_id=ben.user_id)
        await ann.call("Chat.SendMessage", room_id=room.room.id, client_id=new_key(), text="hello")
        await server.settled()
        yield server, store, Consumed(read)


async def test_what_the_consumers_have_made_follows_from_the_log(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with lived_in() as (_, _, consumed):
        await consumed.check()
        assert len(set().union(*consumed.notifications.values())) == 6


@pytest.mark.parametrize(
    ("damage", "table"),
    [
        ("DELETE FROM timeline_posts WHERE author_id <> user_id", "home"),
        ("INSERT INTO timeline_posts SELECT 0, 999, id, author_id FROM posts LIMIT 1", "home"),
        ("UPDATE timelines SET state = 1", "timelines"),
        ("INSERT INTO fan_outs VALUES (0, 1, 1, 0, 1, 0)", "fan_outs"),
        ("UPDATE post_counts SET likes = likes + 1", "post_counts"),
        ("UPDATE post_counts SET comments = comments - 1 WHERE comments > 0", "post_counts"),
        ("UPDATE comment_counts SET replies = replies + 1", "comment_counts"),
        ("UPDATE user_counts SET followers = followers + 1", "user_counts"),
        ("UPDATE notification_groups SET actors = actors + 1 WHERE kind = 1", "notifications"),
        ("UPDATE notification_groups SET closed = closed + 1 WHERE closed > 0", "notifications"),
        ("DELETE FROM notification_groups WHERE kind = 3", "notifications"),
        ("UPDATE notification_groups SET id = id + 1000000", "notified"),
        ("DELETE FROM likes WHERE post_id = (SELECT MIN(post_id) FROM likes)", "likes"),
        ("UPDATE comments SET deleted = 1", "comments"),
        ("DELETE FROM follows", "follows"),
        ("DELETE FROM messages", "messages"),
        ("DELETE FROM log WHERE position = (SELECT MAX(position) - 2 FROM log)", "follows"),
        ("UPDATE log SET sequence = sequence + 1 WHERE kind = 'message.sent'", "number"),
        ("INSERT INTO set_aside VALUES ('home', 0, 3, '', 0, 'a bug', 0)", "a bug"),
    ],
)
async def test_what_does_not_is_found(
    damage: str, table: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with lived_in() as (_, store, consumed):
        assert await store.write(run, damage) > 0
        with pytest.raises(AssertionError, match=table):
            await consumed.check()


async def test_who_has_too_many_notifications_is_compared_by_the_newest(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification_tables, "KEPT", 5)
    monkeypatch.setattr(tests.chaos.consumed, "KEPT", 5)
    async with lived_in() as (server, store, consumed):
        ann, ben, cleo = [await server.sign_up(name) for name in ("ada", "bob", "cid")]
        posts = [await ann.call("Posts.CreatePost", text="one of many") for _ in range(8)]
        for one in posts:
            await ben.call("Likes.LikePost", post_id=one.id)
            await server.settled()
        await cleo.call("Likes.LikePost", post_id=posts[1].id)  # anew: the first like has gone
        await server.settled()
        await consumed.check()
        assert len(consumed.notifications[ann.user_id]) == 5
        await store.write(
            run,
            "DELETE FROM notification_groups WHERE latest IN "
            "(SELECT MAX(latest) FROM notification_groups)",
        )
        with pytest.raises(AssertionError, match="notifications"):
            await consumed.check()
