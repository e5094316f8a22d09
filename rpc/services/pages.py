"""Pages: the home timeline, a profile's posts, and what those do whom one follows."""

from __future__ import annotations

from rpc.context import CallContext
from rpc.pages import decode_page, encode_page, page_limit
from rpc.proto import pages_pb2
from rpc.proto.stubs import PagesService
from rpc.views import Views
from store.queries import pages
from store.queries.activity import activity
from store.queries.users import meet
from store.records import PostRecord
from store.transaction import Transaction


class Pages(PagesService):
    def __init__(self, views: Views) -> None:
        self._views = views

    async def home(self, ctx: CallContext, request: pages_pb2.HomeRequest) -> pages_pb2.PostsPage:
        (before,) = decode_page(request.after)
        return self._page(
            *await ctx.read(pages.home, ctx.user_id, before, page_limit(request.limit))
        )

    async def profile_posts(
        self, ctx: CallContext, request: pages_pb2.ProfilePostsRequest
    ) -> pages_pb2.PostsPage:
        (before,) = decode_page(request.after)
        return self._page(
            *await ctx.read(
                _profile_posts, request.user_id, ctx.user_id, before, page_limit(request.limit)
            )
        )

    async def activity(
        self, ctx: CallContext, request: pages_pb2.ActivityRequest
    ) -> pages_pb2.ActivityPage:
        (before,) = decode_page(request.after)
        items, more = await ctx.read(activity, ctx.user_id, before, page_limit(request.limit))
        return pages_pb2.ActivityPage(
            items=[self._views.activity(one) for one in items],
            next=encode_page(more) if more else b"",
        )

    def _page(self, posts: list[PostRecord], more: int) -> pages_pb2.PostsPage:
        return pages_pb2.PostsPage(
            posts=[self._views.post(one) for one in posts],
            next=encode_page(more) if more else b"",
        )


async def _profile_posts(
    tx: Transaction, user_id: int, viewer_id: int, before: int, limit: int
) -> tuple[list[PostRecord], int]:
    await meet(tx, viewer_id, user_id)
    return await pages.profile_posts(tx, user_id, viewer_id, before, limit)
