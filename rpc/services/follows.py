"""Follows: set, take back, list."""

from __future__ import annotations

from rpc.context import CallContext
from rpc.pages import decode_page, encode_page, page_limit
from rpc.proto import follows_pb2, frames_pb2
from rpc.proto.stubs import FollowsService
from rpc.views import Views
from store.changes.follows import SetFollow
from store.queries import follows
from store.queries.users import meet
from store.records import UserRecord
from store.transaction import Transaction


class Follows(FollowsService):
    def __init__(self, views: Views) -> None:
        self._views = views

    async def follow_user(
        self, ctx: CallContext, request: follows_pb2.FollowUserRequest
    ) -> frames_pb2.Follow:
        return await self._set(ctx, request.user_id, following=True)

    async def unfollow_user(
        self, ctx: CallContext, request: follows_pb2.UnfollowUserRequest
    ) -> frames_pb2.Follow:
        return await self._set(ctx, request.user_id, following=False)

    async def _set(self, ctx: CallContext, user_id: int, *, following: bool) -> frames_pb2.Follow:
        follow = await ctx.commit(
            SetFollow(op=ctx.op, follower_id=ctx.user_id, followee_id=user_id, following=following)
        )
        return self._views.follow(follow)

    async def list_followers(
        self, ctx: CallContext, request: follows_pb2.ListFollowsRequest
    ) -> follows_pb2.ListFollowsResponse:
        return await self._list(ctx, request, followers=True)

    async def list_followings(
        self, ctx: CallContext, request: follows_pb2.ListFollowsRequest
    ) -> follows_pb2.ListFollowsResponse:
        return await self._list(ctx, request, followers=False)

    async def _list(
        self, ctx: CallContext, request: follows_pb2.ListFollowsRequest, *, followers: bool
    ) -> follows_pb2.ListFollowsResponse:
        (before,) = decode_page(request.after)
        users, more = await ctx.read(
            _page, request.user_id, ctx.user_id, before, page_limit(request.limit), followers
        )
        return follows_pb2.ListFollowsResponse(
            users=[self._views.user(one) for one in users],
            next=encode_page(more) if more else b"",
        )


async def _page(
    tx: Transaction, user_id: int, viewer_id: int, before: int, limit: int, followers: bool
) -> tuple[list[UserRecord], int]:
    await meet(tx, viewer_id, user_id)
    read = follows.followers if followers else follows.followings
    return await read(tx, user_id, viewer_id, before, limit)
