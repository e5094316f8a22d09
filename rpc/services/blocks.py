"""Blocks: set, take back, list."""

from __future__ import annotations

from rpc.context import CallContext, Signals
from rpc.pages import decode_page, encode_page, page_limit
from rpc.proto import blocks_pb2, frames_pb2
from rpc.proto.stubs import BlocksService
from rpc.views import Views
from store.changes.blocks import SetBlock
from store.queries.block_list import blocked_users


class Blocks(BlocksService):
    def __init__(self, views: Views, signals: Signals) -> None:
        self._views = views
        self._signals = signals

    async def block_user(
        self, ctx: CallContext, request: blocks_pb2.BlockUserRequest
    ) -> frames_pb2.Block:
        block = await self._set(ctx, request.user_id, blocked=True)
        # Of coming and going nothing more is told: what was told last must not stand for ever.
        for one, other in ((ctx.user_id, request.user_id), (request.user_id, ctx.user_id)):
            away = frames_pb2.Presence(user_id=other, online=False)
            self._signals.to_user(one, frames_pb2.Signal(presence=away))
        return block

    async def unblock_user(
        self, ctx: CallContext, request: blocks_pb2.UnblockUserRequest
    ) -> frames_pb2.Block:
        return await self._set(ctx, request.user_id, blocked=False)

    async def _set(self, ctx: CallContext, user_id: int, *, blocked: bool) -> frames_pb2.Block:
        return self._views.block(
            await ctx.commit(
                SetBlock(op=ctx.op, blocker_id=ctx.user_id, blocked_id=user_id, blocked=blocked)
            )
        )

    async def list_blocked(
        self, ctx: CallContext, request: blocks_pb2.ListBlockedRequest
    ) -> blocks_pb2.ListBlockedResponse:
        (before,) = decode_page(request.after)
        users, more = await ctx.read(blocked_users, ctx.user_id, before, page_limit(request.limit))
        return blocks_pb2.ListBlockedResponse(
            users=[self._views.user(one) for one in users],
            next=encode_page(more) if more else b"",
        )
