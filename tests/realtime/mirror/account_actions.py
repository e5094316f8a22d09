"""Accounts, sessions and the profile by chance."""

from __future__ import annotations

from typing import Any

import trio

from rpc.errors import CallError, Code
from store.records import Purpose
from tests.realtime.mirror.acting import action, pick, some_text
from tests.realtime.mirror.device import Device
from tests.realtime.mirror.world import World, allowed

MAX_DEVICES = 3  # of one person
MAX_PEOPLE = 6


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
