"""Password hashes (argon2id)."""

from __future__ import annotations

import secrets
from typing import Protocol

import argon2
import argon2.exceptions
import trio

MAX_AT_ONCE = 2  # a hash takes 64 MiB and all of a core for some 50 ms


class PasswordHasher(Protocol):
    """Hashes passwords, slowly and off the event loop."""

    async def hash(self, password: str) -> str:
        """A salted hash, with its parameters; never empty."""
        ...

    async def verify(self, stored: str, password: str) -> bool:
        """Whether the password is the stored one. With an empty `stored` it is not, and to
        say so takes as long."""
        ...

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than a new hash would be."""
        ...


class Argon2Hasher:
    """argon2id in threads, a few at a time; the others wait their turn.

    A started hash is not cancelled: it ends within a fraction of a second.
    """

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        self._limiter = trio.CapacityLimiter(MAX_AT_ONCE)
        self._nobodys = self._hasher.hash(secrets.token_hex(16))

    async def hash(self, password: str) -> str:
        return await trio.to_thread.run_sync(self._hasher.hash, password, limiter=self._limiter)

    async def verify(self, stored: str, password: str) -> bool:
        def right() -> bool:
            try:
                return self._hasher.verify(stored or self._nobodys, password)
            except (
                argon2.exceptions.VerificationError,
                argon2.exceptions.InvalidHashError,
            ):
                return False

        return await trio.to_thread.run_sync(right, limiter=self._limiter) and bool(stored)

    def needs_rehash(self, stored: str) -> bool:
        return self._hasher.check_needs_rehash(stored)
