"""Sessions, and the tokens that open them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from store.log import Entry
from store.procedures import procedure
from store.queries.timelines import generations, want
from store.records import SessionRecord
from store.transaction import Row, Transaction

TOUCH_EVERY_MS = 60 * 1000
SESSIONS_AT_ONCE = 500

_COLUMNS = (
    "SELECT s.id, s.user_id, s.device, s.client, s.created_ms, COALESCE(u.at_ms, s.created_ms), "
    "s.expires_ms, s.revoked_ms"
)
_SESSIONS = "FROM sessions s LEFT JOIN session_uses u ON u.session_id = s.id "
_SELECT = f"{_COLUMNS} {_SESSIONS}"


def _session_of(row: Row) -> SessionRecord:
    return SessionRecord(
        id=row[0],
        user_id=row[1],
        device=row[2],
        client=row[3],
        created_ms=row[4],
        last_used_ms=row[5],
        expires_ms=row[6],
        revoked_ms=row[7],
    )


def is_living(session: SessionRecord, now_ms: int) -> bool:
    return not session.revoked_ms and now_ms < session.expires_ms


async def authenticate(tx: Transaction, token_hash: bytes, now_ms: int) -> SessionRecord | None:
    """The living session that a token opens, by the token's digest."""
    found = await admission(tx, token_hash, now_ms)
    return found[0] if found is not None else None


async def admission(
    tx: Transaction, token_hash: bytes, now_ms: int
) -> tuple[SessionRecord, bool] | None:
    """The living session that a token opens, and whether this is the session's newest token
    while older ones still open it."""
    found = await tx.rows(
        f"{_COLUMNS}, EXISTS (SELECT 1 FROM old_tokens o WHERE o.session_id = s.id) "
        f"{_SESSIONS}WHERE s.token_hash = ?",
        (token_hash,),
    )
    replaces = bool(found and found[0][8])
    if not found:
        found = await tx.rows(
            _SELECT + "JOIN old_tokens o ON o.session_id = s.id WHERE o.token_hash = ?",
            (token_hash,),
        )
    session = _session_of(found[0]) if found else None
    return (session, replaces) if session is not None and is_living(session, now_ms) else None


@procedure
async def end_old_tokens(tx: Transaction, token_hash: bytes) -> None:
    """Ends the older tokens of the session whose newest token this still is."""
    found = await tx.rows("SELECT id FROM sessions WHERE token_hash = ?", (token_hash,))
    if found:
        await tx.run("DELETE FROM old_tokens WHERE session_id = ?", (found[0][0],))


async def sessions_by_id(tx: Transaction, ids: Iterable[int]) -> dict[int, SessionRecord]:
    """The sessions that exist among `ids`, ended ones too."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    found = await tx.rows(_SELECT + "WHERE s.id IN " + tx.dialect.in_list(len(wanted)), wanted)
    return {row[0]: _session_of(row) for row in found}


async def list_sessions(tx: Transaction, user_id: int, now_ms: int) -> list[SessionRecord]:
    """The living sessions of a user, the newest first."""
    found = await tx.rows(
        _SELECT + "WHERE s.user_id = ? AND s.revoked_ms = 0 AND s.expires_ms > ? "
        "ORDER BY s.id DESC",
        (user_id, now_ms),
    )
    return [_session_of(row) for row in found]


@procedure
async def touch(tx: Transaction, uses: Sequence[tuple[int, int]]) -> None:
    """Keeps when sessions were used: pairs of a session and Unix milliseconds. Not through the
    log; callers see to it that a session comes here at most once in `TOUCH_EVERY_MS`. Users who
    have not been here for long get their home timelines back."""
    await tx.run_many(tx.dialect.upsert("session_uses", ("session_id",), ("at_ms",)), uses)
    seen: dict[int, int] = {}
    for start in range(0, len(uses), SESSIONS_AT_ONCE):
        few = dict(uses[start : start + SESSIONS_AT_ONCE])
        for session_id, user_id in await tx.rows(
            "SELECT id, user_id FROM sessions WHERE id IN " + tx.dialect.in_list(len(few)),
            list(few),
        ):
            seen[user_id] = max(few[session_id], seen.get(user_id, 0))
    for generation in await generations(tx):
        await want(tx, generation, seen)


async def load_sessions(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Sets the session of each entry of one (see `hydrate`)."""
    found = await sessions_by_id(tx, (entry.subject_id for entry in entries))
    for entry in entries:
        entry.record = found.get(entry.subject_id)
