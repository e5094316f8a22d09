"""Posts: publish, edit, delete, and what a viewer sees of them."""

from __future__ import annotations

import pytest

from store.changes.base import Op
from store.changes.posts import CreatePost, DeletePost, EditPost
from store.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, OpKeyReused
from store.log import Kind, Stream
from store.queries.hydrate import hydrate
from store.queries.posts import post, posts_by_id
from store.records import Purpose
from tests.store.social import ANN, BEN, NOBODY, Social, statements


async def test_a_post_is_a_row_and_an_entry_in_its_authors_stream(world: Social) -> None:
    first, second = await world.photograph(), await world.photograph()
    before = await world.head()
    made = await world.do(CreatePost(author_id=ANN, text="sea", media_ids=(second, first)))
    assert (made.author.id, made.text, made.created_ms) == (ANN, "sea", world.now_ms)
    assert [one.id for one in made.media] == [second, first]
    (entry,) = await world.entries(before)
    assert (entry.kind, entry.stream, entry.actor_id) == (
        Kind.POST_CREATED,
        Stream.user(ANN),
        ANN,
    )
    assert entry.subject_id == entry.position == made.id == made.changed
    assert await world.store.read(post, made.id, BEN) == made


async def test_a_batch_refuses_only_whom_it_must(world: Social) -> None:
    mine = await world.photograph(ANN)
    waiting = await world.photograph(ANN, stored=False)
    chat = await world.photograph(ANN, Purpose.CHAT)
    before = await world.head()
    batch = await world.commit(
        CreatePost(author_id=ANN, text="", media_ids=(mine,)),
        CreatePost(author_id=ANN, text=" \n", media_ids=()),
        CreatePost(author_id=BEN, text="stolen", media_ids=(mine,)),
        CreatePost(author_id=ANN, text="early", media_ids=(waiting,)),
        CreatePost(author_id=ANN, text="private", media_ids=(chat,)),
        CreatePost(author_id=ANN, text="lost", media_ids=("f" * 32,)),
        CreatePost(author_id=NOBODY, text="ghost"),
        CreatePost(author_id=BEN, text="fine"),
    )
    kinds = [type(one) if isinstance(one, DomainError) else None for one in batch.outcomes]
    assert kinds == [None, Invalid, NotFound, Conflict, Invalid, NotFound, NotFound, None]
    assert len(await world.entries(before)) == len(batch.entries) == 2
    assert await world.rows("SELECT text FROM posts ORDER BY id") == [("",), ("fine",)]


async def test_only_the_author_edits_and_what_remains_is_a_post(world: Social) -> None:
    made = await world.post(ANN)
    edited = await world.do(EditPost(user_id=ANN, post_id=made.id, text="lake"))
    assert (edited.text, edited.edited_ms, edited.created_ms) == (
        "lake",
        world.now_ms,
        made.created_ms,
    )
    assert edited.changed > made.changed
    with pytest.raises(Forbidden):
        await world.do(EditPost(user_id=BEN, post_id=made.id, text="mine"))
    with pytest.raises(Invalid):
        await world.do(EditPost(user_id=ANN, post_id=made.id, text=" "))
    with pytest.raises(NotFound):
        await world.do(EditPost(user_id=ANN, post_id=made.id + 50, text="lake"))
    pictured = await world.post(ANN, "hill", await world.photograph())
    bare = await world.do(EditPost(user_id=ANN, post_id=pictured.id, text=""))
    assert (bare.text, bare.media) == ("", pictured.media)
    assert (await world.store.read(post, made.id, BEN)).text == "lake"


async def test_deleting_leaves_an_empty_tombstone(world: Social) -> None:
    made = await world.post(ANN, "sea", await world.photograph())
    await world.like(ANN, made.id)
    await world.project()
    with pytest.raises(Forbidden):
        await world.do(DeletePost(user_id=BEN, post_id=made.id))
    gone = await world.do(DeletePost(user_id=ANN, post_id=made.id))
    assert (gone.deleted, gone.text, gone.media) == (True, "", ())
    # The projection has yet to hear of it: the view is right already.
    assert (gone.likes, gone.liked_by_viewer) == (0, False)
    for change in (
        DeletePost(user_id=ANN, post_id=made.id),
        EditPost(user_id=ANN, post_id=made.id, text="again"),
    ):
        with pytest.raises(NotFound):
            await world.do(change)
    with pytest.raises(NotFound):
        await world.store.read(post, made.id, ANN)


async def test_the_authors_stream_carries_the_post_as_the_author_sees_it(world: Social) -> None:
    kept, gone = await world.post(ANN), await world.post(ANN, "hill")
    await world.like(ANN, kept.id)
    await world.like(BEN, kept.id)
    await world.do(DeletePost(user_id=ANN, post_id=gone.id))
    await world.project()
    entries = [e for e in await world.entries() if e.kind in (Kind.POST_CREATED, Kind.POST_DELETED)]
    await world.store.read(hydrate, entries)
    seen = [(e.record.id, e.record.liked_by_viewer, e.record.likes) for e in entries]
    assert seen == [(kept.id, True, 2), (gone.id, False, 0), (gone.id, False, 0)]
    assert [e.record.deleted for e in entries] == [False, True, True]


async def test_a_repeated_key_answers_with_the_first_post(world: Social) -> None:
    op = Op(scope=f"u:{ANN}", key=b"k" * 16, digest=b"d" * 16)
    first = await world.do(CreatePost(op=op, author_id=ANN, text="sea"))
    again = await world.commit(CreatePost(op=op, author_id=ANN, text="sea"))
    assert again.outcomes == [first]
    assert (again.replayed, again.entries) == ([True], [])
    other = Op(scope=op.scope, key=op.key, digest=b"e" * 16)
    with pytest.raises(OpKeyReused):
        await world.do(CreatePost(op=other, author_id=ANN, text="hill"))


async def test_many_posts_take_as_many_statements_as_one(world: Social) -> None:
    made = [await world.post(ANN, "sea", await world.photograph()) for _ in range(12)]
    ids = [one.id for one in made]
    assert await world.store.read(statements, posts_by_id, ids, BEN) == await world.store.read(
        statements, posts_by_id, ids[:1], BEN
    )
