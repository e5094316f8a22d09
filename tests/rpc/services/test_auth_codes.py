"""Signing in by a code, and signing up."""

from __future__ import annotations

import secrets

import pytest
import trio

from rpc.errors import CallError, Code
from rpc.proto import auth_pb2
from rpc.proto.frames_pb2 import Committed
from store.queries import codes
from tests.rpc.services.accounts import PASSWORD, House, open_house, with_code, with_password, wrong
from tests.rpc.services.kit import refused

ANN = "ann@example.org"


def sign_up(ticket: str, username: str = "ann", **fields: str) -> auth_pb2.SignUpRequest:
    return auth_pb2.SignUpRequest(
        **({"ticket": ticket, "username": username, "name": "Ann"} | fields)
    )


async def test_a_new_address_leads_to_an_account_on_an_upgraded_connection() -> None:
    async with open_house() as house:
        device = house.device()
        asked = await device.auth.request_code(
            auth_pb2.RequestCodeRequest(address=" Ann@Example.ORG")
        )
        assert (asked.resend_after_ms, asked.lifetime_ms, asked.code_length) == (30_000, 600_000, 6)
        address, code = house.postman.sent[-1]
        assert (address, len(code), code.isdigit()) == (ANN, 6, True)
        first = await device.auth.sign_in_with_code(with_code("ANN@example.org", f" {code} "))
        assert first.sign_up_ticket
        assert (first.token, first.session_id, first.HasField("user")) == ("", 0, False)
        assert device.user_id == 0
        answer = await device.auth.sign_up(sign_up(first.sign_up_ticket, "Ann.Lee", name=" Ann "))
        assert (answer.user.username, answer.user.name) == ("Ann.Lee", "Ann")
        assert (device.user_id, device.session_id) == (answer.user.id, answer.session_id)
        assert device.cursor_before_upgrade
        assert answer.cursor == b"cursor"
        session = await house.opens(answer.token)
        assert (session.id, session.user_id) == (answer.session_id, answer.user.id)
        assert (session.device, session.client) == ("Pixel 9", "tests/1")
        assert session.expires_ms == answer.expires_ms
        assert answer.expires_ms == session.created_ms + 90 * 24 * 3600 * 1000


async def test_a_known_address_leads_to_a_session_of_its_user() -> None:
    async with open_house() as house:
        _, joined = await house.join("ann")
        device, entered = await house.enter("ann")
        assert entered.user == joined.user
        assert entered.session_id != joined.session_id
        assert entered.token != joined.token
        assert not entered.sign_up_ticket
        assert device.user_id == joined.user.id
        assert (await house.opens(joined.token)).id == joined.session_id


async def test_a_lost_answer_is_asked_for_again_though_its_code_is_used() -> None:
    async with open_house() as house:
        await house.join("ann")
        device, request = house.device(), with_code(ANN, await house.code(ANN))
        device.op_key = secrets.token_bytes(16)
        first = await device.auth.sign_in_with_code(request)
        head = await house.kit.world.head()
        # On a new connection, and on the old one, which the first attempt has upgraded.
        again = device.reconnected()
        assert await again.auth.sign_in_with_code(request) == first
        assert again.session_id == first.session_id
        assert await device.auth.sign_in_with_code(request) == first
        # Long after the code would have expired.
        house.kit.world.now_ms += codes.LIFETIME_MS * 10
        assert await device.reconnected().auth.sign_in_with_code(request) == first
        assert await house.kit.world.head() == head


async def test_a_repeat_is_the_same_device_s_with_the_same_request() -> None:
    async with open_house() as house:
        await house.join("ann")
        device, code = house.device(), await house.code(ANN)
        device.op_key = secrets.token_bytes(16)
        await device.auth.sign_in_with_code(with_code(ANN, code))
        async with refused(Code.OP_KEY_REUSED):
            await device.reconnected().auth.sign_in_with_code(with_code(ANN, wrong(code)))
        thief = house.device()
        thief.op_key = device.op_key
        async with refused(Code.UNAUTHENTICATED):
            await thief.auth.sign_in_with_code(with_code(ANN, code))


