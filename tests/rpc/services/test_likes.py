"""Likes, as callers meet them."""

from __future__ import annotations

from rpc.errors import Code
from rpc.proto.likes_pb2 import LikePostRequest, ListLikesRequest, UnlikePostRequest
from rpc.services.likes import Likes
from store.changes.posts import DeletePost
from tests.rpc.services.kit import refused, serving
from tests.store.social import ANN, BEN, CAT, DAN


async def test_like_unlike_and_again() -> None:
    async with serving(lambda views: [Likes(views)]) as kit:
        ben = kit.person(BEN)
        post = await kit.world.post(ANN)
        liked = await ben.likes.like_post(LikePostRequest(post_id=post.id))
        assert (liked.post_id, liked.liked) == (post.id, True)
        head = await kit.world.head()
        assert liked.changed == head
        assert await ben.likes.like_post(LikePostRequest(post_id=post.id)) == liked
        assert await kit.world.head() == head
        unliked = await ben.likes.unlike_post(UnlikePostRequest(post_id=post.id))
        assert (unliked.liked, unliked.changed) == (False, head + 1)
        assert await ben.likes.unlike_post(UnlikePostRequest(post_id=post.id)) == unliked


async def test_a_late_repeat_of_a_like_does_not_undo_the_unlike() -> None:
    async with serving(lambda views: [Likes(views)]) as kit:
        ben = kit.person(BEN)
        post = await kit.world.post(ANN)
        like = LikePostRequest(post_id=post.id)
        ben.op_key = b"l" * 16
        first = await ben.likes.like_post(like)
        ben.op_key = b""
        unlike = UnlikePostRequest(post_id=post.id)
        one, two = await kit.repeated(ben, ben.likes.unlike_post, unlike)
        assert one == two
        ben.op_key = b"l" * 16
        assert await ben.likes.like_post(like) == first
        assert await kit.world.rows("SELECT * FROM likes") == []


async def test_likes_of_what_is_gone_are_refused() -> None:
    async with serving(lambda views: [Likes(views)]) as kit:
        ben = kit.person(BEN)
        post = await kit.world.post(ANN)
        await kit.world.do(DeletePost(user_id=ANN, post_id=post.id))
        for post_id in (post.id, post.id + 50):
            async with refused(Code.NOT_FOUND):
                await ben.likes.like_post(LikePostRequest(post_id=post_id))
            async with refused(Code.NOT_FOUND):
                await ben.likes.unlike_post(UnlikePostRequest(post_id=post_id))
            async with refused(Code.NOT_FOUND):
                await ben.likes.list_likes(ListLikesRequest(post_id=post_id))


async def test_the_list_is_paged_from_the_latest() -> None:
    async with serving(lambda views: [Likes(views)]) as kit:
        ann = kit.person(ANN)
        post = await kit.world.post(ANN)
        for user in (ANN, BEN, CAT):
            await kit.world.like(user, post.id)
        page = await ann.likes.list_likes(ListLikesRequest(post_id=post.id, limit=2))
        assert [one.username for one in page.users] == ["user3", "user2"]
        await kit.world.like(DAN, post.id)
        rest = await ann.likes.list_likes(
            ListLikesRequest(post_id=post.id, limit=2, after=page.next)
        )
        assert ([one.id for one in rest.users], rest.next) == ([ANN], b"")
        async with refused(Code.INVALID_ARGUMENT, "after"):
            await ann.likes.list_likes(ListLikesRequest(post_id=post.id, after=b"x"))
