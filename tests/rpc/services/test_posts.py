"""Posts, as callers meet them."""

from __future__ import annotations

from rpc.errors import Code
from rpc.proto.models_pb2 import Post
from rpc.proto.posts_pb2 import (
    CreatePostRequest,
    DeletePostRequest,
    DeletePostResponse,
    EditPostRequest,
    GetPostRequest,
)
from rpc.services.likes import Likes
from rpc.services.posts import Posts
from rpc.views import Views
from store.log import Kind
from tests.rpc.services.kit import refused, serving
from tests.store.social import ANN, BEN


def services(views: Views) -> list[object]:
    return [Posts(views), Likes(views)]


async def test_create_and_get() -> None:
    async with serving(services) as kit:
        ann, ben = kit.person(ANN), kit.person(BEN)
        photograph = await kit.world.photograph(ANN)
        made = await ann.posts.create_post(CreatePostRequest(text="sea", media_ids=[photograph]))
        assert (made.author.id, made.text, made.deleted) == (ANN, "sea", False)
        assert [(one.id, one.url) for one in made.media] == [(photograph, f"/m/{photograph}")]
        assert made.id == made.changed > 0
        await kit.world.like(BEN, made.id)
        await kit.world.project()
        seen = await ben.posts.get_post(GetPostRequest(post_id=made.id))
        expected = Post()
        expected.CopyFrom(made)
        expected.likes, expected.liked_by_me = 1, True
        assert seen == expected
        expected.liked_by_me = False
        assert await ann.posts.get_post(GetPostRequest(post_id=made.id)) == expected


async def test_the_update_of_a_post_is_on_its_way_when_the_answer_is() -> None:
    async with serving(services) as kit:
        made = await kit.person(ANN).posts.create_post(CreatePostRequest(text="sea"))
        (entry,) = kit.batches[-1].entries
        assert (entry.kind, entry.subject_id) == (Kind.POST_CREATED, made.id)


async def test_create_refuses() -> None:
    async with serving(services) as kit:
        ann, ben = kit.person(ANN), kit.person(BEN)
        photograph = await kit.world.photograph(ANN)
        waiting = await kit.world.photograph(ANN, stored=False)
        async with refused(Code.INVALID_ARGUMENT, "text"):
            await ann.posts.create_post(CreatePostRequest(text="  "))
        async with refused(Code.NOT_FOUND):
            await ben.posts.create_post(CreatePostRequest(media_ids=[photograph]))
        async with refused(Code.CONFLICT):
            await ann.posts.create_post(CreatePostRequest(media_ids=[waiting]))
        async with refused(Code.INVALID_ARGUMENT):
            await ann.posts.create_post(CreatePostRequest(media_ids=[photograph] * 11))
        async with refused(Code.INVALID_ARGUMENT):
            await ann.posts.create_post(CreatePostRequest(text="a" * 2201))


async def test_create_edit_and_delete_once_however_often_they_are_sent() -> None:
    async with serving(services) as kit:
        ann = kit.person(ANN)
        first, second = await kit.repeated(
            ann, ann.posts.create_post, CreatePostRequest(text="sea")
        )
        assert first == second
        edit = EditPostRequest(post_id=first.id, text="lake")
        first, second = await kit.repeated(ann, ann.posts.edit_post, edit)
        assert first == second
        assert first.edited_ms > 0
        delete = DeletePostRequest(post_id=first.id)
        first, second = await kit.repeated(ann, ann.posts.delete_post, delete)
        assert first == second == DeletePostResponse()


async def test_a_key_belongs_to_one_request() -> None:
    async with serving(services) as kit:
        ann = kit.person(ANN)
        ann.op_key = b"k" * 16
        await ann.posts.create_post(CreatePostRequest(text="sea"))
        async with refused(Code.OP_KEY_REUSED):
            await ann.posts.create_post(CreatePostRequest(text="hill"))
        ben = kit.person(BEN)
        ben.op_key = ann.op_key  # another's equal key is another key
        assert (await ben.posts.create_post(CreatePostRequest(text="sea"))).author.id == BEN


async def test_only_the_author_edits_and_deletes() -> None:
    async with serving(services) as kit:
        ann, ben = kit.person(ANN), kit.person(BEN)
        made = await ann.posts.create_post(CreatePostRequest(text="sea"))
        edited = await ann.posts.edit_post(EditPostRequest(post_id=made.id, text="lake"))
        assert (edited.text, edited.id) == ("lake", made.id)
        assert edited.changed > made.changed
        async with refused(Code.INVALID_ARGUMENT, "text"):
            await ann.posts.edit_post(EditPostRequest(post_id=made.id))
        async with refused(Code.PERMISSION_DENIED):
            await ben.posts.edit_post(EditPostRequest(post_id=made.id, text="mine"))
        async with refused(Code.PERMISSION_DENIED):
            await ben.posts.delete_post(DeletePostRequest(post_id=made.id))
        await ann.posts.delete_post(DeletePostRequest(post_id=made.id))
        for person in (ann, ben):
            async with refused(Code.NOT_FOUND):
                await person.posts.get_post(GetPostRequest(post_id=made.id))
            async with refused(Code.NOT_FOUND):
                await person.posts.edit_post(EditPostRequest(post_id=made.id, text="again"))
            async with refused(Code.NOT_FOUND):
                await person.posts.delete_post(DeletePostRequest(post_id=made.id))