async def test_a_repeat_does_not_revive_a_session_that_has_ended() -> None:
    async with open_house() as house:
        await house.join("ann")
        device, request = house.device(), with_code(ANN, await house.code(ANN))
        device.op_key = secrets.token_bytes(16)
        await device.auth.sign_in_with_code(request)
        late = device.reconnected()
        device.op_key = b""
        await device.auth.sign_out(auth_pb2.SignOutRequest())
        with pytest.raises(CallError) as caught:
            await late.auth.sign_in_with_code(request)
        assert caught.value.code == Code.UNAUTHENTICATED
        assert late.user_id == 0


async def test_a_repeat_gives_the_first_ticket_again() -> None:
    async with open_house() as house:
        device, request = house.device(), with_code(ANN, await house.code(ANN))
        first, second = await house.kit.repeated(device, device.auth.sign_in_with_code, request)
        assert first == second
        assert first.sign_up_ticket
        assert not await house.kit.world.rows("SELECT id FROM sessions")


async def race(
    house: House, *requests: tuple[bytes, bytes, auth_pb2.SignInWithCodeRequest]
) -> list[str]:
    """What each attempt (device, op_key, request) got: its token, or the name of its refusal."""
    results = [""] * len(requests)

    async def attempt(index: int) -> None:
        device_id, op_key, request = requests[index]
        device = house.device()
        device.device_id, device.op_key = device_id, op_key
        try:
            results[index] = (await device.auth.sign_in_with_code(request)).token
        except CallError as error:
            results[index] = Code.Name(error.code)

    async with trio.open_nursery() as nursery:
        for index in range(len(requests)):
            nursery.start_soon(attempt, index)
    return results


async def test_of_two_who_come_with_one_code_one_gets_in() -> None:
    async with open_house() as house:
        await house.join("ann")
        for _ in range(5):
            request = with_code(ANN, await house.code(ANN))
            results = await race(
                house,
                *((secrets.token_bytes(16), secrets.token_bytes(16), request) for _ in range(3)),
            )
            assert results.count("UNAUTHENTICATED") == 2
            (token,) = (one for one in results if one != "UNAUTHENTICATED")
            assert await house.opens(token)
        assert len(await house.kit.world.rows("SELECT id FROM sessions")) == 6


async def test_a_call_and_its_own_repeat_at_once_are_one_sign_in() -> None:
    async with open_house() as house:
        await house.join("ann")
        for _ in range(5):
            attempt = (
                secrets.token_bytes(16),
                secrets.token_bytes(16),
                with_code(ANN, await house.code(ANN)),
            )
            results = await race(house, attempt, attempt, attempt)
            assert len(set(results)) == 1
            assert await house.opens(results[0])
        assert len(await house.kit.world.rows("SELECT id FROM sessions")) == 6


async def test_five_wrong_codes_end_the_code() -> None:
    async with open_house() as house:
        await house.join("ann")
        code = await house.code(ANN)
        for left in (4, 3, 2, 1, 0):
            with pytest.raises(CallError) as caught:
                await house.device().auth.sign_in_with_code(with_code(ANN, wrong(code)))
            assert caught.value.code == Code.UNAUTHENTICATED
            assert caught.value.details == {"reason": "wrong", "attempts_left": str(left)}
        with pytest.raises(CallError) as caught:
            await house.device().auth.sign_in_with_code(with_code(ANN, code))
        assert caught.value.details == {"reason": "ended"}
        assert (await house.enter("ann"))[1].token  # the next code has its own attempts


async def test_a_code_ends_when_it_is_used_replaced_or_old() -> None:
    async with open_house() as house:
        await house.join("ann")
        used = await house.code(ANN)
        await house.device().auth.sign_in_with_code(with_code(ANN, used))
        async with refused(Code.UNAUTHENTICATED):
            await house.device().auth.sign_in_with_code(with_code(ANN, used))
        replaced, current = await house.code(ANN), await house.code(ANN)
        if replaced != current:
            async with refused(Code.UNAUTHENTICATED):
                await house.device().auth.sign_in_with_code(with_code(ANN, replaced))
        house.kit.world.now_ms += codes.LIFETIME_MS
        async with refused(Code.UNAUTHENTICATED):
            await house.device().auth.sign_in_with_code(with_code(ANN, current))
        async with refused(Code.UNAUTHENTICATED):
            await house.device().auth.sign_in_with_code(with_code("nobody@example.org", current))


