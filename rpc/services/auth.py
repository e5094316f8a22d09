"""Accounts and sessions: codes, passwords, signing up, tokens.

Neither a token nor a code nor a password is stored or logged. A repeat of a sign-in is
answered with its first token, which is derived again from what the log of op_keys holds.
"""

from __future__ import annotations

import os
import secrets

import structlog

from rpc.context import CallContext, CodeSender
from rpc.errors import CallError, Code
from rpc.passwords import PasswordHasher
from rpc.proto import auth_pb2
from rpc.proto.stubs import AuthService
from rpc.services._addresses import is_address, normalise, normalise_login
from rpc.services._tokens import Minter
from rpc.views import Views
from store import tokens
from store.changes.accounts import SignUp
from store.changes.base import Op
from store.changes.sessions import (
    Grant,
    NewSession,
    RevokeSessions,
    RotateToken,
    SetPassword,
    SignInWithCode,
    SignInWithPassword,
)
from store.queries import codes, guesses
from store.queries.codes import Verdict
from store.queries.ops import is_repeat
from store.queries.sessions import authenticate, list_sessions
from store.queries.users import (
    password_of,
    user_id_by_address,
    user_id_by_username,
    users_by_id,
)
from store.records import SessionRecord, UserRecord
from store.transaction import Transaction

log = structlog.get_logger("auth")

NONCE_BYTES = 32
SENDER_PAUSE_MS = 1000  # before a code is asked for again that could not be sent


