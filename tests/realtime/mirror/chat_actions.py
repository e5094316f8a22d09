"""Rooms, messages and pointers by chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime.testing import new_key
from rpc.proto.models_pb2 import ROLE_MEMBER, ROOM_GROUP
from store.records import Purpose
from tests.realtime.mirror.acting import action, other_person, pick, some_text
from tests.realtime.mirror.device import Device
from tests.realtime.mirror.rooms import RoomMirror
from tests.realtime.mirror.world import World, allowed


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


# Rooms


@action("Chat.OpenDirect")
async def open_direct(world: World, device: Device) -> bool:
    return await allowed(device.client.call("Chat.OpenDirect", user_id=other_person(world, device)))


@action("Chat.CreateGroup")
async def create_group(world: World, device: Device) -> bool:
    if len(device.mirror.rooms.known) >= 5:
        return False
    others = [one for one in world.people if one != device.user_id and world.rng.random() < 0.6]
    avatar = ""
    if world.rng.random() < 0.3:
        avatar = await world.photograph(device, Purpose.AVATAR)
    return await allowed(
        device.client.call(
            "Chat.CreateGroup", title=some_text(world), user_ids=others, avatar_media_id=avatar
        )
    )


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
