"""Signing in by password, and setting one."""

from __future__ import annotations

import secrets

import pytest
import trio

from rpc.errors import Code
from rpc.proto import auth_pb2
from tests.rpc.services.accounts import PASSWORD, open_house, with_password
from tests.rpc.services.kit import refused

OTHER = "another long password"


def change(old: str, new: str, others: bool = False) -> auth_pb2.SetPasswordRequest:
    return auth_pb2.SetPasswordRequest(old_password=old, new_password=new, sign_out_others=others)


async def test_a_login_is_a_username_or_an_address() -> None:
    async with open_house() as house:
        _, joined = await house.join("ann")
        for login in ("ann", "ANN", " ann ", "ann@example.org", "Ann@Example.org"):
            device = house.device()
            answer = await device.auth.sign_in_with_password(with_password(login))
            assert (answer.user, device.user_id) == (joined.user, joined.user.id)
            assert device.cursor_before_upgrade
            assert (await house.opens(answer.token)).id == answer.session_id == device.session_id


async def test_a_refusal_says_nothing_and_takes_as_long() -> None:
    async with open_house() as house:
        await house.join("ann")
        await house.join("ben", password="")
        house.hasher.verified.clear()
        messages = set()
        for login in ("ann", "ben", "nobody", "nobody@example.org", "not@an@address", "+1"):
            async with refused(Code.UNAUTHENTICATED):
                try:
                    await house.device().auth.sign_in_with_password(with_password(login, OTHER))
                except Exception as error:
                    messages.add(str(error))
                    raise
        assert len(messages) == 1
        # One verification each, whoever was named; nobody's hash is the empty one.
        assert len(house.hasher.verified) == 6
        assert house.hasher.verified[1:] == [""] * 5


async def test_signing_in_twice_with_one_op_key_is_one_session() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        device = house.device()
        device.op_key = secrets.token_bytes(16)
        first = await device.auth.sign_in_with_password(with_password("ann"))
        # Even when the password is no longer the right one.
        await ann.auth.set_password(change(PASSWORD, OTHER))
        head = await house.kit.world.head()
        assert await device.reconnected().auth.sign_in_with_password(with_password("ann")) == first
        assert await house.kit.world.head() == head
        async with refused(Code.OP_KEY_REUSED):
            await device.reconnected().auth.sign_in_with_password(with_password("ann", OTHER))


async def test_a_hash_of_other_parameters_is_renewed() -> None:
    async with open_house() as house:
        await house.join("ann")
        house.hasher.version = 2
        await house.device().auth.sign_in_with_password(with_password("ann"))
        ((stored,),) = await house.kit.world.rows(
            "SELECT password FROM users WHERE username = 'ann'"
        )
        assert stored.startswith("2:")
        await house.device().auth.sign_in_with_password(with_password("ann"))
        assert await house.kit.world.rows("SELECT password FROM users WHERE username = 'ann'") == [
            (stored,)
        ]


async def test_a_password_is_changed_by_who_knows_it() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        for old in (OTHER, ""):
            async with refused(Code.PERMISSION_DENIED, "old_password"):
                await ann.auth.set_password(change(old, OTHER))
        async with refused(Code.INVALID_ARGUMENT, "new_password"):
            await ann.auth.set_password(change(PASSWORD, "short"))
        async with refused(Code.UNAUTHENTICATED):
            await house.device().auth.set_password(change(PASSWORD, OTHER))
        await house.kit.repeated(ann, ann.auth.set_password, change(PASSWORD, OTHER))
        async with refused(Code.UNAUTHENTICATED):
            await house.device().auth.sign_in_with_password(with_password("ann"))
        assert (await house.device().auth.sign_in_with_password(with_password("ann", OTHER))).token


@pytest.mark.parametrize("steps", range(16))
async def test_a_repeat_at_any_moment_is_no_guess_at_the_old_password(steps: int) -> None:
    """`steps` are turns of the event loop by which the repeat is behind."""
    async with open_house() as house:
        ann, _ = await house.join("ann")
        ann.op_key = secrets.token_bytes(16)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ann.auth.set_password, change(PASSWORD, OTHER))
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            await ann.auth.set_password(change(PASSWORD, OTHER))


async def test_a_first_password_needs_no_old_one() -> None:
    async with open_house() as house:
        ben, _ = await house.join("ben", password="")
        await ben.auth.set_password(change("", OTHER))
        assert (await house.device().auth.sign_in_with_password(with_password("ben", OTHER))).token


async def test_a_change_can_sign_out_everywhere_else() -> None:
    async with open_house() as house:
        ann, first = await house.join("ann")
        _, second = await house.enter("ann")
        await ann.auth.set_password(change(PASSWORD, OTHER))
        assert await house.opens(second.token)
        _, bens = await house.join("ben")
        first_answer, _ = await house.kit.repeated(
            ann, ann.auth.set_password, change(OTHER, PASSWORD, others=True)
        )
        assert first_answer == auth_pb2.SetPasswordResponse()
        assert await house.opens(first.token)
        assert await house.opens(bens.token)
        async with refused(Code.UNAUTHENTICATED):
            await house.opens(second.token)
