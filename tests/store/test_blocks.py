"""Blocks, and what they keep two users from."""

from __future__ import annotations

import pytest

from store.changes.comments import DeleteComment, EditComment
from store.changes.follows import SetFollow
from store.changes.messages import DeleteMessage, EditMessage, SendMessage
from store.changes.posts import DeletePost, EditPost
from store.changes.rooms import AddMembers, OpenDirect
from store.errors import DomainError, Forbidden, Invalid, NotFound
from store.log import Kind, Stream
from store.queries import posts
from store.queries.block_list import blocked_users
from store.queries.blocks import FOR_EVER, NOTHING, Between, apart_until, between_two
from store.queries.comments import comments_page
from store.queries.follows import followers, followings
from store.queries.hydrate import hydrate
from store.queries.likes import likers
from store.queries.presence import direct_peers, last_seen_of_peers
from store.queries.users import profile, seen_users
from store.records import BlockRecord, FollowRecord
from tests.store.social import ANN, BEN, CAT, DAN, NOBODY, Social

PAIRS = ((ANN, BEN), (BEN, ANN))


async def direct(world: Social, user: int = ANN, peer: int = BEN) -> int:
    return await world.do(OpenDirect(user_id=user, peer_id=peer))


async def test_a_block_is_an_entry_of_who_blocks_and_of_nobody_else(world: Social) -> None:
    before = await world.head()
    block = await world.block(ANN, BEN)
    (entry,) = await world.entries(before)
    assert block == BlockRecord(
        blocker_id=ANN, blocked_id=BEN, blocked=True, changed=entry.position
    )
    assert (entry.kind, entry.stream, entry.subject_id) == (Kind.BLOCKED, Stream.user(ANN), BEN)
    end = await world.block(ANN, BEN, False)
    entries = await world.entries(before)
    assert [one.kind for one in entries] == [Kind.BLOCKED, Kind.UNBLOCKED]
    await world.store.read(hydrate, entries)
    assert [one.record for one in entries] == [block, end]


async def test_what_is_so_already_leaves_no_entry(world: Social) -> None:
    before = await world.head()
    never = await world.block(ANN, BEN, False)
    assert (never.blocked, never.changed) == (False, before)
    first = await world.block(ANN, BEN)
    assert await world.block(ANN, BEN) == first
    end = await world.block(ANN, BEN, False)
    assert await world.block(ANN, BEN, False) == end
    assert len(await world.entries(before)) == 2


async def test_nobody_blocks_himself_or_nobody(world: Social) -> None:
    before = await world.head()
    for blocked in (True, False):
        with pytest.raises(Invalid):
            await world.block(ANN, ANN, blocked)
        with pytest.raises(NotFound):
            await world.block(ANN, NOBODY, blocked)
    assert await world.entries(before) == []


async def test_a_block_ends_the_follows_both_ways_each_as_its_follower_would(
    world: Social,
) -> None:
    for one, other in (*PAIRS, (CAT, BEN)):
        await world.follow(one, other)
    before = await world.head()
    await world.block(ANN, BEN)
    blocked, *ended = await world.entries(before)
    assert blocked.kind is Kind.BLOCKED
    assert [(e.kind, e.stream, e.actor_id, e.subject_id) for e in ended] == [
        (Kind.UNFOLLOWED, Stream.user(one), one, other) for one, other in PAIRS
    ]
    await world.store.read(hydrate, ended)
    assert [e.record for e in ended] == [
        FollowRecord(follower_id=a, followee_id=b, following=False, changed=e.position)
        for (a, b), e in zip(PAIRS, ended, strict=True)
    ]
    assert await world.rows("SELECT follower_id, followee_id FROM follows") == [(CAT, BEN)]
    await world.block(ANN, BEN, False)  # which brings none of them back
    assert await world.rows("SELECT follower_id, followee_id FROM follows") == [(CAT, BEN)]


async def test_one_batch_keeps_its_order(world: Social) -> None:
    follow = SetFollow(follower_id=BEN, followee_id=ANN, following=True)
    await world.commit(follow)
    await world.block(ANN, BEN)
    batch = await world.commit(follow)
    assert isinstance(batch.outcomes[0], NotFound)


