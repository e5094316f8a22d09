"""The server's own secrets: made once, the same for every process of it."""

from __future__ import annotations

import os

from store.transaction import Transaction


async def load_or_create_secret(tx: Transaction, name: str, size: int) -> bytes:
    """The secret of this name; made of `size` random bytes (at most 64) the first time.

    Needs a write transaction. Processes that start at once agree on one value.
    """
    found = await tx.rows("SELECT value FROM secrets WHERE name = ?", (name,))
    if not found:
        await tx.run(tx.dialect.insert_new("secrets", ("name", "value")), (name, os.urandom(size)))
        found = await tx.rows("SELECT value FROM secrets WHERE name = ?", (name,))
    secret: bytes = found[0][0]
    return secret


async def secret_named(tx: Transaction, name: str) -> bytes:
    """A secret that was made before. Raises `LookupError` for one that was not."""
    found = await tx.rows("SELECT value FROM secrets WHERE name = ?", (name,))
    if not found:
        raise LookupError(f"no secret {name!r}")
    secret: bytes = found[0][0]
    return secret
