"""Notifications, as callers meet them."""

from __future__ import annotations

from rpc.errors import Code
from rpc.proto.frames_pb2 import NotificationsSeen
from rpc.proto.models_pb2 import (
    NOTIFICATION_COMMENT,
    NOTIFICATION_FOLLOW,
    NOTIFICATION_LIKE,
    NotificationSettings,
)
from rpc.proto.notifications_pb2 import (
    CountUnseenRequest,
    GetNotificationSettingsRequest,
    ListNotificationsRequest,
    MarkSeenRequest,
    MuteKindRequest,
)
from rpc.services.notifications import Notifications
from tests.rpc.services.kit import refused, serving
from tests.store.social import ANN, BEN, CAT


async def test_the_list_has_what_a_screen_needs() -> None:
    async with serving(lambda views: [Notifications(views)]) as kit:
        photograph = await kit.world.photograph(ANN)
        post = await kit.world.post(ANN, "sea", photograph)
        await kit.world.like(BEN, post.id)
        comment = await kit.world.comment(CAT, post.id, "blue")
        await kit.world.project()
        listed = await kit.person(ANN).notifications.list_notifications(ListNotificationsRequest())
        assert [
            (one.kind, one.actor.username, one.post_media.url, one.comment_id, one.comment_text)
            for one in listed.notifications
        ] == [
            (NOTIFICATION_COMMENT, "user3", f"/m/{photograph}", comment.id, "blue"),
            (NOTIFICATION_LIKE, "user2", f"/m/{photograph}", 0, ""),
        ]
        assert (listed.unseen, listed.next) == (2, b"")
        await kit.world.like(BEN, post.id, False)
        await kit.world.project()
        listed = await kit.person(ANN).notifications.list_notifications(ListNotificationsRequest())
        assert [one.kind for one in listed.notifications] == [NOTIFICATION_COMMENT]


async def test_one_notification_names_some_and_counts_all() -> None:
    async with serving(lambda views: [Notifications(views)], users=range(1, 7)) as kit:
        post = await kit.world.post(ANN)
        for user in range(2, 7):
            await kit.world.like(user, post.id)
        await kit.world.project()
        listed = await kit.person(ANN).notifications.list_notifications(ListNotificationsRequest())
        (told,) = listed.notifications
        assert (told.actor.id, told.actor_count, [one.id for one in told.others]) == (6, 5, [5, 4])
        assert listed.unseen == 1


async def test_seeing_once_however_often_it_is_sent() -> None:
    async with serving(lambda views: [Notifications(views)]) as kit:
        ann = kit.person(ANN)
        post = await kit.world.post(ANN)
        await kit.world.like(BEN, post.id)
        await kit.world.comment(CAT, post.id)
        await kit.world.project()
        page = await ann.notifications.list_notifications(ListNotificationsRequest(limit=1))
        assert page.unseen == 2
        rest = await ann.notifications.list_notifications(
            ListNotificationsRequest(limit=1, after=page.next)
        )
        assert rest.next == b""
        earlier = rest.notifications[0].latest
        seen = MarkSeenRequest(up_to=earlier)
        first, second = await kit.repeated(ann, ann.notifications.mark_seen, seen)
        assert first == second
        assert (first.up_to, first.changed) == (earlier, await kit.world.head())
        listed = await ann.notifications.list_notifications(ListNotificationsRequest())
        assert listed.unseen == 1
        assert [one.seen for one in listed.notifications] == [False, True]


async def test_everybody_has_only_his_own() -> None:
    async with serving(lambda views: [Notifications(views)]) as kit:
        ann, ben = kit.person(ANN), kit.person(BEN)
        await kit.world.like(BEN, (await kit.world.post(ANN)).id)
        await kit.world.project()
        listed = await ann.notifications.list_notifications(ListNotificationsRequest())
        assert len(listed.notifications) == 1
        theirs = MarkSeenRequest(up_to=listed.notifications[0].latest)
        assert await ben.notifications.mark_seen(theirs) == NotificationsSeen()
        nothing = await ben.notifications.list_notifications(ListNotificationsRequest())
        assert (list(nothing.notifications), nothing.unseen) == ([], 0)
        assert (await ann.notifications.list_notifications(ListNotificationsRequest())).unseen == 1


async def test_a_badge_counts_without_the_list() -> None:
    async with serving(lambda views: [Notifications(views)]) as kit:
        ann = kit.person(ANN)

        async def badge() -> int:
            await kit.world.project()
            return (await ann.notifications.count_unseen(CountUnseenRequest())).unseen

        assert await badge() == 0
        post = await kit.world.post(ANN)
        await kit.world.like(BEN, post.id)
        assert await badge() == 1
        await kit.world.like(CAT, post.id)  # the same notification
        await kit.world.comment(CAT, post.id)
        assert await badge() == 2
        await kit.world.like(CAT, post.id, False)
        assert await badge() == 2
        await kit.world.like(BEN, post.id, False)
        assert await badge() == 1
        await ann.notifications.mark_seen(MarkSeenRequest(up_to=1 << 60))
        assert await badge() == 0
        await kit.world.comment(BEN, post.id)
        assert await badge() == 1


async def test_kinds_are_muted_one_by_one() -> None:
    async with serving(lambda views: [Notifications(views)]) as kit:
        ann = kit.person(ANN)
        nothing = await ann.notifications.get_settings(GetNotificationSettingsRequest())
        assert nothing == NotificationSettings()
        mute = MuteKindRequest(kind=NOTIFICATION_FOLLOW, muted=True)
        first, second = await kit.repeated(ann, ann.notifications.mute_kind, mute)
        assert first == second
        assert list(first.muted) == [NOTIFICATION_FOLLOW]
        both = await ann.notifications.mute_kind(
            MuteKindRequest(kind=NOTIFICATION_LIKE, muted=True)
        )
        assert list(both.muted) == [NOTIFICATION_LIKE, NOTIFICATION_FOLLOW]
        await kit.world.follow(BEN, ANN)
        await kit.world.project()
        listed = await ann.notifications.list_notifications(ListNotificationsRequest())
        assert list(listed.notifications) == []
        one = await ann.notifications.mute_kind(MuteKindRequest(kind=NOTIFICATION_FOLLOW))
        assert await ann.notifications.get_settings(GetNotificationSettingsRequest()) == one
        assert list(one.muted) == [NOTIFICATION_LIKE]
        ben = kit.person(BEN)
        assert await ben.notifications.get_settings(GetNotificationSettingsRequest()) == nothing


async def test_no_other_kinds_are_muted() -> None:
    async with serving(lambda views: [Notifications(views)]) as kit:
        ann = kit.person(ANN)
        for kind in (0, 6, 60, 64, -1):
            async with refused(Code.INVALID_ARGUMENT, "kind"):
                request = MuteKindRequest(muted=True)
                request.kind = kind  # type: ignore[assignment]
                await ann.notifications.mute_kind(request)
