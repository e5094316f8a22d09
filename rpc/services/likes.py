"""Likes: set, take back, list."""

from __future__ import annotations

from rpc.context import CallContext
from rpc.pages import decode_page, encode_page, page_limit
from rpc.proto import frames_pb2, likes_pb2
from rpc.proto.stubs import LikesService
from rpc.views import Views
from store.changes.likes import SetLike
from store.queries import likes, posts
from store.records import UserRecord
from store.transaction import Transaction


class Likes(LikesService):
    def __init__(self, views: Views) -> None:
        self._views = views

    async def like_post(
        self, ctx: CallContext, request: likes_pb2.LikePostRequest
    ) -> frames_pb2.Like:
        return await self._set(ctx, request.post_id, liked=True)

    async def unlike_post(
        self, ctx: CallContext, request: likes_pb2.UnlikePostRequest
    ) -> frames_pb2.Like:
        return await self._set(ctx, request.post_id, liked=False)

    async def _set(self, ctx: CallContext, post_id: int, *, liked: bool) -> frames_pb2.Like:
        like = await ctx.commit(
            SetLike(op=ctx.op, user_id=ctx.user_id, post_id=post_id, liked=liked)
        )
        return self._views.like(like)

    async def list_likes(
        self, ctx: CallContext, request: likes_pb2.ListLikesRequest
    ) -> likes_pb2.ListLikesResponse:
        (before,) = decode_page(request.after)
        users, more = await ctx.read(
            _likers, request.post_id, ctx.user_id, before, page_limit(request.limit)
        )
        return likes_pb2.ListLikesResponse(
            users=[self._views.user(one) for one in users],
            next=encode_page(more) if more else b"",
        )


async def _likers(
    tx: Transaction, post_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[UserRecord], int]:
    await posts.readable(tx, post_id, viewer_id)
    return await likes.likers(tx, post_id, viewer_id, before, limit)
