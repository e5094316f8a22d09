"""The home timeline and the posts of a profile, as callers meet them."""

from __future__ import annotations

from rpc.errors import Code
from rpc.proto.pages_pb2 import HomeRequest, PostsPage, ProfilePostsRequest
from rpc.services.pages import Pages
from store.changes.posts import DeletePost
from tests.rpc.services.kit import refused, serving
from tests.store.social import ANN, BEN, CAT, NOBODY


async def test_home_holds_ones_own_posts_and_those_of_whom_one_follows() -> None:
    async with serving(lambda views: [Pages(views)]) as kit:
        ben = kit.person(BEN)
        await kit.world.follow(BEN, ANN)
        theirs, mine = await kit.world.post(ANN), await kit.world.post(BEN)
        await kit.world.post(CAT)
        await kit.world.like(BEN, theirs.id)
        await kit.world.project()
        page = await ben.pages.home(HomeRequest())
        assert [(one.id, one.likes, one.liked_by_me) for one in page.posts] == [
            (mine.id, 0, False),
            (theirs.id, 1, True),
        ]
        await kit.world.do(DeletePost(user_id=ANN, post_id=theirs.id))
        assert [one.id for one in (await ben.pages.home(HomeRequest())).posts] == [mine.id]


async def test_pages_go_on_where_they_ended() -> None:
    async with serving(lambda views: [Pages(views)]) as kit:
        ben = kit.person(BEN)
        await kit.world.follow(BEN, ANN)
        posts = [(await kit.world.post(ANN)).id for _ in range(3)]
        await kit.world.project()

        async def profile(after: bytes) -> PostsPage:
            return await ben.pages.profile_posts(
                ProfilePostsRequest(user_id=ANN, limit=2, after=after)
            )

        async def home(after: bytes) -> PostsPage:
            return await ben.pages.home(HomeRequest(limit=2, after=after))

        for list_ in (profile, home):
            page = await list_(b"")
            assert [one.id for one in page.posts] == [posts[2], posts[1]]
            await kit.world.post(CAT)
            rest = await list_(page.next)
            assert ([one.id for one in rest.posts], rest.next) == ([posts[0]], b"")


async def test_a_home_is_ones_own_and_a_profile_somebodys() -> None:
    async with serving(lambda views: [Pages(views)]) as kit:
        cat = kit.person(CAT)
        post = await kit.world.post(ANN)
        await kit.world.follow(BEN, ANN)
        await kit.world.project()
        assert list((await cat.pages.home(HomeRequest())).posts) == []
        found = await cat.pages.profile_posts(ProfilePostsRequest(user_id=ANN))
        assert [one.id for one in found.posts] == [post.id]
        async with refused(Code.NOT_FOUND):
            await cat.pages.profile_posts(ProfilePostsRequest(user_id=NOBODY))
