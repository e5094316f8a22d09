"""Whom a user has blocked."""

from __future__ import annotations

from store.queries.paging import below, users_of_rows
from store.records import UserRecord
from store.transaction import Transaction


async def blocked_users(
    tx: Transaction, user_id: int, before: int, limit: int
) -> tuple[list[UserRecord], int]:
    """The latest first, and the position to go on from (0: no more)."""
    found = await tx.rows(
        "SELECT blocked_id, changed FROM blocks WHERE blocker_id = ? AND active = 1 "
        "AND changed < ? ORDER BY changed DESC LIMIT ?",
        (user_id, below(before), limit + 1),
    )
    return await users_of_rows(tx, found, limit)
