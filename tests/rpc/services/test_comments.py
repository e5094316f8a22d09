"""Comments, as callers meet them."""

from __future__ import annotations

from rpc.errors import Code
from rpc.proto.comments_pb2 import (
    AddCommentRequest,
    DeleteCommentRequest,
    DeleteCommentResponse,
    EditCommentRequest,
    ListCommentsRequest,
)
from rpc.services.comments import Comments
from store.changes.posts import DeletePost
from tests.rpc.services.kit import refused, serving
from tests.store.social import ANN, BEN, CAT


async def test_add_and_reply() -> None:
    async with serving(lambda views: [Comments(views)]) as kit:
        ben = kit.person(BEN)
        post, other = await kit.world.post(ANN), await kit.world.post(ANN)
        first = await ben.comments.add_comment(AddCommentRequest(post_id=post.id, text="blue"))
        assert (first.post_id, first.author.id, first.text) == (post.id, BEN, "blue")
        reply = await kit.person(CAT).comments.add_comment(
            AddCommentRequest(post_id=post.id, text="no", reply_to=first.id)
        )
        assert reply.reply_to == first.id
        async with refused(Code.NOT_FOUND):
            await ben.comments.add_comment(
                AddCommentRequest(post_id=other.id, text="no", reply_to=first.id)
            )
        async with refused(Code.INVALID_ARGUMENT, "text"):
            await ben.comments.add_comment(AddCommentRequest(post_id=post.id, text=" "))
        async with refused(Code.INVALID_ARGUMENT, "text"):
            await ben.comments.add_comment(AddCommentRequest(post_id=post.id))
        async with refused(Code.NOT_FOUND):
            await ben.comments.add_comment(AddCommentRequest(post_id=reply.id + 50, text="no"))


async def test_add_edit_and_delete_once_however_often_they_are_sent() -> None:
    async with serving(lambda views: [Comments(views)]) as kit:
        ben = kit.person(BEN)
        post = await kit.world.post(ANN)
        add = AddCommentRequest(post_id=post.id, text="blue")
        first, second = await kit.repeated(ben, ben.comments.add_comment, add)
        assert first == second
        edit = EditCommentRequest(comment_id=first.id, text="green")
        first, second = await kit.repeated(ben, ben.comments.edit_comment, edit)
        assert first == second
        delete = DeleteCommentRequest(comment_id=first.id)
        first, second = await kit.repeated(ben, ben.comments.delete_comment, delete)
        assert first == second == DeleteCommentResponse()


async def test_only_the_writer_edits_and_the_author_of_the_post_may_delete_too() -> None:
    async with serving(lambda views: [Comments(views)]) as kit:
        ann, ben, cat = kit.person(ANN), kit.person(BEN), kit.person(CAT)
        post = await kit.world.post(ANN)
        made = await ben.comments.add_comment(AddCommentRequest(post_id=post.id, text="blue"))
        edited = await ben.comments.edit_comment(
            EditCommentRequest(comment_id=made.id, text="green")
        )
        assert (edited.text, edited.created_ms) == ("green", made.created_ms)
        assert edited.changed > made.changed
        for other in (ann, cat):
            async with refused(Code.PERMISSION_DENIED):
                await other.comments.edit_comment(
                    EditCommentRequest(comment_id=made.id, text="mine")
                )
        async with refused(Code.PERMISSION_DENIED):
            await cat.comments.delete_comment(DeleteCommentRequest(comment_id=made.id))
        await ann.comments.delete_comment(DeleteCommentRequest(comment_id=made.id))
        async with refused(Code.NOT_FOUND):
            await ben.comments.edit_comment(EditCommentRequest(comment_id=made.id, text="oh"))
        async with refused(Code.NOT_FOUND):
            await ben.comments.delete_comment(DeleteCommentRequest(comment_id=made.id))


async def test_the_list_is_paged_from_the_latest() -> None:
    async with serving(lambda views: [Comments(views)]) as kit:
        cat = kit.person(CAT)
        post = await kit.world.post(ANN)
        one, two, three = [await kit.world.comment(BEN, post.id, text) for text in "abc"]
        page = await cat.comments.list_comments(ListCommentsRequest(post_id=post.id, limit=2))
        assert [one.id for one in page.comments] == [three.id, two.id]
        assert page.comments[0].author.username == "user2"
        await kit.world.comment(BEN, post.id, "d")
        rest = await cat.comments.list_comments(
            ListCommentsRequest(post_id=post.id, limit=2, after=page.next)
        )
        assert ([one.id for one in rest.comments], rest.next) == ([one.id], b"")
        await kit.world.do(DeletePost(user_id=ANN, post_id=post.id))
        async with refused(Code.NOT_FOUND):
            await cat.comments.list_comments(ListCommentsRequest(post_id=post.id))