async def test_codes_are_sent_seldom_and_alike_for_known_and_unknown() -> None:
    async with open_house() as house:
        await house.join("ann")
        for address in (ANN, "stranger@example.org"):
            await house.code(address)
            sent = len(house.postman.sent)
            with pytest.raises(CallError) as caught:
                await house.device().auth.request_code(auth_pb2.RequestCodeRequest(address=address))
            assert caught.value.code == Code.RATE_LIMITED
            assert 0 < caught.value.retry_after_ms <= codes.RESEND_AFTER_MS
            assert len(house.postman.sent) == sent
        async with refused(Code.INVALID_ARGUMENT, "address"):
            await house.device().auth.request_code(
                auth_pb2.RequestCodeRequest(address="no address")
            )


async def test_signing_up_twice_with_one_op_key_is_one_account() -> None:
    async with open_house() as house:
        device, ticket = house.device(), await house.ticket(ANN)
        device.op_key = secrets.token_bytes(16)
        request = sign_up(ticket, password=PASSWORD)
        first = await device.auth.sign_up(request)
        house.kit.world.now_ms += 31 * 60 * 1000  # the ticket has expired meanwhile
        again = device.reconnected()
        assert await again.auth.sign_up(request) == first
        assert again.user_id == first.user.id
        assert len(await house.kit.world.rows("SELECT id FROM users WHERE username = 'ann'")) == 1
        assert (await house.device().auth.sign_in_with_password(with_password("ann"))).token


async def test_who_may_not_sign_up() -> None:
    async with open_house() as house:
        await house.join("ann")
        ticket = await house.ticket("new@example.org")
        device = house.device()
        async with refused(Code.CONFLICT, "username"):
            await device.auth.sign_up(sign_up(ticket, "ANN"))
        for bad in ("admin", "a..b", "_ann", "ann!", "\u017fam", "\u212aevin"):
            async with refused(Code.INVALID_ARGUMENT, "username"):
                await device.auth.sign_up(sign_up(ticket, bad))
        async with refused(Code.INVALID_ARGUMENT, "name"):
            await device.auth.sign_up(sign_up(ticket, "new", name="   "))
        async with refused(Code.INVALID_ARGUMENT, "password"):
            await device.auth.sign_up(sign_up(ticket, "new", password="short"))
        for forged in ("x", "\u00e9", ticket[:-4] + "AAAA", "A" + ticket[1:]):
            async with refused(Code.UNAUTHENTICATED):
                await device.auth.sign_up(sign_up(forged, "new"))
        assert device.user_id == 0
        await device.auth.sign_up(sign_up(ticket, "new"))
        async with refused(Code.CONFLICT, "address"):  # one ticket is one account
            await house.device().auth.sign_up(sign_up(ticket, "newer"))
        ticket = await house.ticket("late@example.org")
        house.kit.world.now_ms += 30 * 60 * 1000
        async with refused(Code.UNAUTHENTICATED):
            await house.device().auth.sign_up(sign_up(ticket, "late"))


async def test_a_connection_is_one_account_s() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        await house.join("ben")
        code = await house.code("ben@example.org")
        user_id = ann.user_id
        async with refused(Code.CONFLICT):
            await ann.auth.sign_in_with_code(with_code("ben@example.org", code))
        async with refused(Code.CONFLICT):
            await ann.auth.sign_in_with_password(with_password("ben"))
        assert ann.user_id == user_id
        # The refusal has neither used the code nor counted an attempt.
        assert (
            await house.device().auth.sign_in_with_code(with_code("ben@example.org", code))
        ).token


async def test_a_refusal_leaves_the_op_key_free() -> None:
    async with open_house() as house:
        await house.join("ann")
        code = await house.code(ANN)
        device = house.device()
        device.op_key = secrets.token_bytes(16)
        with pytest.raises(CallError) as caught:
            await device.auth.sign_in_with_code(with_code(ANN, wrong(code)))
        assert caught.value.committed == Committed.COMMITTED_NO
        assert (await device.auth.sign_in_with_code(with_code(ANN, code))).token
