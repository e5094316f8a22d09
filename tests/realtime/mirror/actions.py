"""Something to do for every mutating call: arguments by chance, out of what a device knows.

A mutating call without an entry in `ACTIONS` fails tests/realtime/test_state_plus_updates.py
by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import trio

from realtime.testing import new_key
from rpc.errors import CallError, Code
from rpc.proto.models_pb2 import ROLE_MEMBER, ROOM_GROUP
from store.records import Purpose
from tests.realtime.mirror.device import Device
from tests.realtime.mirror.rooms import RoomMirror
from tests.realtime.mirror.world import Action, World, allowed, photograph_of

T = TypeVar("T")

ACTIONS: dict[str, Action] = {}
MAX_DEVICES = 3  # of one person
MAX_PEOPLE = 6
MAX_POSTS = 6


def action(method: str) -> Callable[[Action], Action]:
    def add(function: Action) -> Action:
        ACTIONS[method] = function
        return function

    return add


def pick(world: World, among: Sequence[T]) -> T | None:
    return world.rng.choice(among) if among else None


def other_person(world: World, device: Device) -> int:
    return world.rng.choice([one for one in world.people if one != device.user_id])


def room_of(
    world: World, device: Device, fits: Callable[[RoomMirror], bool] = lambda _: True
) -> RoomMirror | None:
    rooms = device.mirror.rooms.known
    return pick(world, [rooms[one] for one in sorted(rooms) if fits(rooms[one])])


def group_of(world: World, device: Device) -> RoomMirror | None:
    return room_of(world, device, lambda one: one.room.kind == ROOM_GROUP)


def message_of(world: World, device: Device, *, mine: bool) -> Any:
    rooms = device.mirror.rooms.known
    return pick(
        world,
        [
            message
            for room_id in sorted(rooms)
            for _, message in sorted(rooms[room_id].messages.items())
            if not mine or message.sender_id == device.user_id
        ],
    )


def some_text(world: World) -> str:
    return f"text {world.rng.randrange(1 << 30)}"


# Accounts


@action("Auth.SignUp")
async def sign_up(world: World, device: Device) -> bool:
    if len(world.people) >= MAX_PEOPLE:
        return False
    await world.join()
    return True


@action("Auth.SignInWithCode")
async def sign_in_with_code(world: World, device: Device) -> bool:
    person = world.person(device)
    if len(world.devices_of(person.user_id)) >= MAX_DEVICES:
        return False
    client = await world.server.connect()
    await trio.sleep(31)  # past the pause between two codes
    try:
        await client.call("Auth.RequestCode", address=person.address)
    except CallError as error:
        if error.code != Code.RATE_LIMITED:  # the day's codes have been sent
            raise
        await client.disconnect()
        return False
    answer = await client.call(
        "Auth.SignInWithCode",
        address=person.address,
        code=world.server.sender.codes[person.address],
    )
    await world.adopt(client, answer)
    return True


@action("Auth.SignInWithPassword")
async def sign_in_with_password(world: World, device: Device) -> bool:
    person = world.person(device)
    if len(world.devices_of(person.user_id)) >= MAX_DEVICES:
        return False
    await world.enter(person)
    return True


@action("Auth.SetPassword")
async def set_password(world: World, device: Device) -> bool:
    person = world.person(device)
    fresh = some_text(world)
    await device.client.call(
        "Auth.SetPassword",
        old_password=person.password,
        new_password=fresh,
        sign_out_others=world.rng.random() < 0.5,
    )
    person.password = fresh
    return True


@action("Auth.RefreshToken")
async def refresh_token(world: World, device: Device) -> bool:
    answer = await device.client.call("Auth.RefreshToken")
    device.client.token = answer.token
    return True


@action("Auth.SignOut")
async def sign_out(world: World, device: Device) -> bool:
    if len(world.devices_of(device.user_id)) < 2:
        return False
    await device.client.call("Auth.SignOut")
    await device.client.expect_closed()
    return True


@action("Auth.RevokeSessions")
async def revoke_sessions(world: World, device: Device) -> bool:
    if world.rng.random() < 0.3:
        await device.client.call("Auth.RevokeSessions", all_others=True)
        return True
    others = sorted({*device.mirror.own.sessions} - {device.client.session_id})
    session_id = pick(world, others)
    if session_id is None:
        return False
    return await allowed(device.client.call("Auth.RevokeSessions", session_id=session_id))


@action("Users.UpdateProfile")
async def update_profile(world: World, device: Device) -> bool:
    person = world.person(device)
    fields: dict[str, Any] = {}
    if world.rng.random() < 0.4:
        fields["name"] = some_text(world)
    if world.rng.random() < 0.4:
        fields["about"] = world.rng.choice(["", some_text(world)])
    if world.rng.random() < 0.4:
        fields["avatar_media_id"] = world.rng.choice(
            ["", await world.photograph(device, Purpose.AVATAR)]
        )
    if not fields:
        person.username = fields["username"] = world.new_name("other")
    await device.client.call("Users.UpdateProfile", **fields)
    return True


# Rooms


@action("Chat.OpenDirect")
async def open_direct(world: World, device: Device) -> bool:
    await device.client.call("Chat.OpenDirect", user_id=other_person(world, device))
    return True


@action("Chat.CreateGroup")
async def create_group(world: World, device: Device) -> bool:
    if len(device.mirror.rooms.known) >= 5:
        return False
    others = [one for one in world.people if one != device.user_id and world.rng.random() < 0.6]
    avatar = ""
    if world.rng.random() < 0.3:
        avatar = await world.photograph(device, Purpose.AVATAR)
    await device.client.call(
        "Chat.CreateGroup", title=some_text(world), user_ids=others, avatar_media_id=avatar
    )
    return True


@action("Chat.UpdateRoom")
async def update_room(world: World, device: Device) -> bool:
    room = group_of(world, device)
    if room is None:
        return False
    fields: dict[str, Any] = {}
    if world.rng.random() < 0.5:
        fields["title"] = some_text(world)
    if world.rng.random() < 0.5:
        fields["about"] = world.rng.choice(["", some_text(world)])
    if not fields or world.rng.random() < 0.3:
        fields["avatar_media_id"] = world.rng.choice(
            ["", await world.photograph(device, Purpose.AVATAR)]
        )
    return await allowed(device.client.call("Chat.UpdateRoom", room_id=room.room.id, **fields))


@action("Chat.AddMembers")
async def add_members(world: World, device: Device) -> bool:
    room = group_of(world, device)
    if room is None:
        return False
    who = world.rng.sample(sorted(world.people), 2)
    return await allowed(device.client.call("Chat.AddMembers", room_id=room.room.id, user_ids=who))


@action("Chat.RemoveMember")
async def remove_member(world: World, device: Device) -> bool:
    room = group_of(world, device)
    if room is None:
        return False
    plain = [one for one in sorted(room.members) if room.members[one].role == ROLE_MEMBER]
    user_id = pick(world, plain) if world.rng.random() < 0.9 else other_person(world, device)
    if user_id is None:
        return False
    return await allowed(
        device.client.call("Chat.RemoveMember", room_id=room.room.id, user_id=user_id)
    )


@action("Chat.LeaveRoom")
async def leave_room(world: World, device: Device) -> bool:
    room = group_of(world, device)
    return room is not None and await allowed(
        device.client.call("Chat.LeaveRoom", room_id=room.room.id)
    )


# Messages and pointers


@action("Chat.SendMessage")
async def send_message(world: World, device: Device) -> bool:
    room = room_of(world, device)
    if room is None:
        return False
    media = []
    if world.rng.random() < 0.25:
        media.append(await world.photograph(device, Purpose.CHAT))
    reply = pick(world, sorted(one.id for one in room.messages.values()))
    return await allowed(
        device.client.call(
            "Chat.SendMessage",
            room_id=room.room.id,
            client_id=new_key(),
            text="" if media and world.rng.random() < 0.5 else some_text(world),
            media_ids=media,
            reply_to=reply if reply is not None and world.rng.random() < 0.3 else 0,
        )
    )


@action("Chat.EditMessage")
async def edit_message(world: World, device: Device) -> bool:
    message = message_of(world, device, mine=True)
    return message is not None and await allowed(
        device.client.call("Chat.EditMessage", message_id=message.id, text=some_text(world))
    )


@action("Chat.DeleteMessage")
async def delete_message(world: World, device: Device) -> bool:
    for_everyone = world.rng.random() < 0.5
    message = message_of(world, device, mine=for_everyone)
    return message is not None and await allowed(
        device.client.call("Chat.DeleteMessage", message_id=message.id, for_everyone=for_everyone)
    )


async def _mark(world: World, device: Device, method: str) -> bool:
    room = room_of(world, device, lambda one: one.last_number > 0)
    return room is not None and await allowed(
        device.client.call(
            method, room_id=room.room.id, number=world.rng.randint(1, room.last_number + 1)
        )
    )


@action("Chat.MarkDelivered")
async def mark_delivered(world: World, device: Device) -> bool:
    return await _mark(world, device, "Chat.MarkDelivered")


@action("Chat.MarkRead")
async def mark_read(world: World, device: Device) -> bool:
    return await _mark(world, device, "Chat.MarkRead")


# Posts and the graph


@action("Posts.CreatePost")
async def create_post(world: World, device: Device) -> bool:
    if len(world.posts) >= MAX_POSTS:
        return False
    media = []
    if world.rng.random() < 0.5:
        media.append(await world.photograph(device, Purpose.POST))
    post = await device.client.call("Posts.CreatePost", text=some_text(world), media_ids=media)
    world.posts.append(post.id)
    return True


@action("Posts.EditPost")
async def edit_post(world: World, device: Device) -> bool:
    post_id = pick(world, sorted(device.mirror.own.posts))
    return post_id is not None and await allowed(
        device.client.call("Posts.EditPost", post_id=post_id, text=some_text(world))
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
            "Comments.AddComment", post_id=post_id, text=some_text(world), reply_to=reply or 0
        )
        world.comments.append(comment.id)

    return await allowed(call())


@action("Comments.EditComment")
async def edit_comment(world: World, device: Device) -> bool:
    comment_id = pick(world, sorted(device.mirror.own.comments))
    return comment_id is not None and await allowed(
        device.client.call("Comments.EditComment", comment_id=comment_id, text=some_text(world))
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
    await device.client.call("Follows.FollowUser", user_id=other_person(world, device))
    return True


@action("Follows.UnfollowUser")
async def unfollow_user(world: World, device: Device) -> bool:
    await device.client.call("Follows.UnfollowUser", user_id=other_person(world, device))
    return True


@action("Notifications.MarkSeen")
async def mark_seen(world: World, device: Device) -> bool:
    told = pick(world, sorted(device.mirror.own.notifications))
    return told is not None and await allowed(
        device.client.call("Notifications.MarkSeen", up_to_id=told)
    )


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
