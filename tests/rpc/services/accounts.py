"""Accounts under test: devices that sign in and out, a postman, and a hasher that is cheap."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rpc.lastuse import LastUses
from rpc.proto import auth_pb2, stubs
from rpc.services.auth import Auth
from rpc.services.users import Users
from rpc.tokens import authenticate_token
from store.records import SessionRecord
from tests.rpc.services.kit import Kit, Person, serving

SECRET = b"the server's own secret, 32 bytes"
PASSWORD = "correct horse battery"


class Postman:
    """Keeps what was sent, as (address, code)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def send_code(self, address: str, code: str) -> None:
        self.sent.append((address, code))


# Hashes without a digit, in which no code is ever found by chance.
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


class CheapHasher:
    """`rpc.passwords.PasswordHasher` without the cost. `version` stands for its parameters;
    `verified` are the hashes that passwords were held against."""

    def __init__(self) -> None:
        self.version = 1
        self.verified: list[str] = []

    async def hash(self, password: str) -> str:
        salt = secrets.token_hex(4).translate(_LETTERS)
        return f"{self.version}:{salt}:{self._digest(salt, password)}"

    async def verify(self, stored: str, password: str) -> bool:
        self.verified.append(stored)
        if not stored:
            return False
        _, salt, digest = stored.split(":")
        return digest == self._digest(salt, password)

    def needs_rehash(self, stored: str) -> bool:
        return not stored.startswith(f"{self.version}:")

    @staticmethod
    def _digest(salt: str, password: str) -> str:
        return hashlib.sha256((salt + password).encode()).hexdigest().translate(_LETTERS)


class Device(Person):
    """A connection of a device: nobody is signed in on it at first."""

    def __init__(self, house: House, device_id: bytes) -> None:
        super().__init__(house.kit, 0)
        self.house = house
        self.device_id = device_id
        self.device, self.client = "Pixel 9", "tests/1"
        self.session_id = 0
        self.closing = False
        self.cursor_before_upgrade = False
        self.auth = stubs.AuthClient(self)
        self.users = stubs.UsersClient(self)

    def cursor(self) -> bytes:
        self.cursor_before_upgrade = not self.user_id
        return b"cursor"

    async def signed_in(self, user_id: int, session_id: int) -> None:
        assert not self.user_id, "upgraded twice"
        self.user_id, self.session_id = user_id, session_id

    def sign_out(self) -> None:
        self.closing = True

    def reconnected(self, *, signed_in: bool = False) -> Device:
        """The same device on a new connection, with the same op_key for its next calls."""
        fresh = Device(self.house, self.device_id)
        fresh.op_key = self.op_key
        if signed_in:
            fresh.user_id, fresh.session_id = self.user_id, self.session_id
        return fresh


class House:
    """What `open_house` gives."""

    def __init__(self, kit: Kit, postman: Postman, hasher: CheapHasher) -> None:
        self.kit = kit
        self.postman = postman
        self.hasher = hasher

    def device(self) -> Device:
        return Device(self, secrets.token_bytes(16))

    async def code(self, address: str) -> str:
        """Has a code sent to the address, however soon, and reads it there."""
        self.kit.world.now_ms += 31_000
        await self.device().auth.request_code(auth_pb2.RequestCodeRequest(address=address))
        sent_to, code = self.postman.sent[-1]
        assert sent_to == address
        return code

    async def ticket(self, address: str) -> str:
        answer = await self.device().auth.sign_in_with_code(
            with_code(address, await self.code(address))
        )
        assert answer.sign_up_ticket
        return answer.sign_up_ticket

    async def join(
        self, username: str, password: str = PASSWORD
    ) -> tuple[Device, auth_pb2.SignedIn]:
        """A new user, whose address is his username at example.org, signed in on a device."""
        device = self.device()
        answer = await device.auth.sign_up(
            auth_pb2.SignUpRequest(
                ticket=await self.ticket(f"{username}@example.org"),
                username=username,
                name=username.title(),
                password=password,
            )
        )
        return device, answer

    async def enter(self, username: str) -> tuple[Device, auth_pb2.SignedIn]:
        """A further session of a user."""
        device, address = self.device(), f"{username}@example.org"
        answer = await device.auth.sign_in_with_code(with_code(address, await self.code(address)))
        return device, answer

    async def opens(self, token: str) -> SessionRecord:
        """What a hello with this token finds. Raises `CallError(UNAUTHENTICATED)`."""
        world = self.kit.world
        uses = LastUses(world.store)
        session = await authenticate_token(world.store, _At(world.now_ms), uses, token)
        await uses.store()
        return session


class _At:
    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    """Auth and Users, over a store in memory."""
    postman, hasher = Postman(), CheapHasher()
    async with serving(lambda views: [Auth(postman, hasher, SECRET, views), Users(views)]) as kit:
        yield House(kit, postman, hasher)


def with_code(address: str, code: str) -> auth_pb2.SignInWithCodeRequest:
    return auth_pb2.SignInWithCodeRequest(address=address, code=code)


def with_password(login: str, password: str = PASSWORD) -> auth_pb2.SignInWithPasswordRequest:
    return auth_pb2.SignInWithPasswordRequest(login=login, password=password)


def wrong(code: str) -> str:
    """Another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
