"""Comments: add, reply, edit, delete, list."""

from __future__ import annotations

import pytest

from store.changes.comments import AddComment, DeleteComment, EditComment
from store.changes.posts import DeletePost
from store.errors import Forbidden, Invalid, NotFound
from store.log import Kind, Stream
from store.queries.comments import comments_by_id, comments_page
from store.queries.hydrate import hydrate
from tests.store.social import ANN, BEN, CAT, NOBODY, Social, statements


async def test_a_comment_is_an_entry_in_its_writers_stream(world: Social) -> None:
    post = await world.post(ANN)
    made = await world.comment(BEN, post.id, "blue")
    (entry,) = await world.entries(post.id)
    assert (entry.kind, entry.stream, entry.other_id) == (
        Kind.COMMENT_ADDED,
        Stream.user(BEN),
        post.id,
    )
    assert made.id == made.changed == entry.position == entry.subject_id
    assert (made.author.id, made.text, made.created_ms) == (BEN, "blue", world.now_ms)
    assert await world.store.read(comments_by_id, [made.id]) == {made.id: made}


async def test_a_batch_refuses_only_whom_it_must(world: Social) -> None:
    post, other, gone = await world.post(), await world.post(), await world.post()
    await world.do(DeletePost(user_id=ANN, post_id=gone.id))
    first = await world.comment(BEN, post.id)
    dead = await world.comment(BEN, post.id)
    await world.do(DeleteComment(user_id=BEN, comment_id=dead.id))
    before = await world.head()
    batch = await world.commit(
        AddComment(user_id=CAT, post_id=post.id, text="so", reply_to=first.id),
        AddComment(user_id=CAT, post_id=other.id, text="so", reply_to=first.id),
        AddComment(user_id=CAT, post_id=post.id, text="so", reply_to=dead.id),
        AddComment(user_id=CAT, post_id=post.id, text="so", reply_to=first.id + 50),
        AddComment(user_id=CAT, post_id=gone.id, text="so"),
        AddComment(user_id=CAT, post_id=gone.id + 50, text="so"),
        AddComment(user_id=CAT, post_id=post.id, text=" \t"),
        AddComment(user_id=NOBODY, post_id=post.id, text="so"),
        AddComment(user_id=CAT, post_id=post.id, text="last"),
    )
    assert batch.outcomes[0].reply_to == first.id
    assert [type(one) for one in batch.outcomes[1:8]] == [*[NotFound] * 5, Invalid, NotFound]
    assert batch.outcomes[8].text == "last"
    assert len(await world.entries(before)) == 2


async def test_only_the_writer_edits(world: Social) -> None:
    post = await world.post(ANN)
    made = await world.comment(BEN, post.id)
    edited = await world.do(EditComment(user_id=BEN, comment_id=made.id, text="oh"))
    assert (edited.text, edited.edited_ms) == ("oh", world.now_ms)
    assert edited.changed > made.changed
    with pytest.raises(Forbidden):
        await world.do(EditComment(user_id=ANN, comment_id=made.id, text="mine"))
    with pytest.raises(Invalid):
        await world.do(EditComment(user_id=BEN, comment_id=made.id, text=" "))
    await world.do(DeleteComment(user_id=BEN, comment_id=made.id))
    with pytest.raises(NotFound):
        await world.do(EditComment(user_id=BEN, comment_id=made.id, text="oh"))


async def test_the_writer_deletes_with_one_entry(world: Social) -> None:
    post = await world.post(ANN)
    made = await world.comment(BEN, post.id)
    gone = await world.do(DeleteComment(user_id=BEN, comment_id=made.id))
    assert (gone.deleted, gone.text) == (True, "")
    (entry,) = await world.entries(made.id)
    assert (entry.stream, entry.actor_id, entry.other_id) == (Stream.user(BEN), BEN, post.id)
    with pytest.raises(NotFound):
        await world.do(DeleteComment(user_id=BEN, comment_id=made.id))


async def test_the_author_of_the_post_deletes_with_a_copy_in_his_own_stream(world: Social) -> None:
    post = await world.post(ANN)
    made = await world.comment(BEN, post.id)
    with pytest.raises(Forbidden):
        await world.do(DeleteComment(user_id=CAT, comment_id=made.id))
    await world.do(DeleteComment(user_id=ANN, comment_id=made.id))
    entries = await world.entries(made.id)
    assert [(e.stream, e.actor_id, e.other_id) for e in entries] == [
        (Stream.user(BEN), ANN, post.id),
        (Stream.user(ANN), ANN, 0),
    ]
    await world.store.read(hydrate, entries)
    assert [(e.record.id, e.record.deleted, e.record.text) for e in entries] == [
        (made.id, True, "")
    ] * 2


async def test_with_the_post_its_comments_are_out_of_reach(world: Social) -> None:
    post = await world.post(ANN)
    made = await world.comment(BEN, post.id)
    await world.do(DeletePost(user_id=ANN, post_id=post.id))
    for change in (
        EditComment(user_id=BEN, comment_id=made.id, text="oh"),
        DeleteComment(user_id=BEN, comment_id=made.id),
        DeleteComment(user_id=ANN, comment_id=made.id),
    ):
        with pytest.raises(NotFound):
            await world.do(change)


async def test_the_list_begins_with_the_latest_and_new_comments_move_no_page(world: Social) -> None:
    post = await world.post(ANN)
    one, two, three = [await world.comment(BEN, post.id, text) for text in "abc"]
    await world.comment(BEN, (await world.post(ANN)).id, "elsewhere")
    page, more = await world.store.read(comments_page, post.id, ANN, 0, 2)
    assert page == [three, two]
    await world.comment(CAT, post.id, "d")
    assert await world.store.read(comments_page, post.id, ANN, more, 2) == ([one], 0)
    await world.do(DeleteComment(user_id=BEN, comment_id=two.id))
    page, more = await world.store.read(comments_page, post.id, ANN, 0, 30)
    assert ([c.text for c in page], more) == (["d", "c", "a"], 0)


async def test_many_comments_take_as_many_statements_as_one(world: Social) -> None:
    post = await world.post(ANN)
    for user in (ANN, BEN, CAT):
        await world.comment(user, post.id)
    assert await world.store.read(
        statements, comments_page, post.id, ANN, 0, 3
    ) == await world.store.read(statements, comments_page, post.id, ANN, 0, 1)
