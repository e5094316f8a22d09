"""Compares what the server holds, and what every device was given, with what was done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import urljoin

import httpx
import trio

from rpc.client import Client
from rpc.proto import frames_pb2
from rpc.proto import models_pb2 as models
from rpc.proto.chat_pb2 import GetHistoryRequest, ListMembersRequest
from rpc.proto.comments_pb2 import ListCommentsRequest
from rpc.proto.follows_pb2 import ListFollowsRequest
from rpc.proto.likes_pb2 import ListLikesRequest
from rpc.proto.media_pb2 import LinkMediaRequest
from rpc.proto.notifications_pb2 import ListNotificationsRequest
from rpc.proto.pages_pb2 import ProfilePostsRequest
from rpc.proto.posts_pb2 import GetPostRequest
from rpc.proto.stubs import (
    ChatClient,
    CommentsClient,
    FollowsClient,
    LikesClient,
    MediaClient,
    NotificationsClient,
    PagesClient,
    PostsClient,
)
from tests.chaos.consumed import Consumed
from tests.chaos.person import Person

T = TypeVar("T")

CONSUMED = 20.0  # seconds for counts to follow
REPEATED, REPEATED_OF = 3, 50  # how many of a person's latest deeds are asked for again
ROOM, USER = frames_pb2.STREAM_ROOM, frames_pb2.STREAM_USER


class Row(NamedTuple):
    """A message, post or comment that the server holds."""

    id: int
    author: int
    text: str


class Checker:
    """Checks round by round what has come since; `everything` begins from nothing again.

    Raises `AssertionError` for the first thing lost, doubled, changed or out of order.
    """

    def __init__(
        self, people: Sequence[Person], media_url: str, consumed: Consumed, random: Random
    ) -> None:
        self._people = people
        self._consumed = consumed
        self._random = random
        self._media_url = media_url
        self._messages: list[Row] = []
        self._posts: dict[int, list[Row]] = {person.user_id: [] for person in people}
        self._looked_at = dict.fromkeys(self._posts, 0)  # photographs, by user

    async def new(self) -> None:
        """What has come since the last check, and what it touched."""
        for person in self._people:
            await self._check_repeats(person)
        await self._check_messages()
        for person in self._people:
            await self._check_posts(person)
        touched = set[int]().union(*(person.touched for person in self._people))
        await self._check_reactions(touched)
        for person in self._people:
            person.touched.clear()
            await self._check_follows(person)
            await self._check_photographs(person)
            await self._check_given(person)
            await self._check_pointers(person)
        await self._consumed.check()
        for person in self._people:
            await self._check_notifications(person)

    async def everything(self) -> None:
        messages, self._messages = self._messages, []
        posts, self._posts = self._posts, {user: [] for user in self._posts}
        self._looked_at = dict.fromkeys(self._posts, 0)
        for person in self._people:
            person.touched |= {deed.about for deed in person.deeds if deed.about}
            person.touched |= person.likes.keys()
        await self.new()
        assert self._messages[: len(messages)] == messages, "history has changed"
        for user, rows in posts.items():
            assert self._posts[user][: len(rows)] == rows, "posts have changed"

    async def _check_repeats(self, person: Person) -> None:
        """A call that was answered and is made again is answered with the same; that it is not
        done again, the checks that follow see."""
        answered = [deed for deed in person.deeds[-REPEATED_OF:] if deed.id and not deed.deleted]
        for deed in self._random.sample(answered, min(REPEATED, len(answered))):
            assert await person.repeat(deed) == deed.id, f"another answer: {deed}"

    async def _check_messages(self) -> None:
        reader = self._people[0]
        chat = ChatClient(reader.client)
        while True:
            after = len(self._messages)
            page = await chat.get_history(
                GetHistoryRequest(room_id=reader.room, after=after, limit=200)
            )
            numbers = [message.number for message in page.messages]
            assert numbers == list(range(after + 1, after + 1 + len(numbers))), "not dense"
            self._messages += [Row(m.id, m.sender_id, m.text) for m in page.messages]
            if not page.more:
                break
        ids = [message.id for message in self._messages]
        for person in self._people:
            self._check_deeds(person, "message", self._messages)
            await self._check_received(person, ids)

    async def _check_received(self, person: Person, ids: Sequence[int]) -> None:
        def received() -> list[int]:
            return person.box.rows(ROOM, person.room, "message")

        await person.wait_until(lambda: len(received()) >= len(ids), "messages are missing")
        assert received() == ids, f"{person.name} was given other messages than were written"

    def _check_deeds(self, person: Person, kind: str, rows: Iterable[Row], about: int = 0) -> None:
        """What a person did of a kind is there: once, in its order, and as acknowledged."""
        there = [row for row in rows if row.author == person.user_id]
        by_text = {row.text: row for row in there}
        assert len(by_text) == len(there), f"{person.name}: a {kind} is there twice"
        done = [deed for deed in person.deeds if deed.kind == kind and deed.about == about]
        # What was not queued when the client was dropped may be there or not.
        expected = [
            deed.key for deed in done if (deed.sure and not deed.deleted) or deed.key in by_text
        ]
        assert [row.text for row in there] == expected, f"{person.name}: {kind}s {about}"
        for deed in done:
            assert not deed.deleted or deed.key not in by_text, f"not deleted: {deed}"
            assert not deed.id or deed.deleted or by_text[deed.key].id == deed.id, (
                f"another {kind}: {deed}"
            )

    async def _check_posts(self, person: Person) -> None:
        known = self._posts[person.user_id]
        newest = known[-1].id if known else 0
        pages = PagesClient(person.client)
        fresh: list[models.Post] = []
        after = b""
        while True:
            page = await pages.profile_posts(
                ProfilePostsRequest(user_id=person.user_id, after=after, limit=50)
            )
            fresh += [post for post in page.posts if post.id > newest]
            after = page.next
            if not after or (page.posts and page.posts[-1].id <= newest):
                break
        media = {deed.key: deed.media for deed in person.deeds if deed.kind == "post"}
        for post in fresh:
            assert post.text in media, f"nobody wrote {post.text!r}"
            assert [one.id for one in post.media] == [m for m in [media[post.text]] if m]
        known += [Row(post.id, post.author.id, post.text) for post in reversed(fresh)]
        self._check_deeds(person, "post", known)

    async def _check_reactions(self, posts: Iterable[int]) -> None:
        for post_id in posts:
            await self._check_post(self._people[0].client, post_id)

    async def _check_post(self, reader: Client, post_id: int) -> None:
        """Its comments, its likes, and their counts."""
        listed = await pages(
            lambda after: CommentsClient(reader).list_comments(
                ListCommentsRequest(post_id=post_id, after=after, limit=100)
            ),
            lambda page: page.comments,
        )
        comments = [Row(one.id, one.author.id, one.text) for one in reversed(listed)]
        for person in self._people:
            self._check_deeds(person, "comment", comments, post_id)
        likers = await pages(
            lambda after: LikesClient(reader).list_likes(
                ListLikesRequest(post_id=post_id, after=after, limit=100)
            ),
            lambda page: page.users,
        )
        expected = sorted(one.user_id for one in self._people if one.likes.get(post_id))
        assert sorted(user.id for user in likers) == expected, f"likes of {post_id}"

        async def counted() -> tuple[int, int]:
            post = await PostsClient(reader).get_post(GetPostRequest(post_id=post_id))
            return post.likes, post.comments

        await eventually(counted, (len(likers), len(comments)), f"counts of {post_id}")

    async def _check_follows(self, person: Person) -> None:
        found = await pages(
            lambda after: FollowsClient(person.client).list_followings(
                ListFollowsRequest(user_id=person.user_id, after=after, limit=100)
            ),
            lambda page: page.users,
        )
        expected = sorted(user for user, following in person.follows.items() if following)
        assert sorted(user.id for user in found) == expected, f"{person.name}'s followings"

    async def _check_photographs(self, person: Person) -> None:
        """Every byte of what was acknowledged, through the owner's own link."""
        begin = self._looked_at[person.user_id]
        self._looked_at[person.user_id] = len(person.photographs)
        fresh = person.photographs[begin:]
        async with httpx.AsyncClient(trust_env=False) as http:
            for one in fresh:
                links = await MediaClient(person.client).link_media(
                    LinkMediaRequest(media_ids=[one.media_id])
                )
                answer = await http.get(urljoin(self._media_url, links.links[0].url))
                assert answer.status_code == 200, answer.text
                assert answer.content == one.data, f"another photograph: {one.media_id}"

    async def _check_notifications(self, person: Person) -> None:
        """Those in the table are listed, and the device was told of the same."""
        listed = await pages(
            lambda after: NotificationsClient(person.client).list_notifications(
                ListNotificationsRequest(after=after, limit=100)
            ),
            lambda page: page.notifications,
        )
        ids = sorted(one.id for one in listed)
        assert ids == sorted(self._consumed.notifications.get(person.user_id, set()))

        def told() -> list[int]:
            rows = person.box.rows(USER, person.user_id, "notification")
            gone = person.box.rows(USER, person.user_id, "notification_removed")
            return sorted(set(rows) - set(gone))

        await person.wait_until(lambda: told() == ids, "was told of other notifications")

    async def _check_pointers(self, person: Person) -> None:
        """The device knows how far each member has come: as he was told, or up to the member's
        own last message."""
        answer = await ChatClient(person.client).list_members(
            ListMembersRequest(room_id=person.room, limit=100)
        )
        expected = {one.user.id: (one.read_number, one.delivered_number) for one in answer.members}
        spoken = {row.author: number for number, row in enumerate(self._messages, 1)}

        def told() -> dict[int, tuple[int, int]]:
            return {
                user: (max(own, told.read), max(own, told.delivered))
                for user in expected
                for own in [spoken.get(user, 0)]
                for told in [person.box.pointer(person.room, user)]
            }

        await person.wait_until(lambda: told() == expected, "was told of other pointers")

    async def _check_given(self, person: Person) -> None:
        posts = [row.id for row in self._posts[person.user_id]]
        await person.wait_until(
            lambda: person.box.rows(USER, person.user_id, "post") == posts,
            "was told of other posts than are there",
        )
        person.box.check_whole(person.name)
        statistics = person.client.statistics().feed
        assert statistics.gaps == 0, person.name
        assert statistics.resyncs == 0, person.name


class Page(Protocol):
    """Of a list: `next` is empty on the last one."""

    next: bytes


P = TypeVar("P", bound=Page)


async def pages(
    fetch: Callable[[bytes], Awaitable[P]], rows: Callable[[P], Iterable[T]]
) -> list[T]:
    """All rows of a list that comes in pages."""
    found: list[T] = []
    after = b""
    while True:
        page = await fetch(after)
        found += rows(page)
        after = page.next
        if not after:
            return found


async def eventually(fetch: Callable[[], Awaitable[T]], expected: T, what: str) -> None:
    """Consumers follow the log: what they write is there soon."""
    found = await fetch()
    with trio.move_on_after(CONSUMED):
        while found != expected:
            await trio.sleep(0.02)
            found = await fetch()
    assert found == expected, f"{what}: {found} instead of {expected}"
