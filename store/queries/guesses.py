"""Guesses at passwords, counted by what is guessed at. Not through the log.

A right password costs nothing: its own guess is given back, and no more than that, so that an
owner's comings and goings give nobody else further guesses.
"""

from __future__ import annotations

from store.errors import TooMany
from store.procedures import procedure
from store.transaction import Transaction

WINDOW_MS = 3600 * 1000  # begins with the first guess
MAX_IN_WINDOW = 10


@procedure
async def take(tx: Transaction, key: bytes, now_ms: int) -> None:
    """Counts a guess before it is judged, so that guesses made at once are counted too. Raises
    `TooMany` when the window has had its share."""
    await tx.run(
        tx.dialect.insert_new("password_guesses", ("guess_key", "guesses", "window_ms")),
        (key, 0, now_ms),
    )
    found = await tx.rows(
        "SELECT guesses, window_ms FROM password_guesses WHERE guess_key = ?"
        + tx.dialect.for_update(),
        (key,),
    )
    guesses, window_ms = found[0]
    if now_ms >= window_ms + WINDOW_MS:
        guesses, window_ms = 0, now_ms
    if guesses >= MAX_IN_WINDOW:
        raise TooMany(
            "too many wrong passwords: wait, or sign in with a code",
            retry_after_ms=window_ms + WINDOW_MS - now_ms,
        )
    await tx.run(
        "UPDATE password_guesses SET guesses = ?, window_ms = ? WHERE guess_key = ?",
        (guesses + 1, window_ms, key),
    )


@procedure
async def give_back(tx: Transaction, key: bytes) -> None:
    """Takes back a guess that turned out right."""
    await tx.run(
        "UPDATE password_guesses SET guesses = guesses - 1 WHERE guess_key = ? AND guesses > 0",
        (key,),
    )


async def forget_old_guesses(tx: Transaction, now_ms: int) -> int:
    """Drops the rows that limit nothing any more; returns how many."""
    return await tx.run("DELETE FROM password_guesses WHERE window_ms <= ?", (now_ms - WINDOW_MS,))
