"""People with several devices each on a server in memory, who do things by chance."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
import trio.testing

from realtime.core import CoreLimits
from realtime.gateway.limits import GatewayLimits
from realtime.testing import TestClient, TestServer, open_test_server
from rpc.dispatch import CallLimits
from rpc.errors import CallError, Close
from rpc.proto.auth_pb2 import SignedIn
from rpc.proto.media_pb2 import CreateUploadResponse
from rpc.rates import Rate
from store.changes.media import StoreMedia
from store.records import Purpose
from tests.realtime.mirror.device import Device
from tests.realtime.mirror.fetched import difference

PASSWORD = "correct horse battery"
MUCH = Rate(per_second=1e9, burst=1e9)
CALLS = CallLimits(user_rate=MUCH, address_rate=MUCH, sensitive_rate=MUCH)


@dataclass
class Person:
    address: str
    username: str
    user_id: int
    password: str = PASSWORD
    media: list[str] = field(default_factory=list)  # ids


class World:
    """`rng` makes all choices. `posts` and `comments` are all that ever were."""

    def __init__(self, server: TestServer, rng: random.Random) -> None:
        self.server = server
        self.rng = rng
        self.people: dict[int, Person] = {}
        self.devices: list[Device] = []
        self.posts: list[int] = []
        self.comments: list[int] = []
        self._names = 0

    def media_of(self, user_id: int) -> list[str]:
        return list(self.people[user_id].media)

    def person(self, device: Device) -> Person:
        return self.people[device.user_id]

    def devices_of(self, user_id: int) -> list[Device]:
        return [one for one in self.devices if one.user_id == user_id]

    def online(self) -> list[Device]:
        return [one for one in self.devices if one.online]

    def add(self, client: TestClient) -> Device:
        """A client that has just signed in becomes one of the devices; it is to be loaded."""
        self.devices.append(Device(self, client))
        return self.devices[-1]

    def new_name(self, stem: str = "user") -> str:
        self._names += 1
        return f"{stem}{self._names}"

    async def join(self) -> Device:
        """A new person, with a password, on a first device."""
        username = self.new_name()
        client = await self.server.sign_up(username)
        await client.call("Auth.SetPassword", new_password=PASSWORD)
        address = f"{username}@example.org"
        self.people[client.user_id] = Person(address, username, client.user_id)
        device = self.add(client)
        await device.load()
        return device

    async def enter(self, person: Person) -> Device:
        """A further device of a person."""
        client = await self.server.connect()
        answer = await client.call(
            "Auth.SignInWithPassword", login=person.username, password=person.password
        )
        return await self.adopt(client, answer)

    async def adopt(self, client: TestClient, answer: SignedIn) -> Device:
        """A device out of a client and the `SignedIn` that it got."""
        client.token, client.cursor = answer.token, answer.cursor
        client.user_id, client.session_id = answer.user.id, answer.session_id
        device = self.add(client)
        await device.load()
        return device

    async def reserve(
        self, device: Device, purpose: Purpose, sha256: bytes = b""
    ) -> CreateUploadResponse:
        """A ticket for the one photograph that its owner has, or with its digest perhaps the
        finished object."""
        ticket: CreateUploadResponse = await device.client.call(
            "Media.CreateUpload", purpose=int(purpose), size=9, sha256=sha256
        )
        self.person(device).media.append(ticket.media_id)
        return ticket

    async def photograph(self, device: Device, purpose: Purpose) -> str:
        """A stored media object. The bytes come as the media host's do: by a change."""
        media_id = (await self.reserve(device, purpose)).media_id
        stored = StoreMedia(
            media_id=media_id,
            blob_hash=photograph_of(self.person(device)),
            size=9,
            mime="image/jpeg",
            width=4,
            height=3,
            color="#336699",
        )
        await self.server.core.batcher.submit(stored).wait()
        return media_id

    async def quiet(self) -> None:
        """Everything committed has been consumed, delivered and received."""
        await self.server.settled()
        await trio.testing.wait_all_tasks_blocked()
        await self.server.settled()
        await trio.testing.wait_all_tasks_blocked()

    async def fold(self) -> None:
        """Every device that is online folds what it was sent; those that were signed out for
        good are given up."""
        await self.quiet()
        for device in self.online():
            await device.catch_up()
        await self.quiet()
        for device in self.online():
            device.take()
        self.forget_signed_out()

    def forget_signed_out(self) -> None:
        for device in list(self.devices):
            closed = device.client.closed
            if closed is not None and closed.code == Close.UNAUTHENTICATED:
                self.devices.remove(device)

    async def check(self) -> None:
        """On every device that is online, what was folded is what the server says."""
        await self.fold()
        for user_id in self.people:
            devices = [one for one in self.devices_of(user_id) if one.online]
            if not devices:
                continue
            got = await devices[0].fetch()
            for device in devices:
                session_id = device.client.session_id
                device.mirror.open_posts(got)
                found = difference(device.mirror.state(set(got.posts)), got.state(session_id))
                assert not found, f"{self.people[user_id].username}, session {session_id}:\n{found}"


def photograph_of(person: Person) -> bytes:
    """The digest of the one photograph that a person has."""
    return hashlib.sha256(person.address.encode()).digest()


Action = Callable[[World, Device], Awaitable[bool]]
"""Makes a call with arguments out of what its device knows. False: there was nothing to choose
from, or the rules refused what was chosen."""


async def allowed(call: Awaitable[object]) -> bool:
    """Whether a call by chance went through; the rules may refuse it."""
    try:
        await call
    except CallError as error:
        if error.retryable:
            raise
        return False
    return True


@asynccontextmanager
async def open_world(
    seed: int, *, people: int = 3, devices: int = 2, **limits_: int
) -> AsyncIterator[World]:
    """People who know nobody yet. `limits_` are limits of the gateway."""
    gateway = GatewayLimits(heartbeat=1e6, frame_rate=MUCH, hello_rate=MUCH, **limits_)
    limits = CoreLimits(gateway=gateway, calls=CALLS)
    async with open_test_server(limits=limits) as server:
        world = World(server, random.Random(seed))
        for _ in range(people):
            first = await world.join()
            for _ in range(devices - 1):
                await world.enter(world.person(first))
        await world.fold()
        yield world
