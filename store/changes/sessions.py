"""Sessions: opened by a code or a password, given fresh tokens, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

import msgspec

from store import tokens
from store.changes.base import Key, SingleChange
from store.errors import Conflict, Invalid, NotFound, Unauthenticated
from store.log import Kind, Stream, WriteTransaction
from store.queries import codes
from store.queries.sessions import is_living, sessions_by_id
from store.queries.users import user_id_by_address
from store.records import SessionRecord

R = TypeVar("R")

SESSION_LIFETIME_MS = 90 * 24 * 3600 * 1000
TICKET_LIFETIME_MS = 30 * 60 * 1000
MAX_OLD_TOKENS = 10  # a client that rotates again and again without using any token


class SecretChange(SingleChange[R], frozen=True, kw_only=True):
    """A change that carries something secret: it never shows its fields."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is opened with. `key` is secret, good for this session's token alone,
    and derived from `nonce`, which is not secret, and from what only the server knows."""

    nonce: bytes
    key: bytes
    device: str
    client: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A session whose token the server, and nobody else, can make again from `nonce`: this is
    what is stored to answer a repeat."""

    user_id: int
    session_id: int
    nonce: bytes
    expires_ms: int


class CodeOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a right code leads to: a session, or for a new address leave to sign up."""

    grant: Grant | None = None
    ticket_expires_ms: int = 0


class SignInWithCode(SecretChange[CodeOutcome], frozen=True, kw_only=True):
    """Uses up the code of an address, and opens a session of the user who has the address.

    Of several who come with one code, one alone gets through.
    """

    RESULT: ClassVar[type[CodeOutcome]] = CodeOutcome

    address: str
    code_hash: bytes
    session: NewSession

    def excludes(self) -> Sequence[Key]:
        return (("address", self.address),)

    async def apply_one(self, tx: WriteTransaction) -> CodeOutcome:
        if not await codes.spend(tx, self.address, self.code_hash, tx.now_ms):
            raise Unauthenticated("the code has ended: ask for a new one", reason="ended")
        user_id = await user_id_by_address(tx, self.address)
        if user_id is None:
            return CodeOutcome(ticket_expires_ms=tx.now_ms + TICKET_LIFETIME_MS)
        return CodeOutcome(grant=await open_session(tx, user_id, self.session))


class SignInWithPassword(SecretChange[Grant], frozen=True, kw_only=True):
    """Opens a session of a user whose stored password hash is still the one that was
    verified. `renewed`, where given, replaces it: the same password under newer parameters."""

    RESULT: ClassVar[type[Grant]] = Grant

    user_id: int
    verified: str
    renewed: str = ""
    session: NewSession

    def excludes(self) -> Sequence[Key]:
        return (("user", self.user_id),)

    async def apply_one(self, tx: WriteTransaction) -> Grant:
        if not self.verified or await _password(tx, self.user_id) != self.verified:
            raise Unauthenticated("wrong login or password")
        if self.renewed:
            await _set_password(tx, self.user_id, self.renewed)
        return await open_session(tx, self.user_id, self.session)


class RotateToken(SecretChange[Grant], frozen=True, kw_only=True):
    """A fresh token and a full lifetime for a living session.

    The older tokens end when the fresh one is first used, not now: a client that never hears
    the answer has no other way back in, not even to ask again with the same op_key.
    """

    RESULT: ClassVar[type[Grant]] = Grant

    user_id: int
    session_id: int
    nonce: bytes
    key: bytes

    def excludes(self) -> Sequence[Key]:
        return (("user", self.user_id),)

    async def apply_one(self, tx: WriteTransaction) -> Grant:
        await _own_session(tx, self.user_id, self.session_id)
        old = await tx.rows(
            "SELECT COUNT(*) FROM old_tokens WHERE session_id = ?", (self.session_id,)
        )
        if old[0][0] >= MAX_OLD_TOKENS:
            raise Conflict("use the fresh token before asking for another")
        expires_ms = tx.now_ms + SESSION_LIFETIME_MS
        await tx.run(
            "INSERT INTO old_tokens (token_hash, session_id) "
            "SELECT token_hash, id FROM sessions WHERE id = ?",
            (self.session_id,),
        )
        await tx.run(
            "UPDATE sessions SET token_hash = ?, expires_ms = ? WHERE id = ?",
            (tokens.digest(tokens.mint(self.session_id, self.key)), expires_ms, self.session_id),
        )
        return Grant(
            user_id=self.user_id,
            session_id=self.session_id,
            nonce=self.nonce,
            expires_ms=expires_ms,
        )


class RevokeSessions(SingleChange[tuple[int, ...]], frozen=True, kw_only=True):
    """Ends one session of one's own, or every one but the caller's. Answers with those that
    were living until now."""

    RESULT: ClassVar[object] = tuple[int, ...]

    user_id: int
    session_id: int  # the caller's
    target_id: int = 0  # 0: all others

    def excludes(self) -> Sequence[Key]:
        return (("user", self.user_id),)

    async def apply_one(self, tx: WriteTransaction) -> tuple[int, ...]:
        await _own_session(tx, self.user_id, self.session_id)
        if not self.target_id:
            return await revoke_others(tx, self.user_id, self.session_id)
        target = (await sessions_by_id(tx, [self.target_id])).get(self.target_id)
        if target is None or target.user_id != self.user_id:
            raise NotFound("no such session")
        if not is_living(target, tx.now_ms):
            return ()
        return await _revoke(tx, self.user_id, [self.target_id])


class SetPassword(SecretChange[tuple[int, ...]], frozen=True, kw_only=True):
    """Replaces the password hash, which must still be the one that was verified (empty: there
    was none). Answers with the sessions that it revoked."""

    RESULT: ClassVar[object] = tuple[int, ...]

    user_id: int
    session_id: int
    verified: str
    password: str
    revoke_others: bool = False

    def excludes(self) -> Sequence[Key]:
        return (("user", self.user_id),)

    async def apply_one(self, tx: WriteTransaction) -> tuple[int, ...]:
        if not self.password:
            raise Invalid("a password hash is needed")
        await _own_session(tx, self.user_id, self.session_id)
        if await _password(tx, self.user_id) != self.verified:
            raise Conflict("the password was changed meanwhile")
        await _set_password(tx, self.user_id, self.password)
        return await revoke_others(tx, self.user_id, self.session_id) if self.revoke_others else ()


async def open_session(tx: WriteTransaction, user_id: int, new: NewSession) -> Grant:
    """Opens a session and says so in the user's stream; only its token's digest is kept."""
    entry = await tx.append(Kind.SESSION_CREATED, Stream.user(user_id), actor_id=user_id)
    entry.record = session = SessionRecord(
        id=entry.position,
        user_id=user_id,
        device=new.device,
        client=new.client,
        created_ms=tx.now_ms,
        last_used_ms=tx.now_ms,
        expires_ms=tx.now_ms + SESSION_LIFETIME_MS,
    )
    await tx.run(
        "INSERT INTO sessions (id, user_id, token_hash, device, client, created_ms, expires_ms, "
        "revoked_ms) VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        (
            session.id,
            user_id,
            tokens.digest(tokens.mint(session.id, new.key)),
            new.device,
            new.client,
            session.created_ms,
            session.expires_ms,
        ),
    )
    return Grant(
        user_id=user_id, session_id=session.id, nonce=new.nonce, expires_ms=session.expires_ms
    )


async def revoke_others(tx: WriteTransaction, user_id: int, session_id: int) -> tuple[int, ...]:
    """Revokes every living session of the user but this one."""
    found = await tx.rows(
        "SELECT id FROM sessions WHERE user_id = ? AND revoked_ms = 0 AND expires_ms > ? "
        "AND id <> ? ORDER BY id",
        (user_id, tx.now_ms, session_id),
    )
    return await _revoke(tx, user_id, [row[0] for row in found])


async def _revoke(
    tx: WriteTransaction, user_id: int, session_ids: Sequence[int]
) -> tuple[int, ...]:
    for session_id in session_ids:
        await tx.append(
            Kind.SESSION_REVOKED, Stream.user(user_id), actor_id=user_id, subject_id=session_id
        )
    await tx.run_many(
        "UPDATE sessions SET revoked_ms = ? WHERE id = ?",
        [(tx.now_ms, session_id) for session_id in session_ids],
    )
    await tx.run_many(
        "DELETE FROM old_tokens WHERE session_id = ?", [(one,) for one in session_ids]
    )
    return tuple(session_ids)


async def _own_session(tx: WriteTransaction, user_id: int, session_id: int) -> None:
    """The caller's session may have been revoked since his connection was opened."""
    session = (await sessions_by_id(tx, [session_id])).get(session_id)
    if session is None or session.user_id != user_id or not is_living(session, tx.now_ms):
        raise Unauthenticated("this session has ended")


async def _password(tx: WriteTransaction, user_id: int) -> str | None:
    found = await tx.rows("SELECT password FROM users WHERE id = ?", (user_id,))
    return found[0][0] if found else None


async def _set_password(tx: WriteTransaction, user_id: int, password: str) -> None:
    await tx.run("UPDATE users SET password = ? WHERE id = ?", (password, user_id))
