"""Sign-in codes: issued, judged, spent. Not through the log.

Only a keyed hash of a code is kept. A row outlives its code, so that using one does not
give back what its address has had of the day's codes.
"""

from __future__ import annotations

import hmac
from enum import Enum, auto

from store.changes.base import Op
from store.errors import TooMany
from store.procedures import procedure
from store.queries.ops import is_repeat
from store.transaction import Transaction

CODE_DIGITS = 6
LIFETIME_MS = 10 * 60 * 1000
MAX_ATTEMPTS = 5  # wrong ones, for each code
RESEND_AFTER_MS = 30 * 1000
WINDOW_MS = 24 * 3600 * 1000  # begins with the first code
MAX_IN_WINDOW = 10


class Verdict(Enum):
    REPEAT = auto()  # the call has succeeded before: its change holds the answer
    RIGHT = auto()
    WRONG = auto()  # and counted
    GONE = auto()  # used, expired, guessed at too often, or never sent


@procedure
async def issue(tx: Transaction, address: str, code_hash: bytes, now_ms: int) -> None:
    """Makes this the code of the address, in place of any before it. Raises `TooMany` when
    the last one is too recent, or the address has had its share."""
    await tx.run(
        tx.dialect.insert_new(
            "codes",
            (
                "address",
                "code_hash",
                "expires_ms",
                "attempts",
                "sent_ms",
                "sent_count",
                "window_ms",
            ),
        ),
        (address, b"", 0, 0, 0, 0, 0),
    )
    found = await tx.rows(
        "SELECT sent_ms, sent_count, window_ms FROM codes WHERE address = ?"
        + tx.dialect.for_update(),
        (address,),
    )
    sent_ms, count, window_ms = found[0]
    if now_ms >= window_ms + WINDOW_MS:
        count, window_ms = 0, now_ms
    # Both limits hold at once: the later of the two is when the next code may come.
    wait = max(
        sent_ms + RESEND_AFTER_MS - now_ms,
        window_ms + WINDOW_MS - now_ms if count >= MAX_IN_WINDOW else 0,
    )
    if wait > 0:
        raise TooMany("a code was sent to this address already", retry_after_ms=wait)
    await tx.run(
        "UPDATE codes SET code_hash = ?, expires_ms = ?, attempts = 0, sent_ms = ?, "
        "sent_count = ?, window_ms = ? WHERE address = ?",
        (code_hash, now_ms + LIFETIME_MS, now_ms, count + 1, window_ms, address),
    )


@procedure
async def withdraw(tx: Transaction, address: str, code_hash: bytes) -> None:
    """Undoes the issue of a code that could not be sent: it counts for nothing, and the next
    may come at once. The code before it has ended all the same."""
    await tx.run(
        "UPDATE codes SET code_hash = ?, expires_ms = 0, sent_ms = 0, sent_count = sent_count - 1 "
        "WHERE address = ? AND code_hash = ?",
        (b"", address, code_hash),
    )


@procedure
async def judge(
    tx: Transaction, op: Op, address: str, code_hash: bytes, now_ms: int
) -> tuple[Verdict, int]:
    """Whether the code is the address's, and how many attempts are left. Needs a write
    transaction: a wrong attempt is counted, and the last one ends the code.

    The row is locked before the op_key is looked up: whoever spends the code records its
    op_key in the same transaction, so a repeat sees either both or neither.
    """
    found = await tx.rows(
        "SELECT code_hash, expires_ms, attempts FROM codes WHERE address = ?"
        + tx.dialect.for_update(),
        (address,),
    )
    if await is_repeat(tx, op):
        return Verdict.REPEAT, 0
    if not found or not found[0][0] or found[0][1] <= now_ms:
        return Verdict.GONE, 0
    stored, _, attempts = found[0]
    if hmac.compare_digest(stored, code_hash):
        return Verdict.RIGHT, MAX_ATTEMPTS - attempts
    left = MAX_ATTEMPTS - attempts - 1
    await tx.run(
        "UPDATE codes SET attempts = attempts + 1, code_hash = ? WHERE address = ?",
        (stored if left > 0 else b"", address),
    )
    return Verdict.WRONG, left


async def spend(tx: Transaction, address: str, code_hash: bytes, now_ms: int) -> bool:
    """Uses the code up: True for one caller alone, and only while it is the address's."""
    if not code_hash:
        return False
    return bool(
        await tx.run(
            "UPDATE codes SET code_hash = ? WHERE address = ? AND code_hash = ? AND expires_ms > ?",
            (b"", address, code_hash, now_ms),
        )
    )


async def forget_old_codes(tx: Transaction, now_ms: int) -> int:
    """Drops the rows that limit nothing any more; returns how many."""
    return await tx.run(
        "DELETE FROM codes WHERE window_ms <= ? AND expires_ms <= ?", (now_ms - WINDOW_MS, now_ms)
    )
