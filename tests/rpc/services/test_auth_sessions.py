"""Sessions: their tokens, their list, their end; and that no secret is kept anywhere."""

from __future__ import annotations

import base64
import hashlib
import secrets

import pytest
import structlog.testing

from rpc.errors import CallError, Code
from rpc.proto import auth_pb2
from store.changes.sessions import MAX_OLD_TOKENS
from store.queries import sessions
from tests.rpc.services.accounts import (
    PASSWORD,
    Device,
    House,
    open_house,
    with_code,
    with_password,
)
from tests.rpc.services.kit import refused

LIFETIME = 90 * 24 * 3600 * 1000
REFRESH = auth_pb2.RefreshTokenRequest()


async def listed(device: Device) -> list[int]:
    answer = await device.auth.list_sessions(auth_pb2.ListSessionsRequest())
    return [one.id for one in answer.sessions]


async def test_signing_out_ends_the_session_and_its_connection() -> None:
    async with open_house() as house:
        ann, joined = await house.join("ann")
        _, entered = await house.enter("ann")
        await house.kit.repeated(ann, ann.auth.sign_out, auth_pb2.SignOutRequest())
        assert ann.closing
        async with refused(Code.UNAUTHENTICATED):
            await house.opens(joined.token)
        assert await house.opens(entered.token)


async def test_the_list_shows_living_sessions_the_newest_first() -> None:
    async with open_house() as house:
        ann, joined = await house.join("ann")
        other, entered = await house.enter("ann")
        await house.join("ben")
        answer = await ann.auth.list_sessions(auth_pb2.ListSessionsRequest())
        assert [(one.id, one.current) for one in answer.sessions] == [
            (entered.session_id, False),
            (joined.session_id, True),
        ]
        one = answer.sessions[0]
        assert (one.device, one.client, one.revoked) == ("Pixel 9", "tests/1", False)
        assert one.created_ms == one.last_used_ms > 0
        await other.auth.sign_out(auth_pb2.SignOutRequest())
        assert await listed(ann) == [joined.session_id]
        async with refused(Code.UNAUTHENTICATED):
            await listed(house.device())


async def test_one_session_is_revoked_once() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        _, entered = await house.enter("ann")
        request = auth_pb2.RevokeSessionsRequest(session_id=entered.session_id)
        first, second = await house.kit.repeated(ann, ann.auth.revoke_sessions, request)
        assert first == second
        assert list(first.revoked) == [entered.session_id]
        assert not ann.closing
        assert not (await ann.auth.revoke_sessions(request)).revoked  # it has ended before
        async with refused(Code.UNAUTHENTICATED):
            await house.opens(entered.token)


async def test_all_others_are_revoked() -> None:
    async with open_house() as house:
        ann, joined = await house.join("ann")
        others = [(await house.enter("ann"))[1] for _ in range(3)]
        _, bens = await house.join("ben")
        request = auth_pb2.RevokeSessionsRequest(all_others=True)
        first, second = await house.kit.repeated(ann, ann.auth.revoke_sessions, request)
        assert first == second
        assert list(first.revoked) == [one.session_id for one in others]
        for one in others:
            async with refused(Code.UNAUTHENTICATED):
                await house.opens(one.token)
        assert await house.opens(joined.token)
        assert await house.opens(bens.token)


async def test_whose_sessions_may_not_be_revoked() -> None:
    async with open_house() as house:
        ann, joined = await house.join("ann")
        ben, _ = await house.join("ben")
        for session_id in (joined.session_id, 10**9):
            async with refused(Code.NOT_FOUND):
                await ben.auth.revoke_sessions(
                    auth_pb2.RevokeSessionsRequest(session_id=session_id)
                )
        for request in (
            auth_pb2.RevokeSessionsRequest(),
            auth_pb2.RevokeSessionsRequest(session_id=joined.session_id, all_others=True),
        ):
            async with refused(Code.INVALID_ARGUMENT):
                await ann.auth.revoke_sessions(request)
        assert await house.opens(joined.token)


async def test_revoking_one_s_own_session_is_signing_out() -> None:
    async with open_house() as house:
        ann, joined = await house.join("ann")
        answer = await ann.auth.revoke_sessions(
            auth_pb2.RevokeSessionsRequest(session_id=joined.session_id)
        )
        assert list(answer.revoked) == [joined.session_id]
        assert ann.closing


async def test_a_revoked_session_s_last_calls_change_nothing() -> None:
    """Its connection may live for a moment longer than the session."""
    async with open_house() as house:
        ann, joined = await house.join("ann")
        thief, entered = await house.enter("ann")
        await ann.auth.revoke_sessions(auth_pb2.RevokeSessionsRequest(all_others=True))
        head = await house.kit.world.head()
        async with refused(Code.UNAUTHENTICATED):
            await thief.auth.revoke_sessions(auth_pb2.RevokeSessionsRequest(all_others=True))
        async with refused(Code.UNAUTHENTICATED):
            await thief.auth.refresh_token(REFRESH)
        async with refused(Code.UNAUTHENTICATED):
            await thief.auth.set_password(
                auth_pb2.SetPasswordRequest(old_password=PASSWORD, new_password="stolen it is")
            )
        assert await house.kit.world.head() == head
        assert await house.opens(joined.token)
        assert (await house.device().auth.sign_in_with_password(with_password("ann"))).token
        async with refused(Code.UNAUTHENTICATED):
            await house.opens(entered.token)


