"""Home timelines."""

from __future__ import annotations

from store.changes.posts import DeletePost
from store.projections.base import HomeHint
from store.queries.pages import home, profile_posts
from tests.store.social import ANN, BEN, CAT, Social, statements


async def timeline(world: Social, user: int) -> list[int]:
    page, more = await world.store.read(home, user, 0, 1000)
    assert not more
    return [one.id for one in page]


async def test_a_post_reaches_its_author_and_his_followers(world: Social) -> None:
    await world.follow(BEN, ANN)
    post = await world.post(ANN)
    await world.project()
    assert await timeline(world, ANN) == await timeline(world, BEN) == [post.id]
    assert await timeline(world, CAT) == []
    assert [one for one in world.hints if isinstance(one, HomeHint)] == [
        HomeHint(author_id=ANN, post_id=post.id)
    ]


async def test_one_hint_an_author_and_step_names_the_newest_living_post(world: Social) -> None:
    one, two, three = [await world.post(ANN) for _ in range(3)]
    other = await world.post(BEN)
    await world.do(DeletePost(user_id=ANN, post_id=three.id))
    await world.step("home")
    assert world.hints == [
        HomeHint(author_id=ANN, post_id=two.id),
        HomeHint(author_id=BEN, post_id=other.id),
    ]
    assert await timeline(world, ANN) == [two.id, one.id]


async def test_a_deleted_post_leaves_every_timeline(world: Social) -> None:
    await world.follow(BEN, ANN)
    post = await world.post(ANN)
    await world.project()
    await world.do(DeletePost(user_id=ANN, post_id=post.id))
    assert await timeline(world, BEN) == []  # at once
    await world.project()
    assert await world.rows("SELECT * FROM timeline_posts") == []


async def test_following_brings_the_latest_posts_and_unfollowing_takes_them(world: Social) -> None:
    posts = [(await world.post(ANN)).id for _ in range(3)]
    await world.do(DeletePost(user_id=ANN, post_id=posts[1]))
    posts.append((await world.post(ANN)).id)
    await world.follow(BEN, ANN)
    posts.append((await world.post(ANN)).id)
    await world.project()
    assert await timeline(world, BEN) == [posts[4], posts[3], posts[2], posts[0]]
    mine = await world.post(BEN)
    await world.project()
    await world.follow(BEN, ANN, False)
    assert await timeline(world, BEN) == [mine.id]  # at once
    await world.project()
    rows = await world.rows("SELECT user_id, post_id FROM timeline_posts WHERE user_id = ?", BEN)
    assert rows == [(BEN, mine.id)]


async def test_a_block_takes_the_posts_out_of_both_timelines(world: Social) -> None:
    await world.follow(BEN, ANN)
    await world.follow(ANN, BEN)
    await world.follow(ANN, CAT)
    anns, bens, cats = [(await world.post(user)).id for user in (ANN, BEN, CAT)]
    await world.project()
    assert await timeline(world, ANN) == [cats, bens, anns]
    await world.block(BEN, ANN)
    assert (await timeline(world, ANN), await timeline(world, BEN)) == ([cats, anns], [bens])
    await world.project()
    rows = await world.rows("SELECT user_id, post_id FROM timeline_posts ORDER BY user_id, post_id")
    assert rows == [(ANN, anns), (ANN, cats), (BEN, bens), (CAT, cats)]
    await world.block(BEN, ANN, False)
    await world.post(BEN)
    await world.project()
    assert await timeline(world, ANN) == [cats, anns]


async def test_a_follow_that_ended_and_began_again_within_one_step(world: Social) -> None:
    await world.post(ANN, "before")
    await world.follow(BEN, ANN)
    await world.follow(CAT, ANN)
    await world.post(ANN, "one")
    await world.follow(BEN, ANN, False)
    await world.follow(CAT, ANN, False)
    await world.post(ANN, "two")
    await world.follow(BEN, ANN)
    await world.post(ANN, "three")
    await world.step("home")
    page, _ = await world.store.read(home, BEN, 0, 30)
    assert [one.text for one in page] == ["three", "two", "one", "before"]
    assert await timeline(world, CAT) == []


async def test_what_is_over_when_it_is_read_leaves_no_row(world: Social) -> None:
    kept, gone = await world.post(ANN), await world.post(ANN)
    await world.do(DeletePost(user_id=ANN, post_id=gone.id))
    await world.follow(BEN, ANN)
    await world.follow(BEN, ANN, False)
    rows = []
    while (await world.step("home", 1)).read:
        rows.append(await world.rows("SELECT user_id, post_id FROM timeline_posts"))
    assert rows == [[(ANN, kept.id)]] * 5
    assert len(world.hints) == 1


async def test_pages_stand_still_while_posts_are_added(world: Social) -> None:
    await world.follow(BEN, ANN)
    posts = [(await world.post(ANN)).id for _ in range(3)]
    await world.project()
    page, more = await world.store.read(home, BEN, 0, 2)
    profile, further = await world.store.read(profile_posts, ANN, BEN, 0, 2)
    assert [one.id for one in page] == [one.id for one in profile] == posts[:0:-1]
    await world.post(ANN)
    await world.project()
    rest, end = await world.store.read(home, BEN, more, 2)
    assert ([one.id for one in rest], end) == ([posts[0]], 0)
    rest, end = await world.store.read(profile_posts, ANN, BEN, further, 2)
    assert ([one.id for one in rest], end) == ([posts[0]], 0)


async def test_a_page_says_what_the_viewer_likes_at_a_fixed_price(world: Social) -> None:
    liked, other = await world.post(ANN), await world.post(ANN)
    await world.like(BEN, liked.id)
    await world.comment(BEN, other.id)
    await world.project()
    page, _ = await world.store.read(profile_posts, ANN, BEN, 0, 30)
    assert [(one.id, one.liked_by_viewer, one.likes, one.comments) for one in page] == [
        (other.id, False, 0, 1),
        (liked.id, True, 1, 0),
    ]
    assert not any(
        one.liked_by_viewer for one in (await world.store.read(profile_posts, ANN, CAT, 0, 30))[0]
    )
    assert await world.store.read(
        statements, profile_posts, ANN, BEN, 0, 2
    ) == await world.store.read(statements, profile_posts, ANN, BEN, 0, 1)
