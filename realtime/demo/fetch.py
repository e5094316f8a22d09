"""Asks the server afresh, as somebody who has nothing yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from realtime.demo.state import Fetched
from rpc.client import Client, ClientOptions, dial_url, open_client
from rpc.proto import (
    chat_pb2,
    comments_pb2,
    follows_pb2,
    likes_pb2,
    models_pb2,
    notifications_pb2,
    pages_pb2,
    users_pb2,
)
from rpc.proto.stubs import (
    ChatClient,
    CommentsClient,
    FollowsClient,
    LikesClient,
    NotificationsClient,
    PagesClient,
    UsersClient,
)


class _Page(Protocol):
    @property
    def next(self) -> bytes: ...


P = TypeVar("P", bound=_Page)


async def _pages(get: Callable[[bytes], Awaitable[P]]) -> Sequence[P]:
    """Every page of a list, from its beginning to its end."""
    found = [await get(b"")]
    while found[-1].next:
        found.append(await get(found[-1].next))
    return found


async def fetch(url: str, token: str) -> Fetched:
    """Everything that a user finds, over a connection of its own without a cursor."""
    options = ClientOptions(device="a fresh look", events=0)
    async with open_client(dial_url(url), token=token, options=options) as client:
        fetched = Fetched(await UsersClient(client).get_me(users_pb2.GetMeRequest()))
        await _rooms(client, fetched)
        await _posts(client, fetched)
        await _circles(client, fetched)
        return fetched


async def _rooms(client: Client, fetched: Fetched) -> None:
    chat = ChatClient(client)
    for page in await _pages(lambda after: chat.list_rooms(chat_pb2.ListRoomsRequest(after=after))):
        fetched.rooms.update((one.room.id, one) for one in page.rooms)
    for room_id in fetched.rooms:
        history: list[models_pb2.Message] = []
        more = True
        while more:
            after = history[-1].number if history else 0
            answer = await chat.get_history(
                chat_pb2.GetHistoryRequest(room_id=room_id, after=after, limit=100)
            )
            history += answer.messages
            more = answer.more
        fetched.history[room_id] = history
        members = await chat.list_members(chat_pb2.ListMembersRequest(room_id=room_id, limit=200))
        fetched.members[room_id] = {one.user.id: one for one in members.members}


async def _posts(client: Client, fetched: Fetched) -> None:
    pages, likes, comments = PagesClient(client), LikesClient(client), CommentsClient(client)
    me = fetched.profile.user.id
    for page in await _pages(lambda after: pages.home(pages_pb2.HomeRequest(after=after))):
        fetched.home += page.posts
    for page in await _pages(
        lambda after: pages.profile_posts(pages_pb2.ProfilePostsRequest(user_id=me, after=after))
    ):
        fetched.posts += page.posts
    for post in fetched.posts:
        liked = await _pages(
            lambda after, post_id=post.id: likes.list_likes(  # type: ignore[misc]
                likes_pb2.ListLikesRequest(post_id=post_id, after=after)
            )
        )
        fetched.likes[post.id] = [user.id for page in liked for user in page.users]
        said = await _pages(
            lambda after, post_id=post.id: comments.list_comments(  # type: ignore[misc]
                comments_pb2.ListCommentsRequest(post_id=post_id, after=after)
            )
        )
        fetched.comments[post.id] = [one for page in said for one in page.comments]


async def _circles(client: Client, fetched: Fetched) -> None:
    notifications, follows = NotificationsClient(client), FollowsClient(client)
    me = fetched.profile.user.id
    for told in await _pages(
        lambda after: notifications.list_notifications(
            notifications_pb2.ListNotificationsRequest(after=after)
        )
    ):
        fetched.notifications += told.notifications
        fetched.unseen = told.unseen
    for page in await _pages(
        lambda after: follows.list_followers(
            follows_pb2.ListFollowsRequest(user_id=me, after=after)
        )
    ):
        fetched.followers += [user.id for user in page.users]
    for page in await _pages(
        lambda after: follows.list_followings(
            follows_pb2.ListFollowsRequest(user_id=me, after=after)
        )
    ):
        fetched.followings += [user.id for user in page.users]
