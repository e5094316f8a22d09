"""Notifications: list, mark as seen, count, mute."""

from __future__ import annotations

from rpc.context import CallContext
from rpc.errors import CallError, Code
from rpc.pages import decode_page, encode_page, page_limit
from rpc.proto import frames_pb2, models_pb2, notifications_pb2
from rpc.proto.stubs import NotificationsService
from rpc.views import Views
from store.changes.notifications import MarkSeen, MuteKind
from store.queries import notifications
from store.records import NotificationKind, NotificationRecord
from store.transaction import Transaction


class Notifications(NotificationsService):
    """Everybody has only his own."""

    def __init__(self, views: Views) -> None:
        self._views = views

    async def list_notifications(
        self, ctx: CallContext, request: notifications_pb2.ListNotificationsRequest
    ) -> notifications_pb2.ListNotificationsResponse:
        (before,) = decode_page(request.after)
        page, more, unseen = await ctx.read(_page, ctx.user_id, before, page_limit(request.limit))
        return notifications_pb2.ListNotificationsResponse(
            notifications=[self._views.notification(one) for one in page],
            next=encode_page(more) if more else b"",
            unseen=unseen,
        )

    async def mark_seen(
        self, ctx: CallContext, request: notifications_pb2.MarkSeenRequest
    ) -> frames_pb2.NotificationsSeen:
        seen = await ctx.commit(MarkSeen(op=ctx.op, user_id=ctx.user_id, up_to=request.up_to))
        return frames_pb2.NotificationsSeen(up_to=seen.up_to, changed=seen.changed)

    async def count_unseen(
        self, ctx: CallContext, request: notifications_pb2.CountUnseenRequest
    ) -> notifications_pb2.UnseenCount:
        unseen = await ctx.read(notifications.unseen, ctx.user_id)
        return notifications_pb2.UnseenCount(unseen=unseen)

    async def get_settings(
        self, ctx: CallContext, request: notifications_pb2.GetNotificationSettingsRequest
    ) -> models_pb2.NotificationSettings:
        settings = await ctx.read(notifications.notification_settings, ctx.user_id)
        return self._views.notification_settings(settings)

    async def mute_kind(
        self, ctx: CallContext, request: notifications_pb2.MuteKindRequest
    ) -> models_pb2.NotificationSettings:
        try:
            kind = NotificationKind(request.kind)
        except ValueError as error:
            raise CallError(
                Code.INVALID_ARGUMENT, "no such kind", details={"field": "kind"}
            ) from error
        settings = await ctx.commit(
            MuteKind(op=ctx.op, user_id=ctx.user_id, kind=kind, muted=request.muted)
        )
        return self._views.notification_settings(settings)


async def _page(
    tx: Transaction, user_id: int, before: int, limit: int
) -> tuple[list[NotificationRecord], int, int]:
    page, more = await notifications.notifications_page(tx, user_id, before, limit)
    return page, more, await notifications.unseen(tx, user_id)
