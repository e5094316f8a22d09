"""Blocks, as callers meet them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rpc.errors import Code
from rpc.proto.blocks_pb2 import BlockUserRequest, ListBlockedRequest, UnblockUserRequest
from rpc.proto.comments_pb2 import ListCommentsRequest
from rpc.proto.follows_pb2 import FollowUserRequest, ListFollowsRequest
from rpc.proto.frames_pb2 import Signal
from rpc.proto.likes_pb2 import LikePostRequest, ListLikesRequest
from rpc.proto.pages_pb2 import ProfilePostsRequest
from rpc.proto.posts_pb2 import GetPostRequest
from rpc.services.blocks import Blocks
from rpc.services.comments import Comments
from rpc.services.follows import Follows
from rpc.services.likes import Likes
from rpc.services.pages import Pages
from rpc.services.posts import Posts
from rpc.views import Views
from tests.rpc.services.kit import refused, serving
from tests.store.social import ANN, BEN, CAT, NOBODY


class Told:
    """Signals that were sent to users."""

    def __init__(self) -> None:
        self.presences: list[tuple[int, int, bool]] = []

    def to_room(self, room_id: int, signal: Signal, *, except_user: int = 0) -> None:
        raise AssertionError

    def to_user(self, user_id: int, signal: Signal) -> None:
        self.presences.append((user_id, signal.presence.user_id, signal.presence.online))


def services(told: Told) -> Callable[[Views], Sequence[object]]:
    def make(views: Views) -> Sequence[object]:
        plain = (Comments, Follows, Likes, Pages, Posts)
        return [Blocks(views, told), *(one(views) for one in plain)]

    return make


async def test_block_and_unblock_once_however_often_they_are_sent() -> None:
    told = Told()
    async with serving(services(told)) as kit:
        ann = kit.person(ANN)
        block = BlockUserRequest(user_id=BEN)
        first, second = await kit.repeated(ann, ann.blocks.block_user, block)
        assert (first, first.user_id, first.blocked) == (second, BEN, True)
        # Neither stays online for the other for ever.
        assert told.presences == [(ANN, BEN, False), (BEN, ANN, False)] * 2
        unblock = UnblockUserRequest(user_id=BEN)
        gone, again = await kit.repeated(ann, ann.blocks.unblock_user, unblock)
        assert (gone, gone.blocked) == (again, False)
        assert gone.changed > first.changed
        async with refused(Code.INVALID_ARGUMENT):
            await ann.blocks.block_user(BlockUserRequest(user_id=ANN))
        async with refused(Code.NOT_FOUND):
            await ann.blocks.block_user(BlockUserRequest(user_id=NOBODY))
        async with refused(Code.NOT_FOUND):
            await ann.blocks.unblock_user(UnblockUserRequest(user_id=NOBODY))


async def test_the_list_is_paged_from_the_latest_and_ones_own() -> None:
    async with serving(services(Told())) as kit:
        ann, ben = kit.person(ANN), kit.person(BEN)
        for user in (BEN, CAT):
            await ann.blocks.block_user(BlockUserRequest(user_id=user))
        page = await ann.blocks.list_blocked(ListBlockedRequest(limit=1))
        assert [one.id for one in page.users] == [CAT]
        rest = await ann.blocks.list_blocked(ListBlockedRequest(limit=1, after=page.next))
        assert ([one.id for one in rest.users], rest.next) == ([BEN], b"")
        assert not (await ben.blocks.list_blocked(ListBlockedRequest())).users


async def test_each_gets_what_the_page_on_blocking_says() -> None:
    async with serving(services(Told())) as kit:
        ann, ben, world = kit.person(ANN), kit.person(BEN), kit.world
        posts = {user: (await world.post(user)).id for user in (ANN, BEN)}
        await ann.blocks.block_user(BlockUserRequest(user_id=BEN))
        for me, other, code in (
            (ben, ANN, Code.NOT_FOUND),
            (ann, BEN, Code.PERMISSION_DENIED),
        ):
            async with refused(code):
                await me.follows.follow_user(FollowUserRequest(user_id=other))
            async with refused(code):
                await me.follows.list_followers(ListFollowsRequest(user_id=other))
            async with refused(code):
                await me.follows.list_followings(ListFollowsRequest(user_id=other))
            async with refused(code):
                await me.pages.profile_posts(ProfilePostsRequest(user_id=other))
            async with refused(Code.NOT_FOUND):
                await me.posts.get_post(GetPostRequest(post_id=posts[other]))
            async with refused(Code.NOT_FOUND):
                await me.likes.like_post(LikePostRequest(post_id=posts[other]))
            async with refused(Code.NOT_FOUND):
                await me.likes.list_likes(ListLikesRequest(post_id=posts[other]))
            async with refused(Code.NOT_FOUND):
                await me.comments.list_comments(ListCommentsRequest(post_id=posts[other]))
