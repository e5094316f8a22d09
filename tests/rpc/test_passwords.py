"""argon2, with parameters that cost nothing."""

from __future__ import annotations

import argon2

from rpc.passwords import Argon2Hasher

QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
QUICKER = argon2.PasswordHasher(time_cost=1, memory_cost=16, parallelism=1)


class Counting(argon2.PasswordHasher):
    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.against: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
        self.against.append(str(hash))
        return super().verify(hash, password)


async def test_a_password_is_verified_against_its_hash() -> None:
    hasher = Argon2Hasher(QUICK)
    stored = await hasher.hash("p\u00e4ssw\u00f6rd")
    assert stored.startswith("$argon2id$")
    assert stored != await hasher.hash("p\u00e4ssw\u00f6rd")
    assert await hasher.verify(stored, "p\u00e4ssw\u00f6rd")
    assert not await hasher.verify(stored, "other")
    assert not await hasher.verify("no hash", "other")


async def test_nobody_s_password_takes_a_verification_too() -> None:
    counting = Counting()
    hasher = Argon2Hasher(counting)
    assert not await hasher.verify("", "anything")
    (against,) = counting.against
    assert argon2.extract_parameters(against) == argon2.extract_parameters(counting.hash("x"))


async def test_other_parameters_ask_for_a_new_hash() -> None:
    stored = await Argon2Hasher(QUICK).hash("password")
    assert not Argon2Hasher(QUICK).needs_rehash(stored)
    assert Argon2Hasher(QUICKER).needs_rehash(stored)
    assert await Argon2Hasher(QUICKER).verify(stored, "password")
