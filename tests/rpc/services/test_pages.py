"""The home timeline and the posts of a profile, as callers meet them."""

from __future__ import annotations

from rpc.errors import Code
from rpc.proto.models_pb2 import (
    ACTIVITY_KIND_COMMENT,
    ACTIVITY_KIND_FOLLOW,
    ACTIVITY_KIND_LIKE,
)
from rpc.proto.pages_pb2 import ActivityRequest, HomeRequest, PostsPage, ProfilePostsRequest
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


async def test_activity_shows_what_those_do_whom_one_follows() -> None:
    async with serving(lambda views: [Pages(views)]) as kit:
        ann, world = kit.person(ANN), kit.world
        await world.follow(ANN, BEN)
        post = await world.post(CAT, "sea", await world.photograph(CAT))
        await world.like(BEN, post.id)
        said = await world.comment(BEN, post.id, "blue")
        followed = await world.follow(BEN, CAT)
        page = await ann.pages.activity(ActivityRequest(limit=2))
        follow, comment = page.items
        assert (follow.kind, follow.id, follow.actor.id, follow.user.id) == (
            ACTIVITY_KIND_FOLLOW,
            followed.changed,
            BEN,
            CAT,
        )
        assert (comment.kind, comment.comment.id, comment.post.id) == (
            ACTIVITY_KIND_COMMENT,
            said.id,
            post.id,
        )
        rest = await ann.pages.activity(ActivityRequest(limit=2, after=page.next))
        (like,) = rest.items
        assert (like.kind, like.post.text, rest.next) == (ACTIVITY_KIND_LIKE, "sea", b"")
        assert like.post.media[0].url
        assert like.created_ms > 0
        assert not like.HasField("comment")
        assert not like.HasField("user")
        async with refused(Code.INVALID_ARGUMENT, "after"):
            await ann.pages.activity(ActivityRequest(after=b"x"))