async def test_a_fresh_token_lasts_and_its_first_use_ends_the_old_one() -> None:
    async with open_house() as house:
        ann, joined = await house.join("ann")
        house.kit.world.now_ms += LIFETIME // 2
        first, second = await house.kit.repeated(ann, ann.auth.refresh_token, REFRESH)
        assert first == second
        assert first.token != joined.token
        assert first.expires_ms > joined.expires_ms
        # The answer may have been lost: until its token is used, the old one leads back in.
        assert (await house.opens(joined.token)).id == joined.session_id
        assert (await house.opens(first.token)).id == joined.session_id
        async with refused(Code.UNAUTHENTICATED):
            await house.opens(joined.token)
        house.kit.world.now_ms += LIFETIME - 5_000
        assert await house.opens(first.token)
        house.kit.world.now_ms += 5_000
        async with refused(Code.UNAUTHENTICATED):
            await house.opens(first.token)


async def test_lost_answers_in_a_row_do_not_lock_out() -> None:
    async with open_house() as house:
        ann, joined = await house.join("ann")
        fresh = [(await ann.auth.refresh_token(REFRESH)).token for _ in range(3)]
        for token in (joined.token, *fresh[:-1]):
            assert await house.opens(token)
        assert await house.opens(fresh[-1])
        for token in (joined.token, *fresh[:-1]):
            async with refused(Code.UNAUTHENTICATED):
                await house.opens(token)


async def test_tokens_that_nobody_uses_are_bounded() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        for _ in range(MAX_OLD_TOKENS):
            token = (await ann.auth.refresh_token(REFRESH)).token
        async with refused(Code.CONFLICT):
            await ann.auth.refresh_token(REFRESH)
        assert await house.opens(token)
        assert (await ann.auth.refresh_token(REFRESH)).token


async def test_a_session_s_op_key_gives_no_other_session_its_token() -> None:
    async with open_house() as house:
        ann, _ = await house.join("ann")
        other, _ = await house.enter("ann")
        ann.op_key = other.op_key = secrets.token_bytes(16)
        await ann.auth.refresh_token(REFRESH)
        async with refused(Code.OP_KEY_REUSED):
            await other.auth.refresh_token(REFRESH)


async def test_the_last_use_is_kept_to_the_minute() -> None:
    async with open_house() as house:
        ann, joined = await house.join("ann")
        world = house.kit.world
        await house.opens(joined.token)
        assert not await world.rows("SELECT at_ms FROM session_uses")
        world.now_ms += sessions.TOUCH_EVERY_MS
        await house.opens(joined.token)
        used = world.now_ms
        assert await world.rows("SELECT session_id, at_ms FROM session_uses") == [
            (joined.session_id, used)
        ]
        world.now_ms += sessions.TOUCH_EVERY_MS - 1
        await house.opens(joined.token)
        assert await world.rows("SELECT at_ms FROM session_uses") == [(used,)]
        answer = await ann.auth.list_sessions(auth_pb2.ListSessionsRequest())
        assert answer.sessions[0].last_used_ms == used


@pytest.mark.parametrize("token", ["", "x", "\ud800", "\x00", "a" * 201, "MTAwMS4" + "A" * 43])
async def test_what_is_no_token_opens_nothing(token: str) -> None:
    async with open_house() as house:
        await house.join("ann")
        with pytest.raises(CallError) as caught:
            await house.opens(token)
        assert caught.value.code == Code.UNAUTHENTICATED


async def test_no_secret_is_kept_or_logged() -> None:
    async with open_house() as house:
        with structlog.testing.capture_logs() as logs:
            ann, joined = await house.join("ann")
            address, code = "ann@example.org", await house.code("ann@example.org")
            entered = await house.device().auth.sign_in_with_code(with_code(address, code))
            by_password = await house.device().auth.sign_in_with_password(with_password("ann"))
            fresh = await ann.auth.refresh_token(REFRESH)
            await ann.auth.set_password(
                auth_pb2.SetPasswordRequest(old_password=PASSWORD, new_password="a newer password")
            )
            pending = await house.code(address)
        tokens = [joined.token, entered.token, by_password.token, fresh.token]
        needles = [one.encode() for one in (*tokens, PASSWORD, "a newer password")]
        needles += [base64.urlsafe_b64decode(one + "=" * (-len(one) % 4))[-32:] for one in tokens]
        needles += [sent.encode() for _, sent in house.postman.sent]
        # Nor what a fast guess at a code would be held against.
        needles += [hashlib.sha256(one.encode()).digest() for one in (code, pending)]
        haystack = await everything(house)
        assert any(b"ann@example.org" in cell for cell in haystack)  # it does look everywhere
        assert not [needle for needle in needles for cell in haystack if needle in cell]
        shown = repr(logs).encode()
        assert not [needle for needle in needles if needle in shown]


async def test_the_digest_of_a_request_cannot_be_guessed_from_it() -> None:
    """The ops table holds a digest of requests with codes and passwords in them."""
    async with open_house() as house:
        await house.join("ann")
        request = with_password("ann")
        device = house.device()
        device.op_key = secrets.token_bytes(16)
        await device.auth.sign_in_with_password(request)
        plain = hashlib.blake2b(request.SerializeToString(), digest_size=16, person=b"sunwire-op")
        plain.update(b"Auth.SignInWithPassword")
        ((stored,),) = await house.kit.world.rows(
            "SELECT digest FROM ops WHERE op_key = ?", device.op_key
        )
        assert len(stored) == 16
        assert stored != plain.digest()


async def everything(house: House) -> list[bytes]:
    """The text and bytes in every cell of every table."""
    cells: list[bytes] = []
    tables = await house.kit.world.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert {"ops", "log", "codes", "sessions", "users"} <= {name for (name,) in tables}
    for (name,) in tables:
        for row in await house.kit.world.rows(f"SELECT * FROM {name}"):
            cells += [
                c.encode() if isinstance(c, str) else c for c in row if not isinstance(c, int)
            ]
    return cells
