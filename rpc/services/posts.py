"""Posts: publish, edit, delete, read."""

from __future__ import annotations

from rpc.context import CallContext
from rpc.proto import models_pb2, posts_pb2
from rpc.proto.stubs import PostsService
from rpc.views import Views
from store.changes.posts import CreatePost, DeletePost, EditPost
from store.queries import posts


class Posts(PostsService):
    def __init__(self, views: Views) -> None:
        self._views = views

    async def create_post(
        self, ctx: CallContext, request: posts_pb2.CreatePostRequest
    ) -> models_pb2.Post:
        post = await ctx.commit(
            CreatePost(
                op=ctx.op,
                author_id=ctx.user_id,
                text=request.text,
                media_ids=tuple(request.media_ids),
            )
        )
        return self._views.post(post)

    async def edit_post(
        self, ctx: CallContext, request: posts_pb2.EditPostRequest
    ) -> models_pb2.Post:
        post = await ctx.commit(
            EditPost(op=ctx.op, user_id=ctx.user_id, post_id=request.post_id, text=request.text)
        )
        return self._views.post(post)

    async def delete_post(
        self, ctx: CallContext, request: posts_pb2.DeletePostRequest
    ) -> posts_pb2.DeletePostResponse:
        await ctx.commit(DeletePost(op=ctx.op, user_id=ctx.user_id, post_id=request.post_id))
        return posts_pb2.DeletePostResponse()

    async def get_post(
        self, ctx: CallContext, request: posts_pb2.GetPostRequest
    ) -> models_pb2.Post:
        return self._views.post(await ctx.read(posts.post, request.post_id, ctx.user_id))
