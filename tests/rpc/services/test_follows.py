"""Follows, as callers meet them."""

from __future__ import annotations

from rpc.errors import Code
from rpc.proto.follows_pb2 import FollowUserRequest, ListFollowsRequest, UnfollowUserRequest
from rpc.services.follows import Follows
from tests.rpc.services.kit import refused, serving
from tests.store.social import ANN, BEN, CAT, DAN, NOBODY


async def test_follow_unfollow_and_again() -> None:
    async with serving(lambda views: [Follows(views)]) as kit:
        ann = kit.person(ANN)
        follow = FollowUserRequest(user_id=BEN)
        first, second = await kit.repeated(ann, ann.follows.follow_user, follow)
        assert first == second
        assert (first.user_id, first.following) == (BEN, True)
        head = await kit.world.head()
        assert await ann.follows.follow_user(follow) == first
        assert await kit.world.head() == head
        unfollow = UnfollowUserRequest(user_id=BEN)
        first, second = await kit.repeated(ann, ann.follows.unfollow_user, unfollow)
        assert first == second
        assert (first.following, first.changed) == (False, head + 1)


async def test_nobody_follows_himself_or_nobody() -> None:
    async with serving(lambda views: [Follows(views)]) as kit:
        ann = kit.person(ANN)
        async with refused(Code.INVALID_ARGUMENT):
            await ann.follows.follow_user(FollowUserRequest(user_id=ANN))
        async with refused(Code.INVALID_ARGUMENT):
            await ann.follows.unfollow_user(UnfollowUserRequest(user_id=ANN))
        async with refused(Code.NOT_FOUND):
            await ann.follows.follow_user(FollowUserRequest(user_id=NOBODY))
        async with refused(Code.NOT_FOUND):
            await ann.follows.unfollow_user(UnfollowUserRequest(user_id=NOBODY))
        async with refused(Code.NOT_FOUND):
            await ann.follows.list_followers(ListFollowsRequest(user_id=NOBODY))
        async with refused(Code.NOT_FOUND):
            await ann.follows.list_followings(ListFollowsRequest(user_id=NOBODY))


async def test_both_lists_are_paged_from_the_latest() -> None:
    async with serving(lambda views: [Follows(views)]) as kit:
        dan = kit.person(DAN)
        for user in (BEN, CAT):
            await kit.world.follow(user, ANN)
            await kit.world.follow(ANN, user)
        for list_ in (dan.follows.list_followers, dan.follows.list_followings):
            page = await list_(ListFollowsRequest(user_id=ANN, limit=1))
            assert [one.id for one in page.users] == [CAT]
            rest = await list_(ListFollowsRequest(user_id=ANN, limit=1, after=page.next))
            assert ([one.id for one in rest.users], rest.next) == ([BEN], b"")