async def test_what_stands_between_two(world: Social) -> None:
    async def stands() -> tuple[Between, Between]:
        return (
            await world.store.read(between_two, ANN, BEN),
            await world.store.read(between_two, BEN, ANN),
        )

    assert await stands() == (NOTHING, NOTHING)
    assert await world.store.read(between_two, ANN, ANN) == NOTHING
    await world.block(ANN, BEN)
    assert await stands() == (Between(True, False), Between(False, True))
    await world.block(BEN, ANN)
    assert await stands() == (Between(True, True), Between(True, True))
    await world.block(ANN, BEN, False)
    assert await stands() == (Between(False, True), Between(True, False))
    await world.block(BEN, ANN, False)
    assert await stands() == (NOTHING, NOTHING)


async def test_until_when_two_were_apart(world: Social) -> None:
    async def until() -> dict[tuple[int, int], int]:
        return await world.store.read(apart_until, [*PAIRS, (ANN, CAT)])

    assert await until() == {}
    await world.block(ANN, BEN)
    assert await until() == dict.fromkeys(PAIRS, FOR_EVER)
    first = await world.block(ANN, BEN, False)
    assert await until() == dict.fromkeys(PAIRS, first.changed)
    await world.block(BEN, ANN)
    assert await until() == dict.fromkeys(PAIRS, FOR_EVER)
    second = await world.block(BEN, ANN, False)
    assert await until() == dict.fromkeys(PAIRS, second.changed)


async def test_the_list_begins_with_the_latest_and_new_blocks_move_no_page(world: Social) -> None:
    for other in (BEN, CAT):
        await world.block(ANN, other)
    await world.block(BEN, ANN)  # not hers
    page, more = await world.store.read(blocked_users, ANN, 0, 1)
    assert [user.id for user in page] == [CAT]
    await world.block(ANN, DAN)
    rest, end = await world.store.read(blocked_users, ANN, more, 1)
    assert ([user.id for user in rest], end) == ([BEN], 0)
    await world.block(ANN, CAT, False)
    page, _ = await world.store.read(blocked_users, ANN, 0, 30)
    assert [user.id for user in page] == [DAN, BEN]


async def refused(world: Social, kind: type[DomainError], *changes: object) -> None:
    before = await world.head()
    batch = await world.commit(*changes)  # type: ignore[arg-type]
    assert [type(one) for one in batch.outcomes] == [kind] * len(changes)
    assert await world.head() == before


async def test_who_is_blocked_does_not_find_the_other_and_who_blocks_still_does(
    world: Social,
) -> None:
    await world.block(ANN, BEN)
    assert await world.store.read(profile, ANN, BEN) is None
    assert set(await world.store.read(seen_users, BEN, [ANN, BEN, CAT])) == {BEN, CAT}
    found = await world.store.read(profile, BEN, ANN)
    assert found is not None
    assert found.blocked_by_viewer
    assert set(await world.store.read(seen_users, ANN, [ANN, BEN, CAT])) == {ANN, BEN, CAT}
    group = await world.group(CAT, ANN, BEN)
    for user, other, refusal in ((BEN, ANN, NotFound), (ANN, BEN, Forbidden)):
        mine = await world.group(user)
        with pytest.raises(refusal):
            await world.follow(user, other)
        with pytest.raises(refusal):
            await direct(world, user, other)
        with pytest.raises(refusal):
            await world.group(user, CAT, other)
        await refused(world, refusal, AddMembers(user_id=user, room_id=mine, user_ids=(other,)))
        # Whom others have brought together stay so.
        assert not await world.do(AddMembers(user_id=user, room_id=group, user_ids=(other,)))
        await world.send(user, group)


async def test_of_two_blocks_the_one_that_hides_goes_first(world: Social) -> None:
    await world.block(ANN, BEN)
    await world.block(CAT, ANN)
    with pytest.raises(NotFound, match="no such user"):
        await world.group(ANN, BEN, CAT)


async def test_posts_are_not_there_for_either(world: Social) -> None:
    anns, bens = await world.post(ANN), await world.post(BEN)
    await world.block(ANN, BEN)
    for user, post in ((BEN, anns), (ANN, bens)):
        with pytest.raises(NotFound, match="no such post"):
            await world.store.read(posts.post, post.id, user)
        for liked in (True, False):
            with pytest.raises(NotFound, match="no such post"):
                await world.like(user, post.id, liked)
        with pytest.raises(NotFound, match="no such post"):
            await world.comment(user, post.id)
        await refused(
            world,
            NotFound,
            EditPost(user_id=user, post_id=post.id, text="mine"),
            DeletePost(user_id=user, post_id=post.id),
        )
    assert (await world.store.read(posts.post, anns.id, CAT)).id == anns.id


