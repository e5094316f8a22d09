"""Comments: add, edit, delete, list."""

from __future__ import annotations

from rpc.context import CallContext
from rpc.pages import decode_page, encode_page, page_limit
from rpc.proto import comments_pb2, models_pb2
from rpc.proto.stubs import CommentsService
from rpc.views import Views
from store.changes.comments import AddComment, DeleteComment, EditComment
from store.queries import comments, posts
from store.records import CommentRecord
from store.transaction import Transaction


class Comments(CommentsService):
    def __init__(self, views: Views) -> None:
        self._views = views

    async def add_comment(
        self, ctx: CallContext, request: comments_pb2.AddCommentRequest
    ) -> models_pb2.Comment:
        comment = await ctx.commit(
            AddComment(
                op=ctx.op,
                user_id=ctx.user_id,
                post_id=request.post_id,
                text=request.text,
                reply_to=request.reply_to,
            )
        )
        return self._views.comment(comment)

    async def edit_comment(
        self, ctx: CallContext, request: comments_pb2.EditCommentRequest
    ) -> models_pb2.Comment:
        comment = await ctx.commit(
            EditComment(
                op=ctx.op,
                user_id=ctx.user_id,
                comment_id=request.comment_id,
                text=request.text,
            )
        )
        return self._views.comment(comment)

    async def delete_comment(
        self, ctx: CallContext, request: comments_pb2.DeleteCommentRequest
    ) -> comments_pb2.DeleteCommentResponse:
        await ctx.commit(
            DeleteComment(op=ctx.op, user_id=ctx.user_id, comment_id=request.comment_id)
        )
        return comments_pb2.DeleteCommentResponse()

    async def list_comments(
        self, ctx: CallContext, request: comments_pb2.ListCommentsRequest
    ) -> comments_pb2.ListCommentsResponse:
        (before,) = decode_page(request.after)
        page, more = await ctx.read(
            _comments, request.post_id, ctx.user_id, before, page_limit(request.limit)
        )
        return comments_pb2.ListCommentsResponse(
            comments=[self._views.comment(one) for one in page],
            next=encode_page(more) if more else b"",
        )


async def _comments(
    tx: Transaction, post_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[CommentRecord], int]:
    await posts.readable(tx, post_id, viewer_id)
    return await comments.comments_page(tx, post_id, viewer_id, before, limit)
