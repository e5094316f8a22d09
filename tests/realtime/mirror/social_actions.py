"""Posts, likes, comments, follows, notifications and uploads by chance."""

from __future__ import annotations

from typing import Any

from store.records import NotificationKind, Purpose
from tests.realtime.mirror.acting import action, other_person, pick, some_words
from tests.realtime.mirror.device import Device
from tests.realtime.mirror.world import World, allowed, photograph_of

MAX_POSTS = 6


@action("Posts.CreatePost")
async def create_post(world: World, device: Device) -> bool:
    if len(world.posts) >= MAX_POSTS:
        return False
    media = []
    if world.rng.random() < 0.5:
        media.append(await world.photograph(device, Purpose.POST))
    post = await device.client.call("Posts.CreatePost", text=some_words(world), media_ids=media)
    world.posts.append(post.id)
    return True


@action("Posts.EditPost")
async def edit_post(world: World, device: Device) -> bool:
    post_id = pick(world, sorted(device.mirror.own.posts))
    return post_id is not None and await allowed(
        device.client.call("Posts.EditPost", post_id=post_id, text=some_words(world))
    )


@action("Posts.DeletePost")
async def delete_post(world: World, device: Device) -> bool:
    post_id = pick(world, sorted(device.mirror.own.posts))
    return post_id is not None and await allowed(
        device.client.call("Posts.DeletePost", post_id=post_id)
    )


async def _on_a_post(world: World, device: Device, method: str, **fields: Any) -> bool:
    post_id = pick(world, world.posts)
    return post_id is not None and await allowed(
        device.client.call(method, post_id=post_id, **fields)
    )


@action("Likes.LikePost")
async def like_post(world: World, device: Device) -> bool:
    return await _on_a_post(world, device, "Likes.LikePost")


@action("Likes.UnlikePost")
async def unlike_post(world: World, device: Device) -> bool:
    return await _on_a_post(world, device, "Likes.UnlikePost")


@action("Comments.AddComment")
async def add_comment(world: World, device: Device) -> bool:
    post_id = pick(world, world.posts)
    if post_id is None:
        return False
    reply = pick(world, world.comments) if world.rng.random() < 0.4 else None

    async def call() -> None:
        comment = await device.client.call(
            "Comments.AddComment", post_id=post_id, text=some_words(world), reply_to=reply or 0
        )
        world.comments.append(comment.id)

    return await allowed(call())


@action("Comments.EditComment")
async def edit_comment(world: World, device: Device) -> bool:
    comment_id = pick(world, sorted(device.mirror.own.comments))
    return comment_id is not None and await allowed(
        device.client.call("Comments.EditComment", comment_id=comment_id, text=some_words(world))
    )


@action("Comments.DeleteComment")
async def delete_comment(world: World, device: Device) -> bool:
    """His own, or one under a post of his."""
    comment_id = pick(world, world.comments)
    return comment_id is not None and await allowed(
        device.client.call("Comments.DeleteComment", comment_id=comment_id)
    )


@action("Follows.FollowUser")
async def follow_user(world: World, device: Device) -> bool:
    return await allowed(
        device.client.call("Follows.FollowUser", user_id=other_person(world, device))
    )


@action("Follows.UnfollowUser")
async def unfollow_user(world: World, device: Device) -> bool:
    return await allowed(
        device.client.call("Follows.UnfollowUser", user_id=other_person(world, device))
    )


@action("Blocks.BlockUser")
async def block_user(world: World, device: Device) -> bool:
    await device.client.call("Blocks.BlockUser", user_id=other_person(world, device))
    return True


@action("Blocks.UnblockUser")
async def unblock_user(world: World, device: Device) -> bool:
    """Mostly somebody whom he has blocked, or few would be left to each other."""
    blocked = sorted(device.mirror.own.blocked)
    user_id = pick(world, blocked) if world.rng.random() < 0.9 else other_person(world, device)
    if user_id is None:
        return False
    await device.client.call("Blocks.UnblockUser", user_id=user_id)
    return True


@action("Notifications.MarkSeen")
async def mark_seen(world: World, device: Device) -> bool:
    told = pick(world, sorted(one.latest for one in device.mirror.own.notifications.values()))
    return told is not None and await allowed(
        device.client.call("Notifications.MarkSeen", up_to=told)
    )


@action("Notifications.MuteKind")
async def mute_kind(world: World, device: Device) -> bool:
    """Now and then: what is muted is not told, and the other tests want to see it told."""
    kind = world.rng.choice(list(NotificationKind))
    muted = world.rng.random() < 0.3
    await device.client.call("Notifications.MuteKind", kind=int(kind), muted=muted)
    return True


@action("Media.CreateUpload")
async def create_upload(world: World, device: Device) -> bool:
    """The bytes come, or are known already, or do not come at all."""
    purpose = world.rng.choice(list(Purpose))
    if world.rng.random() < 0.7:
        await world.photograph(device, purpose)
    else:
        known = world.rng.choice([b"", photograph_of(world.person(device))])
        await world.reserve(device, purpose, known)
    return True
