"""What these services change becomes an update on every device of the user it is for."""

from __future__ import annotations

from realtime.push.render import Renderer
from rpc.proto.frames_pb2 import Update
from rpc.services.posts import Posts
from rpc.views import Views
from rpc.wire import decode_server
from store.changes.comments import DeleteComment, EditComment
from store.changes.notifications import MarkSeen
from store.changes.posts import DeletePost, EditPost
from store.queries.hydrate import hydrate
from tests.rpc.services.kit import Kit, Urls, serving
from tests.store.social import ANN, BEN


async def updates(kit: Kit, after: int, *, skips: int = 0) -> list[Update]:
    """The updates of the log past a position, as devices that resume receive them."""
    entries = await kit.world.entries(after)
    await kit.world.store.read(hydrate, entries)
    renderer = Renderer(Views(Urls()))
    frames = [frame for one in entries for frame in decode_server(renderer.encode(one))]
    assert sum(frame.HasField("skip") for frame in frames) == skips
    return [frame.update for frame in frames if frame.HasField("update")]


async def test_every_change_is_an_update() -> None:
    async with serving(lambda views: [Posts(views)]) as kit:
        world = kit.world
        start = await world.head()
        post = await world.post(ANN, "sea")
        await world.do(EditPost(user_id=ANN, post_id=post.id, text="lake"))
        await world.like(BEN, post.id)
        comment = await world.comment(BEN, post.id, "blue")
        await world.follow(BEN, ANN)
        await world.project()
        told = await world.told(ANN)
        await world.do(MarkSeen(user_id=ANN, up_to=told[0].latest))
        found = await updates(kit, start)
        assert [(one.stream.id, one.WhichOneof("body")) for one in found] == [
            (ANN, "post"),
            (ANN, "post"),
            (BEN, "like"),
            (BEN, "comment"),
            (BEN, "follow"),
            *[(ANN, "notification")] * 3,
            (ANN, "notifications_seen"),
        ]
        assert found[0].post.text == found[1].post.text == "lake"
        assert (found[2].like.liked, found[4].follow.user_id) == (True, ANN)
        assert found[-1].notifications_seen.up_to == told[0].latest
        # And undone again: the notifications of old are gone, and each is taken back once.
        middle = await world.head()
        await world.do(EditComment(user_id=BEN, comment_id=comment.id, text="green"))
        await world.do(DeleteComment(user_id=ANN, comment_id=comment.id))
        await world.like(BEN, post.id, False)
        await world.follow(BEN, ANN, False)
        await world.do(DeletePost(user_id=ANN, post_id=post.id))
        await world.project()
        found = await updates(kit, middle)
        assert [(one.stream.id, one.WhichOneof("body")) for one in found] == [
            (BEN, "comment"),
            (BEN, "comment"),
            (ANN, "comment"),
            (BEN, "like"),
            (BEN, "follow"),
            (ANN, "post"),
            *[(ANN, "notification_removed")] * 3,
        ]
        assert {one.comment.deleted for one in found[:3]} == {True}
        assert (found[3].like.liked, found[4].follow.following) == (False, False)
        assert (found[5].post.deleted, found[5].post.text) == (True, "")
        assert {one.notification_removed.notification_id for one in found[-3:]} == {
            one.id for one in told
        }
        await updates(kit, start, skips=3)
