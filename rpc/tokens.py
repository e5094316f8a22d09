"""From the token in a Hello or Refresh frame to its session."""

from __future__ import annotations

from rpc.context import Clock, Reads
from rpc.errors import CallError, Code
from rpc.lastuse import LastUses
from store import tokens
from store.queries import sessions
from store.records import SessionRecord

MAX_TOKEN = 200  # characters; ours have fewer than 80


async def authenticate_token(
    reads: Reads, clock: Clock, uses: LastUses, token: str
) -> SessionRecord:
    """The living session that the token opens. Raises `CallError(UNAUTHENTICATED)`.

    The first use of a fresh token ends the ones that it replaced. The time of use is kept to
    the minute, so most calls of this write nothing.
    """
    now_ms = clock.now_ms()
    digest = tokens.digest(token)
    found = None if len(token) > MAX_TOKEN else await reads.read(sessions.admission, digest, now_ms)
    if found is None:
        raise CallError(Code.UNAUTHENTICATED, "this session has ended: sign in again")
    session, replaces = found
    if replaces:
        await reads.write(sessions.end_old_tokens, digest)
    if now_ms - session.last_used_ms >= sessions.TOUCH_EVERY_MS:
        uses.note(session.id, now_ms)
    return session


async def living_session(reads: Reads, clock: Clock, session_id: int) -> SessionRecord:
    """The session as it is now. Raises `CallError(UNAUTHENTICATED)` when it has ended."""
    found = await reads.read(sessions.sessions_by_id, (session_id,))
    return still_living(found.get(session_id), clock.now_ms())


def still_living(session: SessionRecord | None, now_ms: int) -> SessionRecord:
    """The session itself. Raises `CallError(UNAUTHENTICATED)` when it has ended."""
    if session is None or not sessions.is_living(session, now_ms):
        raise CallError(Code.UNAUTHENTICATED, "this session has ended: sign in again")
    return session
