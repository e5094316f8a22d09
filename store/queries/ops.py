"""Idempotency keys of the changes that were made."""

from __future__ import annotations

from store.changes.base import Op
from store.transaction import Transaction


async def is_repeat(tx: Transaction, op: Op) -> bool:
    """Whether a change with this key was made. The change, submitted again, is then answered
    with its first result, or refused when the request differs."""
    found = await tx.rows(
        "SELECT at_ms FROM ops WHERE scope = ? AND op_key = ?", (op.scope, op.key)
    )
    return bool(found)