async def test_below_the_post_of_a_third_neither_sees_the_other(world: Social) -> None:
    post = await world.post(CAT)
    comments = {user: await world.comment(user, post.id) for user in (ANN, BEN, CAT)}
    for user in (ANN, BEN, CAT):
        await world.like(user, post.id)
        await world.follow(user, DAN)
        await world.follow(DAN, user)
    await world.block(ANN, BEN)
    for viewer, hidden in ((ANN, BEN), (BEN, ANN), (CAT, 0), (DAN, 0)):
        shown = [user for user in (CAT, BEN, ANN) if user != hidden]
        page, _ = await world.store.read(comments_page, post.id, viewer, 0, 30)
        assert [one.author.id for one in page] == shown
        for query, of in ((likers, post.id), (followers, DAN), (followings, DAN)):
            people, _ = await world.store.read(query, of, viewer, 0, 30)
            assert [one.id for one in people] == shown
        # The page has what it was asked for, whoever is left out.
        people, more = await world.store.read(likers, post.id, viewer, 0, 2)
        assert ([one.id for one in people], bool(more)) == (shown[:2], not hidden)
    for user, other in PAIRS:
        with pytest.raises(NotFound):
            await world.comment(user, post.id, reply_to=comments[other].id)
        theirs = comments[other].id
        await refused(
            world,
            NotFound,
            EditComment(user_id=user, comment_id=theirs, text="mine"),
            DeleteComment(user_id=user, comment_id=theirs),
        )
        await world.do(EditComment(user_id=user, comment_id=comments[user].id, text="still mine"))


async def test_what_one_has_said_below_a_hidden_post_may_be_taken_back_alone(
    world: Social,
) -> None:
    post = await world.post(ANN)
    mine, other = await world.comment(BEN, post.id), await world.comment(BEN, post.id)
    await world.block(ANN, BEN)
    await refused(world, NotFound, EditComment(user_id=BEN, comment_id=mine.id, text="you"))
    assert (await world.do(DeleteComment(user_id=BEN, comment_id=mine.id))).deleted
    assert (await world.do(DeleteComment(user_id=ANN, comment_id=other.id))).deleted


@pytest.mark.parametrize("by", [ANN, BEN])
async def test_a_direct_room_is_closed_while_a_block_holds(world: Social, by: int) -> None:
    room = await direct(world)
    sent = {user: await world.send(user, room) for user in (ANN, BEN)}
    await world.block(by, ANN + BEN - by)
    for user in (ANN, BEN):
        again = SendMessage(
            sender_id=user, room_id=room, client_id=sent[user].client_id, text="ahoy"
        )
        assert await world.do(again) == sent[user]  # it was sent before
        with pytest.raises(Forbidden):
            await world.send(user, room)
        await refused(
            world, Forbidden, EditMessage(user_id=user, message_id=sent[user].id, text="x")
        )
    await world.do(DeleteMessage(user_id=BEN, message_id=sent[BEN].id))
    await world.block(by, ANN + BEN - by, False)
    await world.send(BEN, room)
    assert await direct(world) == room


async def test_a_direct_room_opens_with_the_end_of_the_last_block(world: Social) -> None:
    room = await direct(world)
    for one, other in PAIRS:
        await world.block(one, other)
    await world.block(ANN, BEN, False)
    with pytest.raises(Forbidden):
        await world.send(ANN, room)
    await world.block(BEN, ANN, False)
    await world.send(ANN, room)


async def test_presence_is_hidden_both_ways(world: Social) -> None:
    await direct(world)
    await direct(world, ANN, CAT)
    await world.group(DAN, ANN, BEN, CAT)

    async def seen_by(viewer: int) -> set[int]:
        others = [user for user in (ANN, BEN, CAT) if user != viewer]
        return set(await world.store.read(last_seen_of_peers, viewer, others))

    assert (await seen_by(ANN), await seen_by(BEN)) == ({BEN, CAT}, {ANN, CAT})
    await world.block(BEN, ANN)
    assert (await seen_by(ANN), await seen_by(BEN)) == ({CAT}, {CAT})
    peers = await world.store.read(direct_peers, [ANN, BEN])
    assert peers == {ANN: [CAT]}
    await world.block(BEN, ANN, False)
    assert await seen_by(ANN) == {BEN, CAT}
    peers = await world.store.read(direct_peers, [ANN, BEN])
    assert {user: sorted(found) for user, found in peers.items()} == {ANN: [BEN, CAT], BEN: [ANN]}
