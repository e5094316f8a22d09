"""Guesses at passwords from many places, and codes that their sender does not send."""

from __future__ import annotations

import pytest

from rpc.errors import CallError, Code
from rpc.proto import auth_pb2
from store.queries import codes, guesses
from tests.rpc.services.accounts import PASSWORD, House, open_house, with_password
from tests.rpc.services.kit import refused

WRONG = "another long password"


async def attempts(house: House, login: str, password: str = WRONG) -> list[tuple[str, str, int]]:
    """How eleven guesses, each by a new device from elsewhere, were refused."""
    answers = []
    for number in range(guesses.MAX_IN_WINDOW + 1):
        device = house.device()
        device.address = f"192.0.2.{number}"
        with pytest.raises(CallError) as caught:
            await device.auth.sign_in_with_password(with_password(login, password))
        error = caught.value
        answers.append((Code.Name(error.code), error.message, error.retry_after_ms // 60_000))
    return answers


async def test_a_login_has_ten_guesses_an_hour_wherever_they_come_from() -> None:
    async with open_house() as house:
        await house.join("ann")
        answers = await attempts(house, "ann")
        assert [code for code, _, _ in answers] == ["UNAUTHENTICATED"] * 10 + ["RATE_LIMITED"]
        assert answers[-1][2] == 59  # minutes
        async with refused(Code.RATE_LIMITED):  # the right one is as good as any
            await house.device().auth.sign_in_with_password(with_password("ann"))
        async with refused(Code.RATE_LIMITED):  # however it is spelled
            await house.device().auth.sign_in_with_password(with_password(" ANN "))
        house.kit.world.now_ms += guesses.WINDOW_MS
        assert (await house.device().auth.sign_in_with_password(with_password("ann"))).token


async def test_the_limit_does_not_tell_whether_there_is_an_account() -> None:
    async with open_house() as house:
        await house.join("ann")
        await house.join("ben", password="")
        known = await attempts(house, "ann")
        for login in ("ben", "nobody", "ann@example.org", "nobody@example.org", "not@an@address"):
            house.hasher.verified.clear()
            assert await attempts(house, login) == known, login
            assert len(house.hasher.verified) == guesses.MAX_IN_WINDOW


async def test_who_is_guessed_at_still_gets_in_by_a_code_and_stays_in() -> None:
    async with open_house() as house:
        _, joined = await house.join("ann")
        for login in ("ann", "ann@example.org"):
            await attempts(house, login)
        device, entered = await house.enter("ann")
        assert entered.user == joined.user
        assert await house.opens(joined.token)
        # And may change the password that is guessed at.
        change = auth_pb2.SetPasswordRequest(old_password=PASSWORD, new_password=WRONG)
        await device.auth.set_password(change)


async def test_right_passwords_cost_nothing() -> None:
    async with open_house() as house:
        await house.join("ann")
        for _ in range(2 * guesses.MAX_IN_WINDOW):
            assert (await house.device().auth.sign_in_with_password(with_password("ann"))).token
        assert [code for code, _, _ in await attempts(house, "ann")][-2:] == [
            "UNAUTHENTICATED",
            "RATE_LIMITED",
        ]


async def test_a_lost_answer_is_no_guess() -> None:
    async with open_house() as house:
        await house.join("ann")
        device = house.device()
        device.op_key = b"k" * 16
        first = await device.auth.sign_in_with_password(with_password("ann"))
        await attempts(house, "ann")
        assert await device.reconnected().auth.sign_in_with_password(with_password("ann")) == first


async def test_old_passwords_are_guessed_at_as_seldom() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        ben, _ = await house.join("ben")

        def change(old: str) -> auth_pb2.SetPasswordRequest:
            return auth_pb2.SetPasswordRequest(old_password=old, new_password=WRONG)

        for _ in range(guesses.MAX_IN_WINDOW):
            async with refused(Code.PERMISSION_DENIED, "old_password"):
                await ann.auth.set_password(change("wrong"))
        async with refused(Code.RATE_LIMITED):
            await ann.auth.set_password(change(PASSWORD))
        await ben.auth.set_password(change(PASSWORD))
        # Signing in is counted apart.
        assert (await house.device().auth.sign_in_with_password(with_password("ann"))).token


async def test_no_login_is_kept_of_who_was_guessed_at() -> None:
    async with open_house() as house:
        await house.join("ann")
        await attempts(house, "ann")
        rows = await house.kit.world.rows("SELECT guess_key FROM password_guesses")
        assert len(rows) == 1
        assert len(rows[0][0]) == 32
        assert b"ann" not in rows[0][0]


async def test_a_sender_that_fails_is_no_fault_of_the_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_house() as house:
        address = "ann@example.org"
        request = auth_pb2.RequestCodeRequest(address=address)
        await house.join("ann")
        house.kit.world.now_ms += codes.WINDOW_MS

        async def fail(address: str, code: str) -> None:
            raise OSError("the gateway of the messages is down")

        with monkeypatch.context() as patch:
            patch.setattr(house.postman, "send_code", fail)
            for _ in range(2 * codes.MAX_IN_WINDOW):
                with pytest.raises(CallError) as caught:
                    await house.device().auth.request_code(request)
                assert caught.value.code == Code.UNAVAILABLE
                assert caught.value.retryable
                assert caught.value.retry_after_ms
        # At once, and as many as on any other day.
        await house.device().auth.request_code(request)
        for _ in range(codes.MAX_IN_WINDOW - 1):
            await house.code(address)
        house.kit.world.now_ms += codes.RESEND_AFTER_MS
        async with refused(Code.RATE_LIMITED):
            await house.device().auth.request_code(request)