class Auth(AuthService):
    """A successful sign-in upgrades its connection in place, unless somebody is signed in on
    it already.

    What is judged before a change is advice, save one thing: whether it is a repeat. Judging
    that first lets a lost answer be asked for again after its code is used, its ticket has
    expired or its password was changed.

    Wrong codes are counted by the code, wrong passwords by the login, known or not. Whoever
    exhausts the latter keeps the owner from his password for an hour, not from his account: he
    may sign in with a code, and those who are signed in stay so.
    """

    def __init__(
        self, sender: CodeSender, hasher: PasswordHasher, secret: bytes, views: Views
    ) -> None:
        self._sender = sender
        self._hasher = hasher
        self._minter = Minter(secret)
        self._views = views

    async def request_code(
        self, ctx: CallContext, request: auth_pb2.RequestCodeRequest
    ) -> auth_pb2.RequestCodeResponse:
        address = normalise(request.address)
        code = f"{secrets.randbelow(10**codes.CODE_DIGITS):0{codes.CODE_DIGITS}}"
        await ctx.write(codes.issue, address, self._minter.code_hash(address, code), ctx.now_ms)
        await self._send(ctx, address, code)
        return auth_pb2.RequestCodeResponse(
            resend_after_ms=codes.RESEND_AFTER_MS,
            lifetime_ms=codes.LIFETIME_MS,
            code_length=codes.CODE_DIGITS,
        )

    async def _send(self, ctx: CallContext, address: str, code: str) -> None:
        try:
            await self._sender.send_code(address, code)
        except Exception as error:
            # Foreign code, and no fault of the person: it does not count against the address.
            log.error("a code could not be sent", exc_info=error)
            await ctx.write(codes.withdraw, address, self._minter.code_hash(address, code))
            raise CallError(
                Code.UNAVAILABLE, "the code could not be sent", retry_after_ms=SENDER_PAUSE_MS
            ) from error

    async def sign_in_with_code(
        self, ctx: CallContext, request: auth_pb2.SignInWithCodeRequest
    ) -> auth_pb2.SignedIn:
        op = self._device_op(ctx)
        address = normalise(request.address)
        code_hash = self._minter.code_hash(address, request.code.strip())
        if not await self._is_repeat(ctx, op):
            verdict, left = await ctx.write(codes.judge, op, address, code_hash, ctx.now_ms)
            if verdict is Verdict.WRONG:
                raise CallError(
                    Code.UNAUTHENTICATED,
                    "wrong code",
                    details={"reason": "wrong", "attempts_left": str(left)},
                )
            if verdict is Verdict.GONE:
                raise CallError(
                    Code.UNAUTHENTICATED,
                    "the code has ended: ask for a new one",
                    details={"reason": "ended"},
                )
        outcome = await ctx.commit(
            SignInWithCode(
                op=op, address=address, code_hash=code_hash, session=self._new_session(ctx)
            )
        )
        if outcome.grant is None:
            return auth_pb2.SignedIn(
                sign_up_ticket=self._minter.ticket(address, outcome.ticket_expires_ms)
            )
        return await self._admit(ctx, outcome.grant)

    async def sign_in_with_password(
        self, ctx: CallContext, request: auth_pb2.SignInWithPasswordRequest
    ) -> auth_pb2.SignedIn:
        op = self._device_op(ctx)
        user_id, stored, renewed = 0, "", ""
        if not await self._is_repeat(ctx, op):
            guesses_at = self._minter.login_guesses(normalise_login(request.login))
            await ctx.write(guesses.take, guesses_at, ctx.now_ms)
            user_id, stored = await ctx.read(_credentials, request.login)
            if not await self._hasher.verify(stored, request.password):
                raise CallError(Code.UNAUTHENTICATED, "wrong login or password")
            await ctx.write(guesses.give_back, guesses_at)
            if self._hasher.needs_rehash(stored):
                renewed = await self._hasher.hash(request.password)
        grant = await ctx.commit(
            SignInWithPassword(
                op=op,
                user_id=user_id,
                verified=stored,
                renewed=renewed,
                session=self._new_session(ctx),
            )
        )
        return await self._admit(ctx, grant)

    async def sign_up(self, ctx: CallContext, request: auth_pb2.SignUpRequest) -> auth_pb2.SignedIn:
        op = self._device_op(ctx)
        address, password = "", ""
        if not await self._is_repeat(ctx, op):
            address = self._minter.read_ticket(request.ticket, ctx.now_ms)
            if request.password:
                password = await self._hasher.hash(request.password)
        grant = await ctx.commit(
            SignUp(
                op=op,
                address=address,
                username=request.username,
                name=request.name,
                password=password,
                session=self._new_session(ctx),
            )
        )
        return await self._admit(ctx, grant)

    async def set_password(
        self, ctx: CallContext, request: auth_pb2.SetPasswordRequest
    ) -> auth_pb2.SetPasswordResponse:
        op = self._session_op(ctx)
        password = ""
        repeat, stored = await ctx.read(_own_password, op, ctx.user_id)
        if not repeat:
            if stored:
                await self._check_old_password(ctx, stored, request.old_password)
            password = await self._hasher.hash(request.new_password)
        await ctx.commit(
            SetPassword(
                op=op,
                user_id=ctx.user_id,
                session_id=ctx.identity.session_id,
                verified=stored,
                password=password,
                revoke_others=request.sign_out_others,
            )
        )
        return auth_pb2.SetPasswordResponse()

    async def _check_old_password(self, ctx: CallContext, stored: str, password: str) -> None:
        guesses_at = self._minter.change_guesses(ctx.user_id)
        await ctx.write(guesses.take, guesses_at, ctx.now_ms)
        if not await self._hasher.verify(stored, password):
            raise CallError(
                Code.PERMISSION_DENIED,
                "the old password is wrong",
                details={"field": "old_password"},
            )
        await ctx.write(guesses.give_back, guesses_at)

    async def refresh_token(
        self, ctx: CallContext, request: auth_pb2.RefreshTokenRequest
    ) -> auth_pb2.RefreshTokenResponse:
        nonce = os.urandom(NONCE_BYTES)
        grant = await ctx.commit(
            RotateToken(
                op=self._session_op(ctx),
                user_id=ctx.user_id,
                session_id=ctx.identity.session_id,
                nonce=nonce,
                key=self._minter.session_key(nonce),
            )
        )
        return auth_pb2.RefreshTokenResponse(
            token=self._minter.token(grant.session_id, grant.nonce), expires_ms=grant.expires_ms
        )

    async def sign_out(
        self, ctx: CallContext, request: auth_pb2.SignOutRequest
    ) -> auth_pb2.SignOutResponse:
        session_id = ctx.identity.session_id
        await ctx.commit(
            RevokeSessions(
                op=ctx.op, user_id=ctx.user_id, session_id=session_id, target_id=session_id
            )
        )
        ctx.identity.sign_out()
        return auth_pb2.SignOutResponse()

    async def list_sessions(
        self, ctx: CallContext, request: auth_pb2.ListSessionsRequest
    ) -> auth_pb2.ListSessionsResponse:
        found = await ctx.read(list_sessions, ctx.user_id, ctx.now_ms)
        return auth_pb2.ListSessionsResponse(
            sessions=[self._views.session(one, ctx.identity.session_id) for one in found]
        )

    async def revoke_sessions(
        self, ctx: CallContext, request: auth_pb2.RevokeSessionsRequest
    ) -> auth_pb2.RevokeSessionsResponse:
        if bool(request.session_id) == request.all_others:
            raise CallError(
                Code.INVALID_ARGUMENT,
                "name one session, or all others",
                details={"field": "session_id"},
            )
        revoked = await ctx.commit(
            RevokeSessions(
                op=ctx.op,
                user_id=ctx.user_id,
                session_id=ctx.identity.session_id,
                target_id=request.session_id,
            )
        )
        if ctx.identity.session_id in revoked:
            ctx.identity.sign_out()
        return auth_pb2.RevokeSessionsResponse(revoked=revoked)

    def _device_op(self, ctx: CallContext) -> Op:
        """Sign-ins are keyed by device even on a connection that is signed in: the first
        attempt may have upgraded it, and its repeat must find the same key."""
        assert ctx.op is not None
        scope = f"d:{ctx.identity.device_id.hex()}"
        return self._minter.op(Op(scope=scope, key=ctx.op.key, digest=ctx.op.digest))

    def _session_op(self, ctx: CallContext) -> Op:
        assert ctx.op is not None
        return self._minter.op(ctx.op, str(ctx.identity.session_id))

    async def _is_repeat(self, ctx: CallContext, op: Op) -> bool:
        """Whether this sign-in was made before; a new one needs a connection of its own."""
        signed_in = bool(ctx.user_id)
        repeat = await ctx.read(is_repeat, op)
        if signed_in and not repeat:
            raise CallError(
                Code.CONFLICT, "this connection is signed in: open another for another account"
            )
        return repeat

    def _new_session(self, ctx: CallContext) -> NewSession:
        nonce = os.urandom(NONCE_BYTES)
        return NewSession(
            nonce=nonce,
            key=self._minter.session_key(nonce),
            device=ctx.identity.device,
            client=ctx.identity.client,
        )

    async def _admit(self, ctx: CallContext, grant: Grant) -> auth_pb2.SignedIn:
        """The answer to a sign-in, once the connection has been upgraded."""
        token = self._minter.token(grant.session_id, grant.nonce)
        found = await ctx.read(_arrival, tokens.digest(token), ctx.now_ms)
        if found is None:  # a late repeat
            raise CallError(Code.UNAUTHENTICATED, "this session has ended: sign in again")
        session, user = found
        # Before the upgrade: what comes between is then delivered twice rather than never.
        cursor = ctx.identity.cursor()
        if not ctx.user_id:
            await ctx.identity.signed_in(session.user_id, session.id)
        return auth_pb2.SignedIn(
            token=token,
            session_id=session.id,
            user=self._views.user(user),
            expires_ms=session.expires_ms,
            cursor=cursor,
        )


async def _credentials(tx: Transaction, login: str) -> tuple[int, str]:
    """The user whom a login names and his password hash; (0, "") when there is no such user."""
    if is_address(login):
        try:
            user_id = await user_id_by_address(tx, normalise(login))
        except CallError:
            user_id = None
    else:
        user_id = await user_id_by_username(tx, login.strip())
    return (0, "") if user_id is None else (user_id, await password_of(tx, user_id))


async def _own_password(tx: Transaction, op: Op, user_id: int) -> tuple[bool, str]:
    """Whether the change was made before, and the user's password hash, both of one moment:
    else the first attempt may come between, and its new password be taken for the old one."""
    return await is_repeat(tx, op), await password_of(tx, user_id)


async def _arrival(
    tx: Transaction, token_hash: bytes, now_ms: int
) -> tuple[SessionRecord, UserRecord] | None:
    session = await authenticate(tx, token_hash, now_ms)
    if session is None:
        return None
    return session, (await users_by_id(tx, [session.user_id]))[session.user_id]
